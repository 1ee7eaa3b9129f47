// Package serve is the verb that puts virtual boards where real ones would be:
// on a USB bus (USB/IP) and at a serial port (a pseudo-terminal).
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver/usbip"
)

// loopback is where USB/IP is served unless told otherwise.
const loopback = "127.0.0.1:3240"

type flags struct {
	usbip    string
	uart     bool
	boards   []string
	pipe     string
	pipeArgs []string
}

// New builds "kvaccel serve".
func New(env *cli.Env) *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use:   "serve [--usbip[=ADDR]] [--uart]",
		Short: "Put a virtual board on a USB bus or at a serial port",
		Long: `serve plays a board: the engine of -d (the emulator, or the Verilated engine), or a
program with a byte link at its standard input and output (--pipe), behind a
virtual USB device that any Linux machine can attach with stock tools, or
behind a pseudo-terminal. It serves until interrupted.

USB/IP has no authentication and no encryption: whoever reaches the port has the
device. It is served on loopback unless another address is given; reach it
from elsewhere through a tunnel (ssh -L 3240:localhost:3240).

Boards (--board, any number of them, each with an engine of its own):
  native               kvaccel's own USB interface, 1209:5af0 with a bulk pair
  ft232h, ft232h-uart  an FT232H with the engine at its FIFO, or UART, pins
  dfu:NAME             boot loader of a board in the table of kvaccel flash
Options follow a question mark: serial=TEXT; of dfu: memory=FILE (what is
flashed, kept), size=BYTES, script=FAULTS (such as stall@2,long-poll@0), app=native
(what the board is once flashed), start=app, attributes=LETTERS of d, u, t, w.

To attach, as root on the machine that is to have the device:
  modprobe vhci-hcd && usbip attach -r HOST -b 1-1`,
		Example: `  kvaccel serve --usbip
  kvaccel serve --uart -d rtl: --json
  kvaccel serve --usbip --board ft232h --pipe build/board/ft245-l8-d256-t128-n4096/kv_board
  kvaccel serve --usbip --board 'dfu:orangecrab-25f?memory=flash.bin&script=stall@2'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.usbip == "" && !f.uart {
				return cli.Usage(errors.New("nothing to serve on: give --usbip, --uart or both"))
			}
			if f.usbip == "" && cmd.Flags().Changed("board") {
				return cli.Usage(errors.New("--board says what is on the USB bus: give --usbip, too"))
			}
			return serve(cmd.Context(), env, f)
		},
	}
	cmd.Flags().StringVar(&f.usbip, "usbip", "", "serve USB/IP; an address other than loopback is open to everybody who reaches it")
	cmd.Flags().Lookup("usbip").NoOptDefVal = loopback
	cmd.Flags().BoolVar(&f.uart, "uart", false, "serve a pseudo-terminal and print its path")
	cmd.Flags().StringArrayVar(&f.boards, "board", []string{"native"}, "what is on the bus: native, ft232h, ft232h-uart or dfu:NAME")
	cmd.Flags().StringVar(&f.pipe, "pipe", "", "program with a byte link at its standard input and output, in place of -d")
	cmd.Flags().StringArrayVar(&f.pipeArgs, "pipe-arg", nil, "argument for that program")
	return cmd
}

// ready is the first event: what is served where.
type ready struct {
	SchemaVersion int        `json:"schema_version"`
	Event         string     `json:"event"`
	Address       string     `json:"address,omitempty"`
	USBIP         []exported `json:"usbip,omitempty"`
	UART          string     `json:"uart,omitempty"`
}

type exported struct {
	BusID string `json:"bus_id"`
	Board string `json:"board"`
	ID    string `json:"id"`
}

// events prints what happens: a JSON object a line, or a line for people.
type events struct {
	mu  sync.Mutex
	env *cli.Env
}

func (e *events) print(v any, line string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.env.JSON {
		_ = json.NewEncoder(e.env.Stdout).Encode(v) // nobody listens: serving goes on
		return
	}
	fmt.Fprintln(e.env.Stdout, line)
}

func serve(ctx context.Context, env *cli.Env, f flags) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &house{env: env, flags: f, fail: cancel}
	defer func() {
		cancel(nil)
		err = errors.Join(err, h.close())
	}()
	out := &events{env: env}
	r := ready{SchemaVersion: cli.SchemaVersion, Event: "ready"}
	server := &usbip.Server{Log: func(e usbip.Event) {
		out.print(e, strings.TrimSpace(strings.Join([]string{e.Kind, e.BusID, "by", e.Client, e.Reason}, " ")))
	}}
	var listener net.Listener
	if f.usbip != "" {
		for _, spec := range f.boards {
			d, err := h.board(ctx, spec)
			if err != nil {
				return err
			}
			desc := d.Descriptors()
			r.USBIP = append(r.USBIP, exported{server.Export(d), spec, fmt.Sprintf("%04x:%04x", desc.Vendor, desc.Product)})
		}
		if listener, err = h.listen(f.usbip); err != nil {
			return err
		}
		r.Address = listener.Addr().String()
	}
	if f.uart {
		if r.UART, err = h.terminal(ctx); err != nil {
			return err
		}
	}
	out.print(r, r.text())
	if listener != nil {
		h.running.Go(func() {
			if err := server.Serve(ctx, listener); err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil // interrupted, as it is meant to end
}

func (r ready) text() string {
	var lines []string
	for _, e := range r.USBIP {
		lines = append(lines, fmt.Sprintf("%s %s on USB/IP at %s; attach it with: usbip attach -r %s -b %s", e.Board, e.ID, r.Address, host(r.Address), e.BusID))
	}
	if r.UART != "" {
		lines = append(lines, "serial port "+r.UART)
	}
	return strings.Join(append(lines, "serving; Ctrl-C ends it"), "\n")
}

func host(address string) string {
	h, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return h
}

// listen opens the port and warns where others can reach it.
func (h *house) listen(address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, fmt.Sprint(usbip.Port))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving USB/IP: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		h.env.Note("warning: USB/IP has no authentication: whoever reaches %s has the device", l.Addr())
	}
	h.closers = append(h.closers, closer(func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}))
	return l, nil
}

type closer func() error

func (c closer) Close() error { return c() }
