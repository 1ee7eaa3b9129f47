// Package flash is the verb that programs boards.
package flash

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/flash"
	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
	"github.com/kvaccel/kvaccel/driver/flash/board"
	"github.com/kvaccel/kvaccel/driver/flash/usbbus"
)

// tools are what the verb works with beside its flags; tests have others.
type tools struct {
	bus   func() (flash.Bus, error)
	run   flash.Runner
	stdin io.Reader
	tty   bool // somebody can be asked
}

type flags struct {
	board, to, method, serial    string
	cable                        string
	verify, dryRun, yes, recover bool
	force, boards                bool
	offset                       int64
	engine                       bool // -d names the engine of the board
	explicit                     bool // --verify was written
}

// New builds "kvaccel flash".
func New(env *cli.Env) *cobra.Command {
	return newCommand(env, tools{bus: usbbus.New, run: flash.Run, stdin: os.Stdin, tty: term.IsTerminal(int(os.Stdin.Fd()))})
}

func newCommand(env *cli.Env, t tools) *cobra.Command {
	f := flags{}
	cmd := &cobra.Command{
		Use:   "flash [BITSTREAM]",
		Short: "Program a board with a design",
		Long: `flash checks a bitstream, writes it to a board and finds out what came of it.

The file must be whole, for the board's part, and go where no boot loader is.
Boards with a DFU boot loader are written over USB by this program; others by
openFPGALoader, if it is installed. With -d, the engine of the board is asked
which build it is: before, to skip what is there already, and after, to see
that the right one answers. kvaccel flash --boards lists the boards.

Exit codes: 0 done, 2 refused or mistaken, 3 no such board on USB or several,
4 no permission, 6 the board failed or vanished, 7 what is in it is not what was
written, 8 another build answers.`,
		Example: `  kvaccel flash kvaccel.bit --board orangecrab-25f --dry-run
  kvaccel flash kvaccel.bit --board orangecrab-25f --yes
  kvaccel flash kvaccel.bit --board ulx3s-85f --to flash -d uart:/dev/ttyUSB0
  kvaccel flash kvaccel.bit --board ulx3s-85f --cable xvc://bench-pi:2542
  kvaccel flash --board ulx3s-85f --recover`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.engine, f.explicit = cmd.Flags().Changed("device"), cmd.Flags().Changed("verify")
			return f.do(cmd.Context(), env, t, args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.board, "board", "", "the board (kvaccel flash --boards lists them)")
	fl.StringVar(&f.to, "to", "", "sram (until the power goes) or flash (default: sram where the board can, else flash)")
	fl.StringVar(&f.method, "method", "", "dfu or openfpgaloader (default: the board's usual one)")
	fl.StringVar(&f.serial, "serial", "", "serial number of the board, if several are there")
	fl.StringVar(&f.cable, "cable", "", "openFPGALoader: a JTAG cable on the network instead of the board's own, xvc://HOST:PORT")
	fl.BoolVar(&f.verify, "verify", true, "compare what is in the flash afterwards")
	fl.Int64Var(&f.offset, "offset", -1, "address in the flash (default: the board's own)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "check everything and say what would be done")
	fl.BoolVarP(&f.yes, "yes", "y", false, "write the flash without asking")
	fl.BoolVar(&f.force, "force", false, "take a file that is for another part or not whole, and write what is there already")
	fl.BoolVar(&f.recover, "recover", false, "tell how to get a board back that does not answer")
	fl.BoolVar(&f.boards, "boards", false, "list the boards")
	return cmd
}

func (f flags) do(ctx context.Context, env *cli.Env, t tools, args []string) error {
	if f.boards {
		return list(env)
	}
	if f.board == "" {
		return cli.Usage(errors.New("--board says which board it is; kvaccel flash --boards lists them"))
	}
	b, err := board.Lookup(f.board)
	if err != nil {
		return cli.Usage(err)
	}
	if f.recover {
		return recovery(env, b)
	}
	if len(args) == 0 {
		return cli.Usage(errors.New("no bitstream given"))
	}
	file, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	if f.to != "" && f.to != string(flash.SRAM) && f.to != string(flash.Flash) {
		return cli.Usage(fmt.Errorf("--to %s: want sram or flash", f.to))
	}
	o := flash.Options{To: flash.To(f.to), Method: board.Kind(f.method), Offset: f.offset, Verify: f.verify, Force: f.force, Serial: f.serial, Cable: f.cable}
	plan, err := flash.Prepare(file, b, o)
	if err != nil {
		return refused(args[0], err)
	}
	r := report{SchemaVersion: cli.SchemaVersion, Board: b.Name, File: args[0], Part: plan.Bitstream.Part, Method: string(plan.Method.Kind), To: string(plan.To), Address: plan.Address, Bytes: len(plan.Image), Build: hash(plan.Bitstream.UserCode)}
	for _, w := range plan.Warnings {
		env.Note("warning: %s: %s", args[0], w)
	}
	if f.dryRun {
		r.Outcome = "would be written"
		return r.print(env)
	}
	if same, err := f.running(ctx, env, plan); err != nil || same && !f.force {
		if err == nil {
			r.Outcome, r.Engine = "runs already", r.Build
			err = r.print(env)
		}
		return err
	}
	if err := f.agree(env, t, plan); err != nil {
		return err
	}
	return f.write(ctx, env, t, plan, o, r)
}

func (f flags) write(ctx context.Context, env *cli.Env, t tools, plan flash.Plan, o flash.Options, r report) error {
	p := progress{env: env}
	o.Progress = p.tell
	var result flash.Result
	var err error
	if plan.Method.Kind == board.DFU {
		var bus flash.Bus
		if bus, err = t.bus(); err == nil {
			result, err = flash.WriteDFU(ctx, bus, plan, o)
		}
	} else {
		result, err = flash.WriteLoader(ctx, t.run, plan, o)
	}
	p.finish()
	if err != nil {
		return refused(r.File, err)
	}
	r.Outcome, r.Verified, r.CameBack, r.Seconds = "written", string(result.Verified), result.CameBack, result.Seconds
	if f.engine {
		if err := f.confirm(ctx, env, plan, &r); err != nil {
			return err
		}
	}
	if f.explicit && f.verify && r.Verified == string(flash.Unverified) {
		return fmt.Errorf("%w: %s was written, but nothing can be read back; give -d URI of the engine to ask it", driver.ErrVerify, r.File)
	}
	return r.print(env)
}

// refused makes what is wrong with file or board a usage error.
func refused(file string, err error) error {
	for _, e := range []error{bitstream.ErrInvalid, board.ErrRefused, board.ErrUnknown} {
		if errors.Is(err, e) {
			return cli.Usage(fmt.Errorf("%s: %w", file, err))
		}
	}
	return err
}

// running asks the engine whether it is the file's build already. A board without
// an engine is what flash is for: no answer is no error.
func (f flags) running(ctx context.Context, env *cli.Env, plan flash.Plan) (bool, error) {
	if !f.engine || plan.Bitstream.UserCode == 0 {
		return false, nil
	}
	d, err := env.Open(ctx)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return false, err
		}
		return false, nil
	}
	return d.Info().BuildHash == plan.Bitstream.UserCode, d.Close()
}

// confirm asks the engine after all is done.
func (f flags) confirm(ctx context.Context, env *cli.Env, plan flash.Plan, r *report) error {
	d, err := env.Open(ctx)
	if err != nil {
		return fmt.Errorf("%s was written, but its engine does not answer: %w", r.File, err)
	}
	info := d.Info()
	if err := d.Close(); err != nil {
		return err
	}
	r.Engine = hash(info.BuildHash)
	switch {
	case plan.Bitstream.UserCode == 0:
		r.Note = "the file does not say which build it is"
	case info.BuildHash != plan.Bitstream.UserCode:
		return fmt.Errorf("%w: %s is build %s, the engine that answers is %s", driver.ErrVersion, r.File, hash(plan.Bitstream.UserCode), r.Engine)
	case r.Verified == string(flash.Unverified):
		r.Verified = string(flash.ByBuild)
	}
	return nil
}

// agree asks before a flash is overwritten.
func (f flags) agree(env *cli.Env, t tools, plan flash.Plan) error {
	if f.yes || plan.To == flash.SRAM {
		return nil
	}
	if !t.tty {
		return cli.Usage(errors.New("the flash of a board is overwritten only if somebody agrees: --yes"))
	}
	fmt.Fprintf(env.Stderr, "overwrite %d bytes at %#x of the flash of %s? [y/N] ", len(plan.Image), plan.Address, plan.Board.Title)
	answer, _ := bufio.NewReader(t.stdin).ReadString('\n')
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return errors.New("not agreed; nothing was written")
	}
	return nil
}

func recovery(env *cli.Env, b board.Board) error {
	if env.JSON {
		return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "board": b.Name, "recover": b.Recover})
	}
	_, err := fmt.Fprintf(env.Stdout, "%s (%s)\n%s\n", b.Name, b.Title, b.Recover)
	return err
}

func list(env *cli.Env) error {
	type entry struct {
		Name    string   `json:"name"`
		Title   string   `json:"title"`
		Parts   []string `json:"parts"`
		Methods []string `json:"methods"`
	}
	var all []entry
	for _, b := range board.Boards {
		e := entry{b.Name, b.Title, b.Parts, nil}
		for _, m := range b.Methods {
			e.Methods = append(e.Methods, string(m.Kind))
		}
		all = append(all, e)
	}
	if env.JSON {
		return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "boards": all})
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, strings.Join(e.Parts, ", "), strings.Join(e.Methods, ", "), e.Title)
	}
	return w.Flush()
}
