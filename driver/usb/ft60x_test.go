//go:build cgo && usb

package usb

import (
	"encoding/hex"
	"testing"
)

func TestFT60xAsk(t *testing.T) {
	const want = "0300000082010000000001000000000000000000"
	if got := hex.EncodeToString(ft60xAsk(3, 65536)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
