// Package report has the verb that makes a page of a sweep.
package report

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/hdl/syn/results"
	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/report"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// family is the FPGA whose areas and clocks the report goes by.
const family = "ecp5"

// New builds "kvaccel report".
func New(env *cli.Env) *cobra.Command {
	var out string
	var names []string
	cmd := &cobra.Command{
		Use:   "report RESULTS.db -o {FILE.html | DIR}",
		Short: "Make a page of a sweep: fronts of quality, bytes, cycles and area",
		Long: `report makes one HTML page of what kvaccel sweep found, which needs nothing beside itself:
what was run, fronts of quality, bytes, cycles and area, the controls at equal bytes, every
point in tables that can be sorted, engines with their area and clock from place and route
and a mark where these are reckoned and not measured. Into a directory it writes the page
as index.html and every figure as PNG and SVG.`,
		Example: `  kvaccel report example.db -o example.html
  kvaccel report example.db -o example/ --sweep example`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return cli.Usage(fmt.Errorf("-o is missing: a file that ends in .html, or a directory; see %s --help", cmd.CommandPath()))
			}
			return run(cmd.Context(), env, args[0], out, names)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "page to write (.html), or directory for page and pictures")
	cmd.Flags().StringSliceVar(&names, "sweep", nil, "sweeps to report (default: all in the file)")
	return cmd
}

func run(ctx context.Context, env *cli.Env, db, out string, names []string) error {
	single := strings.EqualFold(filepath.Ext(out), ".html")
	if single {
		if err := aside.Check(out); err != nil {
			return err
		}
	}
	st, err := sweep.OpenResults(ctx, db)
	if err != nil {
		return err
	}
	defer st.Close()
	table, err := report.ReadTable(results.Files, family)
	if err != nil {
		return err
	}
	r, err := report.Build(ctx, st, table, names)
	if errors.Is(err, report.ErrNothing) {
		return cli.Usage(fmt.Errorf("%s: %w", db, err))
	}
	if err != nil {
		return err
	}
	write := r.WriteDir
	if single {
		write = r.WriteFile
	}
	if err := write(ctx, out); err != nil {
		return err
	}
	return show(env, r, out)
}

// summary is the JSON of the verb.
type summary struct {
	SchemaVersion int            `json:"schema_version"`
	Out           string         `json:"out"`
	Sweeps        []sweepSummary `json:"sweeps"`
}

type sweepSummary struct {
	Name     string         `json:"name"`
	Finished int            `json:"finished"`
	Failed   int            `json:"failed"`
	Missing  int            `json:"missing"`
	Inputs   []inputSummary `json:"inputs"`
}

type inputSummary struct {
	Name  string   `json:"name"`
	Short []string `json:"in_short"`
	Front []string `json:"front"` // of bytes and loss, smallest first
}

func show(env *cli.Env, r *report.Report, out string) error {
	s := summary{SchemaVersion: cli.SchemaVersion, Out: out}
	for _, x := range r.Sections {
		sw := sweepSummary{Name: x.Name, Finished: x.Finished, Failed: x.Failed, Missing: x.Missing}
		for _, in := range x.Inputs {
			is := inputSummary{Name: in.Name, Short: in.Short}
			for _, l := range in.OnFront() {
				is.Front = append(is.Front, l.Label)
			}
			sw.Inputs = append(sw.Inputs, is)
		}
		s.Sweeps = append(s.Sweeps, sw)
	}
	if env.JSON {
		return env.PrintJSON(s)
	}
	for _, sw := range s.Sweeps {
		fmt.Fprintf(env.Stdout, "%s: %d points finished, %d failed, %d not computed\n", sw.Name, sw.Finished, sw.Failed, sw.Missing)
		for _, in := range sw.Inputs {
			fmt.Fprintf(env.Stdout, "  %s\n", in.Name)
			for _, t := range in.Short {
				fmt.Fprintf(env.Stdout, "    %s\n", t)
			}
		}
	}
	fmt.Fprintf(env.Stdout, "written to %s\n", out)
	return nil
}
