// Package root puts the verbs together into the kvaccel command.
package root

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/attention"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/bench"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/eval"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/flash"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/inspect"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/monitor"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/policies"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/report"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/restore"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/run"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/serve"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/sweep"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/tracecmd"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/tune"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/upkeep"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/worker"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/fault"
	"github.com/kvaccel/kvaccel/driver/pcie"
	"github.com/kvaccel/kvaccel/driver/replay"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/driver/uart"
	"github.com/kvaccel/kvaccel/driver/usb"
	"github.com/kvaccel/kvaccel/emulator"
)

// Main runs the command and gives its exit code. Ctrl-C cancels the work in
// hand; a second one ends the program at once.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	cmd := New(stdout, stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "kvaccel:", err)
	}
	return cli.ExitCode(err)
}

// New builds the command with every verb and every driver of this build.
func New(stdout, stderr io.Writer) *cobra.Command {
	env := &cli.Env{Stdout: stdout, Stderr: stderr, Devices: &driver.Registry{}}
	env.Devices.Register("emu", emulator.Open)
	env.Devices.Register("rtl", rtl.Open)
	env.Devices.Register("usb", usb.Open)
	env.Devices.Register("uart", uart.Open)
	env.Devices.Register("xdma", pcie.Open)
	env.Devices.Register("pci", pcie.OpenSysfs)
	env.Devices.Register("replay", replay.Open)
	env.Devices.Register("record", replay.OpenRecorder(env.Devices))
	env.Devices.Register("fault", fault.Opener(env.Devices))
	env.Devices.RegisterLister("usb", usb.List)
	env.Devices.RegisterLister("uart", uart.List)
	env.Devices.RegisterLister("xdma", pcie.List)
	cmd := &cobra.Command{
		Use:   "kvaccel",
		Short: "KV-cache compression on an engine: emulator, Verilated RTL or board",
		Long: `kvaccel compresses the KV cache of a language model on a streaming hardware engine
and tells what it costs: bytes, cycles and fidelity. The engine is a
cycle-accurate emulator (emu:), the Verilated RTL itself (rtl:), or a board on USB
(usb:), a serial port (uart:) or PCIe (xdma:, pci:); all give the same bytes and the same
cycle counts. kvaccel list shows what there is, kvaccel doctor what is wrong with it.

record:FILE,URI writes down what passes, replay:FILE plays it back, fault:SCRIPT,URI
injects faults.`,
		Example: `  kvaccel run                              compress the built-in sample trace
  kvaccel run trace.safetensors --policy kivi-2 -o cache.safetensors
  kvaccel restore cache.safetensors -o restored.safetensors
  kvaccel info -d rtl:`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return cli.Usage(fmt.Errorf("%w; see %s --help", err, c.CommandPath()))
	})
	cmd.PersistentFlags().StringVarP(&env.Device, "device", "d", "emu:", "device URI: emu:[?lanes=8...], rtl:[?...], usb:[VID:PID|@PATH][?serial=...], uart:/dev/NODE, xdma:N, pci:BDF")
	cmd.PersistentFlags().BoolVar(&env.JSON, "json", false, "print JSON on stdout")
	for _, sub := range []*cobra.Command{
		run.New(env), eval.New(env), tune.New(env), policies.New(env), restore.New(env), inspect.NewList(env), inspect.NewInfo(env), inspect.NewRegs(env), bench.New(env), tracecmd.New(env),
		monitor.New(env), upkeep.NewReset(env), upkeep.NewDoctor(env), upkeep.NewUdev(env),
		sweep.New(env), worker.New(env), report.New(env), serve.New(env), flash.New(env), attention.New(env),
	} {
		sub.Args = usageArgs(sub.Args)
		cmd.AddCommand(sub)
	}
	return cmd
}

// usageArgs marks a wrong number of arguments as a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return cli.Usage(fmt.Errorf("%w; usage: %s", err, cmd.UseLine()))
		}
		return nil
	}
}
