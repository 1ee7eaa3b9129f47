package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// TraceResult is the fidelity tier alone. As JSON it is the report of kvaccel
// eval --trace.
type TraceResult struct {
	SchemaVersion int           `json:"schema_version"`
	Kind          string        `json:"kind"` // "fidelity"
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Trace         string        `json:"trace"`
	Model         string        `json:"model,omitempty"`
	Tokens        int           `json:"tokens"`
	Prefix        int           `json:"prefix"`
	Queries       int           `json:"queries"`            // later ones, measured on
	LeftOut       []string      `json:"left_out,omitempty"` // controls that the engine cannot do, and why
	Rows          []TraceRow    `json:"rows"`
}

// TraceRow is one policy on a trace.
type TraceRow struct {
	Name          string                 `json:"name"`
	Policy        policy.Policy          `json:"policy"`
	Kept          int                    `json:"kept"`
	Bytes         int64                  `json:"bytes"`
	BytesPerToken float64                `json:"bytes_per_token"` // over the positions of the prefix
	Cycles        uint64                 `json:"cycles"`          // select, quantize and restore the prefix
	Fidelity      RowFidelity            `json:"fidelity"`
	ControlRows   int                    `json:"control_rows,omitempty"` // fp16 rows of the same bytes
	Controls      map[string]RowFidelity `json:"controls,omitempty"`
}

// Trace measures the fidelity of each run, and of the controls at its bytes, on
// a trace whose first prefix positions are compressed. It needs the queries.
func Trace(ctx context.Context, dev driver.Device, t *trace.Trace, runs []Run, prefix int, progress func(done, total int)) (*TraceResult, error) {
	for l := range t.Layers {
		if !t.HasQ(l) {
			return nil, t.MissingQ(l, "fidelity measures")
		}
	}
	out := &TraceResult{
		SchemaVersion: SchemaVersion, Kind: "fidelity", Source: dev.Info().Source, Device: dev.Info(),
		Trace: t.Name, Model: t.Model, Tokens: t.T, Prefix: prefix, Queries: t.T - prefix,
	}
	all := []Run{full}
	for _, r := range runs {
		if r.Name != FullName {
			all = append(all, r)
		}
	}
	for i, r := range all {
		if progress != nil {
			progress(i, len(all))
		}
		row, err := traceRow(ctx, dev, t, r, prefix)
		if r.Control && (errors.Is(err, session.ErrGeometry) || errors.Is(err, compress.ErrStepwise) || errors.Is(err, driver.ErrUnsupported)) {
			out.LeftOut = append(out.LeftOut, fmt.Sprintf("%s: %v", r.Name, err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("policy %s: %w", r.Name, err)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

func traceRow(ctx context.Context, dev driver.Device, t *trace.Trace, r Run, prefix int) (TraceRow, error) {
	f, res, err := fidelityOf(ctx, dev, t, r.Policy, prefix)
	if err != nil {
		return TraceRow{}, err
	}
	row := TraceRow{
		Name: r.Name, Policy: res.Policy, Kept: res.TokensKept, Bytes: res.BytesOut,
		BytesPerToken: float64(res.BytesOut) / float64(prefix), Cycles: res.Cycles.Total, Fidelity: *f,
	}
	if r.Name == FullName {
		return row, nil
	}
	each := int64(t.Layers*t.Hkv) * int64(4*t.D+2)
	row.ControlRows = int(max(1, min(int64(prefix), (res.BytesOut+each/2)/each)))
	row.Controls = map[string]RowFidelity{}
	for _, kind := range Controls {
		c, _, err := fidelityOf(ctx, dev, t, control(kind, row.ControlRows).Policy, prefix)
		if err != nil {
			return row, err
		}
		row.Controls[kind] = *c
	}
	return row, nil
}
