package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// wideTensor has bfloat16 of about one magnitude, some far beyond binary16.
func wideTensor(name string, scale float64, shape ...int64) safetensors.Entry {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	rng := rand.New(rand.NewPCG(uint64(len(name)), uint64(n)))
	data := make([]uint16, n)
	for i := range data {
		data[i] = fp16.BFloatFromFloat64(rng.NormFloat64() * scale)
	}
	return safetensors.BFloat16(name, data, shape...)
}

// wideTrace is a trace of BF16 whose values are beyond the range of binary16.
func wideTrace(t *testing.T) *trace.Trace {
	return hosttest.Trace(t, nil, wideTensor("layers.0.k", 0.3, 2, 120, 32), wideTensor("layers.0.v", 1e6, 2, 120, 32), wideTensor("layers.0.q", 1, 4, 120, 32))
}

// A trace of BF16 stays BF16 from end to end, where nothing forbids it: rows that are
// not quantized bit for bit, and values that no binary16 can hold.
func TestBF16Trace(t *testing.T) {
	dev, tr := hosttest.Device(t, "emu:"), wideTrace(t)
	layer, _, err := tr.LayerBF16(0, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"full", "streaming", "kivi-4", "h2o+kivi-2", "knorm+qserve-4", "h2o+tiers", "zipcache"} {
		pol := hosttest.Policy(t, name)
		pol.Residual = min(pol.Residual, 9)
		res, err := Run(t.Context(), dev, tr, pol, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.Trace.Rows != "bf16" || res.Policy.Format != policy.BF16 || res.Trace.Saturated != 0 || len(res.Warnings) != 0 {
			t.Errorf("%s: rows %s, %d saturated, warnings %q", name, res.Trace.Rows, res.Trace.Saturated, res.Warnings)
		}
		path := filepath.Join(t.TempDir(), "c")
		if err := res.Cache.Write(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		read, err := cache.Read(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := Restore(t.Context(), dev, read, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for h, head := range back.Layers[0] {
			last := len(head.Positions) - 1
			j := head.Positions[last]
			whole := pol.Tiers == nil && pol.QuantizedRows(last+1, pol.VBits, pol.VAxis) <= last
			got, want := head.V[last*tr.D:][:tr.D], layer.V[h][j*tr.D:][:tr.D]
			if whole && !slices.Equal(got, want) {
				t.Errorf("%s: the last row came back changed", name)
			}
			if off := wideDistance(want, got); off > 0.9 { // 2 bits cost something
				t.Errorf("%s: the last row is %g of its length away", name, off)
			}
		}
		if name == "full" && (res.Fidelity.OutputL2.Median != 0 || res.Fidelity.KL.P95 != 0) {
			t.Errorf("%s: fidelity %+v", name, res.Fidelity)
		}
	}
}

func wideDistance(a, b []uint16) float64 {
	var d, n float64
	for i := range a {
		x, y := fp16.BFloatToFloat64(a[i]), fp16.BFloatToFloat64(b[i])
		d += (x - y) * (x - y)
		n += x * x
	}
	return math.Sqrt(d / n)
}

// What is for binary16 alone has the trace converted, says so, and measures what that
// costs; asked for by name, bf16 is refused instead.
func TestBF16Conflicts(t *testing.T) {
	tr := wideTrace(t)
	for name, c := range map[string]struct {
		policy, uri string
		err         error
		words       string
	}{
		"rotation":    {"quarot-4", "emu:", policy.ErrInvalid, "rotate"},
		"blocks":      {"q8_0", "emu:", policy.ErrInvalid, "layout q8_0"},
		"norms":       {"knorm+tiers", "emu:", policy.ErrInvalid, "key-norm"},
		"not built":   {"kivi-4", "emu:?features=0x7ff", driver.ErrUnsupported, "BF16"},
		"not built 2": {"tiers", "emu:?features=0x7ff", driver.ErrUnsupported, "BF16"},
	} {
		pol := hosttest.Policy(t, c.policy)
		pol.Residual = 0
		res, err := Run(t.Context(), hosttest.Device(t, c.uri), tr, pol, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.Trace.Rows != "fp16" || res.Policy.IsBF16() || res.Trace.Saturated == 0 || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], c.words) {
			t.Errorf("%s: rows %s, %d saturated, warnings %q", name, res.Trace.Rows, res.Trace.Saturated, res.Warnings)
		}
		if res.Fidelity.OutputL2.Median < .5 { // values of a million came back as 65504
			t.Errorf("%s: output error %g is not that of the trace", name, res.Fidelity.OutputL2.Median)
		}
		pol.Format = policy.BF16
		if _, err := Run(t.Context(), hosttest.Device(t, c.uri), tr, pol, Options{}); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s, asked for: %v", name, err)
		}
	}
	// fp16 can be asked for, without a warning; and bf16 for a trace that is not.
	res, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, hosttest.Policy(t, "kivi-4").With(policy.Override{Format: hosttest.Ptr(policy.FP16)}), Options{})
	if err != nil || res.Trace.Rows != "fp16" || len(res.Warnings) != 0 || res.Policy.Format != policy.Auto {
		t.Errorf("fp16: %v, %+v", err, res.Trace)
	}
	res, err = Run(t.Context(), hosttest.Device(t, "emu:"), testTrace(t), hosttest.Policy(t, "full").With(policy.Override{Format: hosttest.Ptr(policy.BF16)}), Options{})
	if err != nil || res.Trace.Rows != "bf16" {
		t.Fatalf("bf16 of F16: %v", err)
	}
	if off := res.Fidelity.OutputL2.Median; off < 1e-4 || off > 1e-2 { // 8 bits of 11 are left
		t.Errorf("bf16 of F16: the output is %g away", off)
	}
}

// Restored rows are written as BF16.
func TestBF16Restored(t *testing.T) {
	dev := hosttest.Device(t, "emu:")
	res, err := Run(t.Context(), dev, wideTrace(t), hosttest.Policy(t, "kivi-4"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := Restore(t.Context(), dev, res.Cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "r")
	if err := back.Write(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := f.Tensor("layers.0.heads.1.v")
	if err != nil || x.DType() != safetensors.BF16 {
		t.Fatalf("%v, %v", err, x.DType())
	}
	raw, err := io.ReadAll(io.NewSectionReader(x.Reader(), 0, x.Bytes()))
	want := make([]byte, 0, len(raw))
	for _, b := range back.Layers[0][1].V {
		want = binary.LittleEndian.AppendUint16(want, b)
	}
	if err != nil || !bytes.Equal(raw, want) {
		t.Errorf("%v, or other rows than restored", err)
	}
}
