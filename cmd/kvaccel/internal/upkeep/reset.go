// Package upkeep has the verbs that get devices into working order: reset, doctor
// and udev.
package upkeep

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// NewReset builds "kvaccel reset".
func NewReset(env *cli.Env) *cobra.Command {
	var clear, hard bool
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Reset a device",
		Long: `reset drops whatever the engine is doing (a soft reset). Registers and counters stay as they
are, with --clear counters, errors and interrupts become 0. With --hard everything starts
anew, as after power-up, where the device can do that.`,
		Example: "  kvaccel reset -d xdma:0\n  kvaccel reset -d usb: --hard --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			d, err := env.Open(ctx)
			if err != nil {
				return err
			}
			defer d.Close()
			how := "soft reset"
			if hard {
				how = "reset"
				r, ok := d.(driver.Resetter)
				if !ok {
					return fmt.Errorf("%w: %s has no reset but the soft one", driver.ErrUnsupported, d.Info().URI)
				}
				err = r.Reset(ctx)
			} else {
				err = d.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlSoftReset)
			}
			if err == nil && clear {
				err = d.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlClear)
			}
			if err != nil {
				return err
			}
			status, err := d.ReadReg(ctx, regmap.RegStatus)
			if err != nil {
				return err
			}
			if status != 0 {
				return fmt.Errorf("%w: STATUS reads %#x after the %s", driver.ErrTimeout, status, how)
			}
			if env.JSON {
				return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "device": d.Info().URI, "hard": hard, "cleared": clear || hard, "status": status})
			}
			_, err = fmt.Fprintf(env.Stdout, "%s  %s done, the engine is idle\n", d.Info().URI, how)
			return err
		},
	}
	cmd.Flags().BoolVar(&clear, "clear", false, "also zero counters, errors and interrupts")
	cmd.Flags().BoolVar(&hard, "hard", false, "as after power-up: registers too")
	return cmd
}
