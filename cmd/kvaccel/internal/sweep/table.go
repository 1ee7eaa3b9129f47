package sweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/host/sweep"
)

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// planned is a point in the JSON of a dry run.
type planned struct {
	Input    string     `json:"input"`
	Kind     sweep.Kind `json:"kind"`
	Label    string     `json:"label"`
	Prefix   int        `json:"prefix"`
	Device   string     `json:"device"`
	Key      string     `json:"key"`
	Finished bool       `json:"finished"`
	Refused  string     `json:"refused,omitempty"`
}

// dryRun says what a run would do; it writes nothing.
func dryRun(ctx context.Context, env *cli.Env, p *sweep.Plan, o options) error {
	done := map[string]bool{}
	if _, err := os.Stat(o.out); err == nil {
		st, err := sweep.OpenResults(ctx, o.out)
		if err != nil {
			return err
		}
		defer st.Close()
		if done, err = st.Done(ctx); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !o.resume {
		clear(done)
	}
	var list []planned
	left := 0
	for _, i := range p.Unique() {
		if !done[p.Keys[i]] {
			left++
		}
	}
	for i, pt := range p.Points {
		list = append(list, planned{pt.Input.Name, pt.Input.Kind, pt.Label, pt.Input.Prefix, pt.Device, p.Keys[i], done[p.Keys[i]], pt.Refused})
	}
	bytes := p.Bytes(left)
	if err := sweep.CheckDisk(o.out, bytes); err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(struct {
			SchemaVersion int       `json:"schema_version"`
			Name          string    `json:"name"`
			Program       string    `json:"program"`
			Left          int       `json:"left"`
			Bytes         uint64    `json:"bytes_at_most"`
			Points        []planned `json:"points"`
		}{cli.SchemaVersion, p.Name, p.Program, left, bytes, list})
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "input\tprefix\tpolicy\tengine\t")
	for _, x := range list {
		state := ""
		switch {
		case x.Refused != "":
			state = "cannot be: " + x.Refused
		case x.Finished:
			state = "finished"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", x.Input, x.Prefix, x.Label, x.Device, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "\n%d points, %d different ones left to compute, at most %.1f MiB in %s\n", len(list), left, float64(bytes)/(1<<20), o.out)
	return nil
}

// show prints what a finished sweep came to.
func show(ctx context.Context, env *cli.Env, st *sweep.Store, p *sweep.Plan, sum sweep.Summary, o options) error {
	ctx = context.WithoutCancel(ctx) // it is finished: a late Ctrl-C takes nothing away
	if o.csv != "" {
		if err := st.WriteCSV(ctx, p.Name, o.csv); err != nil {
			return err
		}
	}
	rows, err := st.Rows(ctx, p.Name)
	if err != nil {
		return err
	}
	if env.JSON {
		err = env.PrintJSON(struct {
			SchemaVersion int           `json:"schema_version"`
			Name          string        `json:"name"`
			Program       string        `json:"program"`
			Out           string        `json:"out"`
			Summary       sweep.Summary `json:"summary"`
			Rows          []sweep.Row   `json:"rows"`
		}{cli.SchemaVersion, p.Name, p.Program, o.out, sum, rows})
	} else {
		err = table(env, rows, sum, o)
	}
	if err != nil {
		return err
	}
	return sum.Err()
}

func table(env *cli.Env, rows []sweep.Row, sum sweep.Summary, o options) error {
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "input\tpolicy\tengine\tkept\tbytes/token\tcycles/token\tloss\tof recent at equal bytes")
	for _, r := range rows {
		engine := fmt.Sprintf("l%d-d%d-t%d-n%d", r.Device.Params.Lanes, r.Device.Params.MaxDim, r.Device.Params.TileTokens, r.Device.Params.MaxTokens)
		if r.Failed() {
			fmt.Fprintf(w, "%s\t%s\t\tfailed: %s\n", r.Input, r.Label, r.Error)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.1f\t%.1f\t%.4g\t%s\n", r.Input, r.Label, engine, r.Kept, r.BytesPerToken, r.CyclesPerToken, r.Loss, figure(r.ControlRecent))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "\nloss: of a trace the median relative L2 error of the attention output; of a model nats per token more than the full cache\n")
	fmt.Fprintf(env.Stdout, "%d points: %d computed, %d finished before, %d failed; results in %s\n", sum.Points, sum.Computed, sum.Finished, sum.Failed, o.out)
	return nil
}

func figure(f *float64) string {
	if f == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g", *f)
}
