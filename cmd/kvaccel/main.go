// Command kvaccel runs KV-cache compression on an engine: the emulator, the
// Verilated RTL or a board.
package main

import (
	"os"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/root"
)

func main() { os.Exit(root.Main(os.Args[1:], os.Stdout, os.Stderr)) }
