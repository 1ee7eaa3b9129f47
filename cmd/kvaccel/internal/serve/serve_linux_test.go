package serve

import (
	"strings"
	"testing"
)

// Pseudo-terminals are served on Linux only; elsewhere the command says so.
func TestUARTAnswers(t *testing.T) {
	s := start(t, "--uart")
	if !strings.HasPrefix(s.ready.UART, "/dev/pts/") || s.ready.Address != "" {
		t.Errorf("%+v", s.ready)
	}
}
