// Package cli holds what the verbs of the command share: streams, device
// selection, progress, JSON and exit codes.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/kvaccel/kvaccel/driver"
)

// SchemaVersion counts incompatible changes of the JSON that --json prints.
const SchemaVersion = 1

// Env is what a verb works with.
type Env struct {
	Stdout  io.Writer
	Stderr  io.Writer
	Devices *driver.Registry
	Device  string // URI given with -d
	JSON    bool
}

// Open opens the device named by -d.
func (e *Env) Open(ctx context.Context) (driver.Device, error) {
	return e.Devices.Open(ctx, e.Device)
}

// PrintJSON writes v, indented, to stdout.
func (e *Env) PrintJSON(v any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Progress gives a function that reports done of total steps: a bar on a
// terminal, nothing elsewhere. The second function clears the bar.
func (e *Env) Progress(what string) (report func(done, total int), finish func()) {
	f, ok := e.Stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int, int) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	report = func(done, total int) {
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30), progressbar.OptionShowCount())
		}
		_ = bar.Set(done) // a bar that cannot be drawn stops nothing
	}
	return report, func() {
		if bar != nil {
			_ = bar.Clear()
		}
	}
}

// Note prints a line for people on stderr.
func (e *Env) Note(format string, args ...any) {
	fmt.Fprintf(e.Stderr, format+"\n", args...)
}
