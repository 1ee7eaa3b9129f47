// Package inspect has the verbs that look at devices: list, info and regs.
package inspect

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

type listed struct {
	URI         string `json:"uri"`
	Available   bool   `json:"available"`
	Description string `json:"description"`
	Problem     string `json:"problem,omitempty"` // why it cannot be used as it is
}

// simulated are the schemes that name a device without an address, and that it
// does no harm to open.
var simulated = []string{"emu", "rtl"}

// NewList builds "kvaccel list".
func NewList(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the devices this machine has",
		Long: `list shows what -d can be given: the simulated engines of this build, and what is found on
USB, at serial ports and behind the XDMA driver. Boards are not opened, so whether a
general part (an FTDI chip, a serial port) carries an engine is for info to find out.`,
		Example: "  kvaccel list\n  kvaccel list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			devices := []listed{}
			for _, scheme := range env.Devices.Schemes() {
				devices = append(devices, look(cmd.Context(), env, scheme)...)
			}
			if env.JSON {
				return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "devices": devices})
			}
			w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			for _, d := range devices {
				state, text := "ready", d.Description
				if !d.Available {
					state, text = "absent", d.Problem
					if d.Description != "" {
						state, text = "closed", d.Description+": "+d.Problem+" (kvaccel doctor says more)"
					}
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", d.URI, state, text)
			}
			return w.Flush()
		},
	}
}

// look finds the devices of one scheme.
func look(ctx context.Context, env *cli.Env, scheme string) (found []listed) {
	uri := scheme + ":"
	if list := env.Devices.Lister(scheme); list != nil {
		candidates, err := list(ctx)
		if err != nil {
			return []listed{{URI: uri, Problem: err.Error()}}
		}
		for _, c := range candidates {
			found = append(found, listed{c.URI, c.Problem == "", c.Description, c.Problem})
		}
		return found
	}
	if !slices.Contains(simulated, scheme) {
		return nil
	}
	d, err := env.Devices.Open(ctx, uri)
	if err != nil {
		return []listed{{URI: uri, Problem: err.Error()}}
	}
	found = []listed{{uri, true, d.Info().Description, ""}}
	if err := d.Close(); err != nil {
		return []listed{{URI: uri, Problem: err.Error()}}
	}
	return found
}

// NewInfo builds "kvaccel info".
func NewInfo(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "info",
		Short:   "Show what a device is and can do",
		Example: "  kvaccel info\n  kvaccel info -d 'emu:?lanes=4' --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := env.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer d.Close()
			info := d.Info()
			features := regmap.FeatCodes.Bits(info.Features)
			var line *link.Stats
			if l, ok := d.(*link.Device); ok {
				s := l.Stats()
				line = &s
			}
			if env.JSON {
				return env.PrintJSON(struct {
					SchemaVersion int `json:"schema_version"`
					driver.Info
					FeatureNames []string    `json:"feature_names"`
					Link         *link.Stats `json:"link,omitempty"` // of a device on a byte link, so far
				}{cli.SchemaVersion, info, features, line})
			}
			w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			for _, row := range []struct {
				name  string
				value any
			}{
				{"device", info.URI}, {"source", info.Source}, {"description", info.Description},
				{"ABI version", info.ABI}, {"SPEC_ID", fmt.Sprintf("%#08x", info.SpecID)}, {"build hash", fmt.Sprintf("%#08x", info.BuildHash)},
				{"lanes", fmt.Sprintf("%d fp16 a beat", info.Params.Lanes)}, {"max dims", info.Params.MaxDim},
				{"tile tokens", info.Params.TileTokens}, {"max tokens", info.Params.MaxTokens},
				{"commands", features}, {"stated clock", fmt.Sprintf("%g MHz", info.ClockHz/1e6)},
			} {
				fmt.Fprintf(w, "%s\t%v\n", row.name, row.value)
			}
			if line != nil {
				fmt.Fprintf(w, "board id\t%#08x\n", line.Board)
				fmt.Fprintf(w, "line\t%d frames received, %d damaged; at the board %d damaged and %d time-outs\n", line.FramesIn, line.Damaged, line.DevDamaged, line.DevTimeout)
			}
			return w.Flush()
		},
	}
}

type register struct {
	Name   string  `json:"name"`
	Addr   uint32  `json:"addr"`
	Access string  `json:"access"`
	Value  *uint32 `json:"value"` // null: write only
	Doc    string  `json:"doc"`
}

// NewRegs builds "kvaccel regs".
func NewRegs(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "regs",
		Short:   "Read every register of a device",
		Example: "  kvaccel regs\n  kvaccel regs -d rtl: --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := env.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer d.Close()
			regs := make([]register, 0, len(regmap.Registers))
			for _, r := range regmap.Registers {
				reg := register{Name: r.Name, Addr: r.Addr, Access: r.Access, Doc: r.Doc}
				if r.Access != "WO" {
					v, err := d.ReadReg(cmd.Context(), r.Addr)
					if err != nil {
						return fmt.Errorf("reading %s: %w", r.Name, err)
					}
					reg.Value = &v
				}
				regs = append(regs, reg)
			}
			if env.JSON {
				return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "device": d.Info().URI, "registers": regs})
			}
			w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			for _, r := range regs {
				value := "-"
				if r.Value != nil {
					value = fmt.Sprintf("0x%08x", *r.Value)
				}
				fmt.Fprintf(w, "0x%03x\t%s\t%s\t%s\t%s\n", r.Addr, r.Name, r.Access, value, r.Doc)
			}
			return w.Flush()
		},
	}
}
