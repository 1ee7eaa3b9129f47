package traceconvert

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/npy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// array makes a .npy of floats that tell where they belong: element i is base + i.
func npyFile(descr string, base float64, shape ...int) []byte {
	n := 1
	dims := ""
	for _, d := range shape {
		n *= d
		dims += fmt.Sprintf("%d, ", d)
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, dims)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(head)))
	b = append(b, head...)
	for i := range n {
		x := base + float64(i)
		switch descr {
		case "<f2":
			b = binary.LittleEndian.AppendUint16(b, fp16.FromFloat64(x))
		case "<f4":
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
		case "<f8":
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		case "<i8":
			b = binary.LittleEndian.AppendUint64(b, uint64(i))
		}
	}
	return b
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func load(t *testing.T, path string) *trace.Trace {
	t.Helper()
	tr, err := trace.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// first gives the first element of each head's rows of keys of layer l.
func first(t *testing.T, tr *trace.Trace, l int) (k, v, q []float64) {
	t.Helper()
	x, _, err := tr.Layer(l, true)
	if err != nil {
		t.Fatal(err)
	}
	get := func(heads [][]uint16) (out []float64) {
		for _, h := range heads {
			out = append(out, fp16.ToFloat64(h[0]), fp16.ToFloat64(h[1]), fp16.ToFloat64(h[tr.D]))
		}
		return out
	}
	return get(x.K), get(x.V), get(x.Q)
}

func equal(a, b []float64) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestConvert(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.safetensors")
	// 2 layers, 2 KV heads, 4 query heads, 3 tokens, 16 dims.
	npz := write(t, dir, "a.npz", zipped(t, map[string][]byte{
		"past_key_values.0.key.npy": npyFile("<f4", 0, 1, 2, 3, 16), "past_key_values.0.value.npy": npyFile("<f2", 100, 1, 2, 3, 16),
		"past_key_values.1.key.npy": npyFile("<f8", 200, 1, 2, 3, 16), "past_key_values.1.value.npy": npyFile("<f4", 300, 1, 2, 3, 16),
		"model.layers.0.self_attn.query_states.npy": npyFile("<f4", 400, 1, 4, 3, 16), "q_1.npy": npyFile("<f4", 500, 4, 3, 16),
		"tokens.npy": npyFile("<i8", 0, 3),
	}))
	if err := Convert(context.Background(), []string{npz}, out, Options{Metadata: map[string]string{"model": "m", "attention_scale": "0.5"}}); err != nil {
		t.Fatal(err)
	}
	tr := load(t, out)
	if tr.Layers != 2 || tr.Hkv != 2 || tr.Hq != 4 || tr.T != 3 || tr.D != 16 || tr.Model != "m" || tr.Scale != 0.5 {
		t.Errorf("%+v", tr)
	}
	k, v, q := first(t, tr, 1)
	if !equal(k, []float64{200, 201, 216, 248, 249, 264}) || !equal(v, []float64{300, 301, 316, 348, 349, 364}) || !equal(q[:3], []float64{500, 501, 516}) {
		t.Errorf("layer 1: %v, %v, %v", k, v, q)
	}
}

// Stacked arrays with tokens before heads, from a directory.
func TestStackedTokensFirst(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, in, "keys.npy", npyFile("<f4", 0, 2, 1, 3, 2, 16))
	write(t, in, "value_cache.npy", npyFile("<f4", 200, 2, 3, 2, 16))
	out := filepath.Join(dir, "out.safetensors")
	if err := Convert(context.Background(), []string{in}, out, Options{Layout: TokensFirst}); err != nil {
		t.Fatal(err)
	}
	tr := load(t, out)
	k, v, _ := first(t, tr, 1)
	// Layer 1 begins at element 96; head 1 is 16 on, the next token 32 on.
	if !equal(k, []float64{96, 97, 128, 112, 113, 144}) || !equal(v, []float64{296, 297, 328, 312, 313, 344}) {
		t.Errorf("layer 1: %v, %v", k, v)
	}
}

// A trace converted from its own kind is the same, metadata included.
func TestSafetensors(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out.safetensors")
	data := make([]uint16, 2*3*16)
	for i := range data {
		data[i] = uint16(0x3c00 + i)
	}
	entries := []safetensors.Entry{safetensors.FP16("key_cache.0", data, 2, 3, 16), safetensors.FP16("value_cache.0", data, 2, 3, 16)}
	if err := safetensors.WriteFile(context.Background(), in, map[string]string{"k_rope": "pre"}, entries); err != nil {
		t.Fatal(err)
	}
	if err := Convert(context.Background(), []string{in}, out, Options{}); err != nil {
		t.Fatal(err)
	}
	x, _, err := load(t, out).Layer(0, false)
	if err != nil || fmt.Sprint(append(x.K[0], x.K[1]...)) != fmt.Sprint(data) || load(t, out).Metadata["k_rope"] != "pre" {
		t.Errorf("%v, %v", x, err)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	good := npyFile("<f4", 0, 1, 2, 3, 16)
	for _, c := range []struct {
		name string
		b    []byte
		word string
		want error
	}{
		{"weird.npy", good, "layers.{l}.k", ErrInput},
		{"k_0.npy", npyFile("<i8", 0, 1, 2, 3, 16), "whole numbers", ErrInput},
		{"k.npy", npyFile("<f4", 0, 2, 3, 16), "[layers, heads", ErrInput},
		{"x.pt", good, "can run code", ErrInput},
		{"x.csv", good, "want .npy", ErrInput},
		{"k_0.npz", []byte("no zip"), ".npz", npy.ErrFormat},
		{"v_0.npy", good[:50], "ends within", npy.ErrFormat},
		{"two.npz", zipped(t, map[string][]byte{"k_0.npy": good, "keys.0.npy": good}), "and so is", ErrInput},
		{"alone.npz", zipped(t, map[string][]byte{"k_0.npy": good}), "layers.0.v", trace.ErrMissing},
		{"shapes.npz", zipped(t, map[string][]byte{"k_0.npy": good, "v_0.npy": npyFile("<f4", 0, 1, 2, 4, 16)}), "want [2, 3, 16]", trace.ErrShape},
		{"other.npz", zipped(t, map[string][]byte{"k_0.pkl": good}), "k_0.pkl", npy.ErrFormat},
	} {
		out := filepath.Join(dir, "out.safetensors")
		err := Convert(context.Background(), []string{write(t, dir, c.name, c.b)}, out, Options{})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want %v with %q", c.name, err, c.want, c.word)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was written", c.name)
		}
	}
	if err := Convert(context.Background(), []string{dir}, "x", Options{Layout: "tbhd"}); !errors.Is(err, ErrInput) {
		t.Errorf("layout: got %v", err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"layers.3.k": "3 k", "past_key_values.12.value": "12 v", "past_key_values_0_key": "0 k", "present.1.key": "1 k", "past.2.1": "2 v",
		"key_cache.7": "7 k", "value_states_4": "4 v", "k0": "0 k", "q_11": "11 q", "attentions.5": "5 attn", "model.layers.6.self_attn.k": "6 k", "layer_2_values": "2 v",
		"v": "stacked v", "queries": "stacked q", "weight": "", "layers.x.k": "", "past_key_values": "", "k_99999": "",
	} {
		kind, layer, stacked, ok := meaning(name)
		got := fmt.Sprintf("%d %s", layer, kind)
		switch {
		case !ok:
			got = ""
		case stacked:
			got = "stacked " + kind
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A file written by the official library, see testdata/official.py.
func TestOfficialFile(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.safetensors")
	if err := Convert(context.Background(), []string{"testdata/official.safetensors"}, out, Options{}); err != nil {
		t.Fatal(err)
	}
	tr := load(t, out)
	if tr.Layers != 2 || tr.Hkv != 2 || tr.Hq != 4 || tr.T != 5 || tr.D != 16 || tr.Model != "made" || tr.Scale != 0.25 {
		t.Errorf("%+v", tr)
	}
	k, v, q := first(t, tr, 1)
	if !equal(k, []float64{100, 100.0625, 101, 105, 105.0625, 106}) || !equal(v[:3], []float64{150, 150, 151}) || q[0] != -1 {
		t.Errorf("layer 1: %v, %v, %v", k, v, q)
	}
	f, err := safetensors.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := f.Tensor("tokens")
	if err != nil {
		t.Fatal(err)
	}
	if tokens, err := x.ReadInt64(); err != nil || fmt.Sprint(tokens) != "[0 1 2 3 4]" {
		t.Errorf("tokens %v, %v", tokens, err)
	}
}
