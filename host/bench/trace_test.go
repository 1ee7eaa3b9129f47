package bench

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
)

// counted is a tensor whose elements are their own numbers, modulo 2^14.
func counted(name string, shape ...int64) safetensors.Entry {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	data := make([]uint16, n)
	for i := range data {
		data[i] = uint16(i & 0x3fff)
	}
	return safetensors.FP16(name, data, shape...)
}

func traceOf(t *testing.T, entries ...safetensors.Entry) *trace.Trace {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, nil, entries); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.New("made.safetensors", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Recorded weights are taken as they stand: here of the last 5 of 40 positions.
func TestRecordedRows(t *testing.T) {
	tr := traceOf(t, counted("layers.0.k", 1, 40, 16), counted("layers.0.v", 1, 40, 16), counted("layers.0.attn", 2, 5, 40))
	b := &bench{ctx: t.Context(), p: regmap.DefaultParams()}
	a, err := openAttention(tr, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := a.rows(b, 1, 38)
	if err != nil || len(rows) != 3 || len(rows[2]) != 38 || rows[2][37] != 5*40+2*40+37 {
		t.Errorf("%d rows: %v %v", len(rows), rows, err)
	}
	if rows, err := a.rows(b, 1, 35); err != nil || rows != nil {
		t.Errorf("the prefix of 35 has recorded queries: %d, %v", len(rows), err)
	}
	r, err := Run(t.Context(), open(t, "emu:"), Options{Traces: []*trace.Trace{tr}, Only: []string{"select-real"}})
	if err != nil {
		t.Fatal(err)
	}
	// Of 10, 20, 35 and 40 positions only the last have recorded queries.
	if p := r.Rows[0].Points; len(p) != 1 || p[0].Of != len(keeps) || p[0].Settings.number("n") != 40 {
		t.Errorf("%+v", p)
	}
	if got := r.Rows[0].Samples[0].Settings.number("rows"); got != 10 {
		t.Errorf("%d rows of 5 queries and 2 heads", got)
	}
}

func TestTraceWithoutQueries(t *testing.T) {
	tr := traceOf(t, counted("layers.0.k", 1, 40, 16), counted("layers.0.v", 1, 40, 16))
	_, err := Run(t.Context(), open(t, "emu:"), Options{Traces: []*trace.Trace{tr}, Only: []string{"select-real"}})
	if !errors.Is(err, trace.ErrMissing) {
		t.Errorf("%v, want ErrMissing", err)
	}
}

// A trace may be shorter than the positions that a setting protects.
func TestShortTrace(t *testing.T) {
	tr := traceOf(t, counted("layers.0.k", 1, 3, 16), counted("layers.0.v", 1, 3, 16), counted("layers.0.q", 1, 3, 16))
	r, err := Run(t.Context(), open(t, "emu:"), Options{Traces: []*trace.Trace{tr}, Only: []string{"select-real", "select-long"}})
	if err != nil || len(r.Rows[0].Points) != 3 || len(r.Rows[1].Points) != 0 {
		t.Errorf("%v: %+v", err, r)
	}
}

// A trace whose prefixes have no recorded queries at all leaves nothing to judge.
func TestNothingFits(t *testing.T) {
	tr := traceOf(t, counted("layers.0.k", 1, 400, 16), counted("layers.0.v", 1, 400, 16), counted("layers.0.attn", 1, 5, 400))
	r, err := Run(t.Context(), open(t, "emu:?max-tokens=256"), Options{Traces: []*trace.Trace{tr}, Only: []string{"select-real"}})
	if err != nil || !slices.Equal(r.Absent, []string{"select-real"}) || r.Rows[0].Kept || r.Rows[0].Worst != nil {
		t.Errorf("%v: %+v", err, r)
	}
}
