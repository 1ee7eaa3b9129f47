// Package results has the figures of make synth: area and speed of builds of
// the engine on FPGAs.
package results

import "embed"

// Files are the results, one JSON file a board.
//
//go:embed *.json
var Files embed.FS
