package compress

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/trace"
)

// NaN and infinities are counted, and spoil no figure.
func TestNonFiniteTrace(t *testing.T) {
	spoilt := func(name string, shape ...int64) safetensors.Entry {
		e := tensor(name, false, shape...)
		write := e.Write
		e.Write = func(w io.Writer) error {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				return err
			}
			for i, h := range []uint16{0x7e00, 0x7c00, 0xfc00, 0xfe01} {
				binary.LittleEndian.PutUint16(b.Bytes()[2*(i*37+5):], h)
			}
			_, err := w.Write(b.Bytes())
			return err
		}
		return e
	}
	tr := hosttest.Trace(t, nil, spoilt("layers.0.k", 1, 100, 32), spoilt("layers.0.v", 1, 100, 32), spoilt("layers.0.q", 2, 100, 32))
	res, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, hosttest.Policy(t, "kivi-4").With(policy.Override{Residual: hosttest.Ptr(0), TopK: hosttest.Ptr(70)}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Trace.NonFinite != 12 || res.Commands["quantize"].NonFinite == 0 {
		t.Errorf("%d counted in the trace, %d by the engine", res.Trace.NonFinite, res.Commands["quantize"].NonFinite)
	}
	if _, err := json.Marshal(res); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	k, v := tensor("layers.0.k", false, 2, 100, 32), tensor("layers.0.v", false, 2, 100, 32)
	bare := hosttest.Trace(t, nil, k, v)
	odd := hosttest.Trace(t, nil, tensor("layers.0.k", false, 2, 100, 40), tensor("layers.0.v", false, 2, 100, 40))
	late := hosttest.Trace(t, nil, k, v, tensor("layers.0.attn", true, 2, 10, 100))
	for name, c := range map[string]struct {
		tr    *trace.Trace
		pol   policy.Policy
		opt   Options
		uri   string
		want  error
		words string
	}{
		"scores without q":   {bare, hosttest.Policy(t, "h2o"), Options{}, "emu:", trace.ErrMissing, "t.safetensors|layers.0.q|h2o"},
		"attn after prefix":  {late, hosttest.Policy(t, "h2o"), Options{Prefix: 90}, "emu:", trace.ErrMissing, "layers.0.attn|90 to 99"},
		"rows of 40":         {odd, hosttest.Policy(t, "kivi-4"), Options{}, "emu:", session.ErrGeometry, "t.safetensors|rows of 40|multiple of 16"},
		"small tiles":        {bare, hosttest.Policy(t, "kivi-4"), Options{}, "emu:?tile-tokens=16", session.ErrGeometry, "groups of 32|tile-tokens=32"},
		"few positions":      {hosttest.Trace(t, nil, tensor("layers.0.k", false, 1, 400, 16), tensor("layers.0.v", false, 1, 400, 16)), hosttest.Policy(t, "streaming"), Options{}, "emu:?max-tokens=256", session.ErrGeometry, "350|max-tokens=512"},
		"prefix too long":    {bare, hosttest.Policy(t, "kivi-4"), Options{Prefix: 101}, "emu:", ErrPrefix, "100 positions|101"},
		"prefix negative":    {bare, hosttest.Policy(t, "kivi-4"), Options{Prefix: -1}, "emu:", ErrPrefix, "-1"},
		"impossible policy":  {bare, policy.Full().With(policy.Override{KBits: hosttest.Ptr(7)}), Options{}, "emu:", policy.ErrInvalid, "k-bits"},
		"no rotation built":  {bare, hosttest.Policy(t, "h2o+quarot-4").With(policy.Override{TopK: hosttest.Ptr(0)}), Options{}, "emu:?features=0x3ff", driver.ErrUnsupported, "h2o+quarot-4|ROTATE"},
		"rotation of 64":     {bare, hosttest.Policy(t, "kivi-4").With(policy.Override{Rotate: hosttest.Ptr(64)}), Options{}, "emu:", session.ErrGeometry, "keys|64 elements divides no rows of 32"},
		"rotated tiers":      {bare, hosttest.Policy(t, "quarot-4").With(policy.Override{Tiers: &policy.Tiers{50, 50}}), Options{}, "emu:", policy.ErrInvalid, "COMPRESS|rotate"},
		"group over the row": {bare, hosttest.Policy(t, "kivi-4").With(policy.Override{Group: hosttest.Ptr(64)}), Options{}, "emu:", session.ErrGeometry, "values|64"},
	} {
		_, err := Run(t.Context(), hosttest.Device(t, c.uri), c.tr, c.pol, c.opt)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
			continue
		}
		for _, w := range strings.Split(c.words, "|") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
	}
	// What needs no scores runs without queries, and says why there is no fidelity.
	for _, name := range []string{"kivi-4", "streaming"} {
		res, err := Run(t.Context(), hosttest.Device(t, "emu:"), bare, hosttest.Policy(t, name), Options{})
		if err != nil || res.Fidelity != nil || !strings.Contains(res.FidelityNote, "layers.0.q") {
			t.Errorf("%s without queries: %v, note %q", name, err, res.FidelityNote)
		}
	}
	// Rows of 40 can be kept whole, or dropped.
	if _, err := Run(t.Context(), hosttest.Device(t, "emu:"), odd, hosttest.Policy(t, "streaming"), Options{}); err != nil {
		t.Errorf("rows of 40 without quantization: %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stages []string
	_, err := Run(ctx, hosttest.Device(t, "emu:"), testTrace(t), hosttest.Policy(t, "h2o+kivi-4"), Options{Progress: func(p Progress) {
		stages = append(stages, p.Stage)
		if p.Layer == 1 && p.Stage == "quantize" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after %v", err, stages)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	for _, name := range []string{"full", "h2o+kivi-4"} {
		var seen []Progress
		if _, err := Run(t.Context(), hosttest.Device(t, "emu:"), testTrace(t), hosttest.Policy(t, name), Options{Progress: func(p Progress) { seen = append(seen, p) }}); err != nil {
			t.Fatal(err)
		}
		for i, p := range seen {
			if p.Done != i || p.Total != len(seen)-1 {
				t.Fatalf("%s: step %d is %+v of %d", name, i, p, len(seen))
			}
		}
	}
}
