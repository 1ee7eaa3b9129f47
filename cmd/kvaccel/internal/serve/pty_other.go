//go:build !linux

package serve

import (
	"errors"
	"os"
	"syscall"
)

type terminal struct {
	*os.File
	path string
}

func openTerminal() (*terminal, error) {
	return nil, errors.New("--uart needs Linux; --usbip works here")
}

func ownGroup() *syscall.SysProcAttr { return nil }
