package decode

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Values that no binary16 can hold are those of the trace in bf16, and are not in
// fp16.
func TestBF16(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tensor := func(name string, heads int64, scale float64) safetensors.Entry {
		data := make([]uint16, heads*length*dims)
		for i := range data {
			data[i] = fp16.BFloatFromFloat64(r.NormFloat64() * scale)
		}
		return safetensors.BFloat16(name, data, heads, length, dims)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, nil, []safetensors.Entry{tensor("layers.0.k", kv, .2), tensor("layers.0.v", kv, 1e7), tensor("layers.0.q", hq, 1)}); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.New("t.safetensors", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.New(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		format      policy.Format
		least, most float64 // of the error of attention
		warnings    int
	}{
		"full": {policy.Auto, 0, 0, 0}, "kivi-2": {policy.BF16, 0, 0, 0}, "qserve-4": {policy.Auto, 1e-6, .2, 0},
		"quarot-4": {policy.Auto, .5, 2, 1}, "kivi-4": {policy.FP16, .5, 2, 0},
	} {
		pol := hosttest.Policy(t, name)
		pol.Format = c.format
		res, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, pol, Options{Prefill: 64, Steps: 10})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if off := res.Fidelity.OutputL2.Median; off < c.least || off > c.most || len(res.Warnings) != c.warnings {
			t.Errorf("%s as %q: attention is %g away, want %g to %g; warnings %q", name, c.format, off, c.least, c.most, res.Warnings)
		}
		if c.warnings > 0 && !strings.Contains(res.Warnings[0], "rotate") {
			t.Errorf("%s: %q", name, res.Warnings)
		}
	}
}
