package attncomp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// What the engine cannot take is told, and the rest is done.
func TestSkips(t *testing.T) {
	tr := openTrace(t, 2, noise, true)
	o := Options{Prefix: testN, Methods: []string{"lowrank", "joint", "joint-2"}, Ranks: []int{12, 24}, Bits: []int{FP16, 8}}
	for uri, want := range map[string]map[string]string{
		"emu:":            {"lowrank 12": "multiple of 16", "lowrank 24": "multiple of 16", "joint 12": "multiple of 16", "joint 24": "", "joint-2 12": "", "joint-2 24": ""},
		"emu:?max-dim=64": {"joint 24": "", "joint-2 12": "", "joint-2 24": "max-dim"},
		"emu:?features=0": {"none 0": "QUANTIZE", "joint 24": "QUANTIZE"},
	} {
		r, err := Run(t.Context(), hosttest.Device(t, uri), tr, o)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		for _, x := range r.Rows {
			word, looked := want[fmt.Sprintf("%s %d", x.Method, x.Rank)]
			switch {
			case x.Bits == FP16 && (x.Skipped != "" || x.Bytes == 0):
				t.Errorf("%s: %+v", uri, x)
			case x.Bits == 8 && looked && (word == "" && x.Skipped != "" || word != "" && !strings.Contains(x.Skipped, word)):
				t.Errorf("%s: %s %d: %q, want %q", uri, x.Method, x.Rank, x.Skipped, word)
			case x.Skipped != "" && (x.Best || x.Bytes != 0 || x.RowBytes != 0):
				t.Errorf("%s: %+v", uri, x)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	tr, bare := openTrace(t, 2, noise, true), openTrace(t, 2, noise, false)
	for name, c := range map[string]struct {
		tr    *trace.Trace
		o     Options
		want  error
		words string
	}{
		"no later queries": {tr, Options{Prefix: testT}, compress.ErrPrefix, "t.safetensors|120"},
		"negative":         {tr, Options{Prefix: -1}, compress.ErrPrefix, "-1"},
		"calibrate":        {tr, Options{Prefix: 50, Calibrate: 51}, ErrOptions, "51|50"},
		"rank":             {tr, Options{Ranks: []int{33}}, ErrOptions, "33|32"},
		"rank of 0":        {tr, Options{Ranks: []int{0}}, ErrOptions, "rank 0"},
		"ridge":            {tr, Options{Ridge: -1}, ErrOptions, "ridge of -1"},
		"bits":             {tr, Options{Bits: []int{7}}, ErrOptions, "7 bits"},
		"method":           {tr, Options{Methods: []string{"magic"}}, ErrOptions, "magic|joint-2"},
		"no queries":       {bare, Options{}, trace.ErrMissing, "layers.0.q"},
	} {
		_, err := Run(t.Context(), hosttest.Device(t, "emu:"), c.tr, c.o)
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
}

// NaN, infinities, zeros and a prefix of one position leave every figure a number.
func TestStaysFinite(t *testing.T) {
	wild := func(kind string, l, h int) []uint16 {
		x := noise(kind, l, h)
		for i := range x {
			switch i % 7 {
			case 0:
				x[i] = 0x7e00
			case 1:
				x[i] = 0x7c00
			case 2:
				x[i] = fp16.FromFloat64(-65504)
			}
		}
		return x
	}
	zero := func(string, int, int) []uint16 { return make([]uint16, testT*testD) }
	for name, rows := range map[string]source{"wild": wild, "zero": zero} {
		for _, n := range []int{1, testN} {
			r := compare(t, openTrace(t, 2, rows, true), Options{Prefix: n, Ranks: []int{16}, Bits: []int{FP16, 2}})
			if _, err := json.Marshal(r); err != nil {
				t.Errorf("%s, prefix %d: %v", name, n, err)
			}
		}
	}
}

func TestCancelAndProgress(t *testing.T) {
	tr := openTrace(t, 3, noise, true)
	var last, total int
	o := Options{Prefix: testN, Methods: []string{"merge", "lowrank"}, Ranks: []int{16, 32}, Bits: []int{FP16}, Progress: func(d, n int) { last, total = d, n }}
	if _, err := Run(t.Context(), hosttest.Device(t, "emu:"), tr, o); err != nil || last != total || total != 3*4 {
		t.Errorf("%v at %d of %d", err, last, total)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(int, int) { cancel() }
	if _, err := Run(ctx, hosttest.Device(t, "emu:"), tr, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
