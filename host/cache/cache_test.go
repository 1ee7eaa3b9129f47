package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
)

// make a cache of 2 layers and 3 heads with random content of the right size.
func sample(t testing.TB, name string, prefix, dims int) *Cache {
	t.Helper()
	pol, err := policy.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return fill(&Cache{Policy: pol.Resolve(prefix), Model: "m", Prefix: prefix, Dims: dims}, 2, 3)
}

func fill(c *Cache, layers, heads int) *Cache {
	r := rand.New(rand.NewPCG(1, 2))
	for at := range layers {
		l := make([]Head, heads)
		for h := range l {
			pol := c.Policy.At(at, h)
			l[h].Positions = All(c.Prefix)[c.Prefix-pol.Kept(c.Prefix):]
			if pol.Tiers != nil {
				l[h].Tiers = someTiers(pol, c.Prefix, l[h].Positions)
			}
			for _, p := range parts(pol, c.Prefix, c.Dims, &l[h]) {
				for range p.codeBytes(c.Dims) {
					p.data.Codes = append(p.data.Codes, byte(r.Uint32()))
				}
				for range p.fp16Rows() * c.Dims {
					p.data.FP16 = append(p.data.FP16, uint16(r.Uint32()))
				}
			}
		}
		c.Layers = append(c.Layers, l)
	}
	return c
}

// someTiers gives every row a tier, as many to each as the policy says.
func someTiers(pol policy.Policy, n int, positions []int) []uint8 {
	var out []uint8
	ranks, topK := pol.Ranks(n)
	left := [4]int{ranks[0], ranks[1] - ranks[0], ranks[2] - ranks[1], topK - ranks[2]}
	for i, j := range positions {
		if j < pol.Sinks || j >= n-pol.Recent {
			out = append(out, uint8(pol.ProtectedTier()))
			continue
		}
		t := i % 4
		for left[t] == 0 {
			t = (t + 1) % 4
		}
		left[t]--
		out = append(out, uint8(t))
	}
	return out
}

func TestWriteRead(t *testing.T) {
	for _, name := range []string{"full", "streaming", "h2o", "kivi-2", "kivi-4", "qserve-4", "h2o+kivi-4", "streaming+qserve-4", "tiers", "h2o+tiers", "zipcache", "h2o+quarot-3", "rules"} {
		var c *Cache
		if name == "rules" {
			c = withRules(t, 300, 64)
		} else {
			c = sample(t, name, 300, 64)
		}
		path := filepath.Join(t.TempDir(), "c")
		if err := c.Write(t.Context(), path); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Read(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for l := range c.Layers {
			for h := range c.Layers[l] {
				a, b := c.Layers[l][h], got.Layers[l][h]
				if !bytes.Equal(a.Tiers, b.Tiers) || !bytes.Equal(a.K.Codes, b.K.Codes) || !bytes.Equal(a.V.Codes, b.V.Codes) || !reflect.DeepEqual(a.Positions, b.Positions) ||
					!equal(a.K.FP16, b.K.FP16) || !equal(a.V.FP16, b.V.FP16) {
					t.Errorf("%s: layer %d head %d changed", name, l, h)
				}
			}
		}
		if !reflect.DeepEqual(got.Policy, c.Policy) || got.Model != "m" || got.Prefix != 300 || got.Dims != 64 {
			t.Errorf("%s: %+v", name, got)
		}
		again := filepath.Join(t.TempDir(), "again")
		if err := got.Write(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		x, _ := os.ReadFile(path)
		y, _ := os.ReadFile(again)
		if !bytes.Equal(x, y) {
			t.Errorf("%s: written again, the bytes differ", name)
		}
	}
}

// withRules is a cache whose heads differ in everything that can differ.
func withRules(t testing.TB, prefix, dims int) *Cache {
	t.Helper()
	p, err := policy.Parse("rules.yaml", []byte(`version: 1
policy: h2o+kivi-4
rules:
- {layers: 0, heads: 1, set: {topk: 30, k-bits: 2}}
- {layers: 1, heads: 0, set: {tiers: {fp16: 20, 8: 20, 4: 20, 2: 40}, protected: 8}}
- {layers: 1, heads: 1, set: {tiers: {fp16: 20, 8: 80}, k-axis: token, k-bits: 16, protected: 2, scheme: sym}}
- {layers: 1, heads: 2, set: {layout: q4_0, residual: 5}}
`))
	if err != nil {
		t.Fatal(err)
	}
	heads, err := p.Heads(prefix, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	return fill(&Cache{Policy: policy.Merge(p.Resolve(prefix), heads), Prefix: prefix, Dims: dims, Model: "m"}, 2, 3)
}

// What a section of COMPRESS has, row by row, comes out at its place.
func TestSections(t *testing.T) {
	const n, dims = 40, 32
	pol, err := policy.Lookup("tiers")
	if err != nil {
		t.Fatal(err)
	}
	pol = pol.With(policy.Override{Recent: new(int), Tiers: &policy.Tiers{25, 25, 25, 25}}).Resolve(n)
	head := Head{Positions: All(n)}
	head.Tiers = someTiers(pol, n, head.Positions)
	l, _ := pol.VLayout(64)
	var section []byte
	for i, tier := range head.Tiers {
		for range session.RowBytes(l, dims, tier) {
			section = append(section, byte(i))
		}
	}
	c := session.Compressed{Selected: session.Selected{Positions: head.Positions, Tiers: head.Tiers}, K: section, V: section}
	got := FromCompressed(pol, n, dims, c)
	for i, p := range parts(pol, n, dims, &got) {
		jobs := p.jobs(dims)
		var decoded [][]uint16
		for t := range jobs {
			var rows []uint16
			for r := range jobs[t].Rows {
				size := session.RowBytes(l, dims, uint8(t+1))
				for range dims {
					rows = append(rows, uint16(jobs[t].Data[r*size])*0x101)
				}
			}
			decoded = append(decoded, rows)
		}
		for j, h := range p.restore(decoded, dims) {
			if h != uint16(j/dims)*0x101 {
				t.Fatalf("side %d: element %d is %#x", i, j, h)
			}
		}
	}
}

func equal(a, b []uint16) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// The counts by hand, for one head of 64 dims.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		name   string
		prefix int
		want   Bytes
	}{
		{"full", 448, Bytes{Residual: 2 * 448 * 64 * 2}},
		// 448 - 128 = 320 rows each: 4 bits an element, and 4 bytes of scale and minimum for 32.
		{"kivi-4", 448, Bytes{Codes: 2 * 320 * 64 / 2, Scales: 2 * 320 * 64 / 32 * 4, Residual: 2 * 128 * 64 * 2}},
		{"kivi-2", 448, Bytes{Codes: 2 * 320 * 64 / 4, Scales: 2 * 320 * 64 / 32 * 4, Residual: 2 * 128 * 64 * 2}},
		// 450 - 128 = 322: the keys quantize 320, the values 322.
		{"kivi-4", 450, Bytes{Codes: (320 + 322) * 64 / 2, Scales: (320 + 322) * 64 / 32 * 4, Residual: (130 + 128) * 64 * 2}},
		{"qserve-4", 100, Bytes{Codes: 2 * 100 * 64 / 2, Scales: 2 * 100 * 4}},
		{"h2o", 448, Bytes{Residual: 2 * 88 * 64 * 2, Positions: 88 * 2}},
		// 88 kept, the 44 recent ones fp16: 32 keys and 44 values of the others are quantized.
		{"h2o+kivi-4", 448, Bytes{Codes: (32 + 44) * 64 / 2, Scales: (32 + 44) * 64 / 32 * 4, Residual: (56 + 44) * 64 * 2, Positions: 88 * 2}},
		// 100 positions, all kept: 10 fp16, 20, 40 and 30 rows with 8 bytes of scale and minimum, a map of 4 bits each.
		{"tiers", 100, Bytes{Codes: 2 * (20*64 + 40*32 + 30*16), Scales: 2 * 90 * 8, Residual: 2 * 10 * 128, Positions: 50}},
		// 101: 60 % are 60.
		{"zipcache", 101, Bytes{Codes: 2 * (60*32 + 41*16), Scales: 2 * 101 * 8, Positions: 51}},
	} {
		x := sample(t, c.name, c.prefix, 64)
		if got := x.Bytes(1, 2); got != c.want {
			t.Errorf("%s of %d: got %+v, want %+v", c.name, c.prefix, got, c.want)
		}
		if got, want := x.Total().Total(), 6*c.want.Total(); got != want {
			t.Errorf("%s: total %d, want %d", c.name, got, want)
		}
		if got, want := x.BytesIn(), int64(6*2*c.prefix*64*2); got != want {
			t.Errorf("%s: in %d, want %d", c.name, got, want)
		}
	}
}

// decode writes a cache after a change to its parts and reads it.
func decode(t *testing.T, c *Cache, change func(meta map[string]string, e map[string]safetensors.Entry)) (*Cache, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c")
	if err := c.Write(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, entries := f.Metadata(), map[string]safetensors.Entry{}
	for _, x := range f.Tensors() {
		entries[x.Name()] = safetensors.Entry{Name: x.Name(), DType: x.DType(), Shape: x.Shape(), Write: func(w io.Writer) error { _, err := io.Copy(w, x.Reader()); return err }}
	}
	change(meta, entries)
	var list []safetensors.Entry
	for _, e := range entries {
		list = append(list, e)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := safetensors.WriteFile(context.Background(), bad, meta, list); err != nil {
		t.Fatal(err)
	}
	return Read(bad)
}

func TestRejects(t *testing.T) {
	type entries = map[string]safetensors.Entry
	type meta = map[string]string
	const pos, codes, rest = "layers.1.heads.2.positions", "layers.0.heads.1.k.codes", "layers.0.heads.1.v.fp16"
	for name, c := range map[string]struct {
		change func(m meta, e entries)
		word   string
	}{
		"no format":         {func(m meta, e entries) { delete(m, "format") }, "format"},
		"trace":             {func(m meta, e entries) { m["format"] = "trace" }, "kvaccel run -o"},
		"later version":     {func(m meta, e entries) { m["version"] = "2" }, "version"},
		"no policy":         {func(m meta, e entries) { delete(m, "policy") }, "policy"},
		"policy twice":      {func(m meta, e entries) { m["policy"] += m["policy"] }, "policy"},
		"unknown setting":   {func(m meta, e entries) { m["policy"] = `{"x":1}` }, "policy"},
		"impossible policy": {func(m meta, e entries) { m["policy"] = strings.Replace(m["policy"], `"k_bits":4`, `"k_bits":7`, 1) }, "k-bits"},
		"other bits":        {func(m meta, e entries) { m["policy"] = strings.Replace(m["policy"], `"k_bits":4`, `"k_bits":8`, 1) }, "bytes, want"},
		"shares":            {func(m meta, e entries) { m["policy"] = strings.Replace(m["policy"], `}`, `,"recent_percent":10}`, 1) }, "shares"},
		"no prefix":         {func(m meta, e entries) { delete(m, "prefix") }, "prefix"},
		"prefix 0":          {func(m meta, e entries) { m["prefix"] = "0" }, "prefix"},
		"other prefix":      {func(m meta, e entries) { m["prefix"] = "20" }, "want"},
		"huge prefix":       {func(m meta, e entries) { m["prefix"] = "99999999999999999999" }, "prefix"},
		"dims 24":           {func(m meta, e entries) { m["dims"] = "24" }, "quantized in groups"},
		"other dims":        {func(m meta, e entries) { m["dims"] = "32" }, "want"},
		"more layers":       {func(m meta, e entries) { m["layers"] = "3" }, "tensors, want"},
		"huge shape":        {func(m meta, e entries) { m["layers"], m["heads"] = "30", "30" }, "tensors, want"},
		"bad rule": {func(m meta, e entries) {
			m["policy"] = strings.Replace(m["policy"], `"name"`, `"rules":[{"layers":"1","set":{"k_bits":7}}],"name"`, 1)
		}, "of layer 1 head 0 in its metadata: invalid policy: k-bits is 7"},
		"layers and heads": {func(m meta, e entries) { m["layers"], m["heads"] = "3", "2" }, "layers.2.heads.0"},
		"one tensor more":  {func(m meta, e entries) { e["x"] = safetensors.Bytes("x", nil) }, "tensors, want"},
		"codes short":      {func(m meta, e entries) { e[codes] = safetensors.Bytes(codes, make([]byte, 7)) }, codes},
		"codes as F16": {func(m meta, e entries) {
			n := e[codes].Shape[0] / 2
			e[codes] = safetensors.FP16(codes, make([]uint16, n), n)
		}, codes},
		"rows missing":      {func(m meta, e entries) { e[rest] = safetensors.FP16(rest, nil, 0, 64) }, rest},
		"rows as U8":        {func(m meta, e entries) { e[rest] = safetensors.Bytes(rest, make([]byte, 9)) }, rest},
		"renamed":           {func(m meta, e entries) { delete(e, rest); e["y"] = safetensors.Bytes("y", nil) }, rest},
		"positions twice":   {func(m meta, e entries) { e[pos] = positions(pos, func(l []int64) { l[3] = l[2] }) }, pos},
		"negative position": {func(m meta, e entries) { e[pos] = positions(pos, func(l []int64) { l[0] = -1 }) }, pos},
		"position beyond":   {func(m meta, e entries) { e[pos] = positions(pos, func(l []int64) { l[87] = 448 }) }, pos},
		"too few positions": {func(m meta, e entries) { e[pos] = safetensors.Int64(pos, []int64{1, 2}) }, pos},
		"positions as U8":   {func(m meta, e entries) { e[pos] = safetensors.Bytes(pos, make([]byte, 88)) }, pos},
	} {
		_, err := decode(t, sample(t, "h2o+kivi-4", 448, 64), c.change)
		if err == nil || !strings.Contains(err.Error(), c.word) || !strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: got %v, want %q and the file's name", name, err, c.word)
			continue
		}
		if !errors.Is(err, ErrCache) && !errors.Is(err, safetensors.ErrNotFound) && !errors.Is(err, safetensors.ErrConvert) {
			t.Errorf("%s: untyped error %v", name, err)
		}
	}
	const tiersName = "layers.1.heads.2.tiers"
	for name, c := range map[string]struct {
		change func(tiers []byte) []byte
		word   string
	}{
		"tier 4":    {func(b []byte) []byte { b[0] = 4; return b }, "tier 4"},
		"protected": {func(b []byte) []byte { b[len(b)-1] = 1; return b }, "always kept"},
		"counts":    {func(b []byte) []byte { b[0] = (b[0] + 1) % 4; return b }, "positions in the tiers"},
		"short":     {func(b []byte) []byte { return b[1:] }, "shape"},
	} {
		x := sample(t, "h2o+tiers", 448, 64)
		_, err := decode(t, x, func(m meta, e entries) { e[tiersName] = safetensors.Bytes(tiersName, c.change(x.Layers[1][2].Tiers)) })
		if !errors.Is(err, ErrCache) || !strings.Contains(err.Error(), c.word) || !strings.Contains(err.Error(), tiersName) {
			t.Errorf("%s: got %v, want %q", name, err, c.word)
		}
	}
	if _, err := decode(t, sample(t, "h2o+kivi-4", 448, 64), func(m meta, e entries) {}); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func positions(name string, change func(l []int64)) safetensors.Entry {
	l := toInt64(All(448)[448-88:])
	change(l)
	return safetensors.Int64(name, l)
}

// FuzzDecode: whatever is accepted can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"full", "h2o+kivi-4", "qserve-4", "streaming", "h2o+tiers"} {
		path := filepath.Join(f.TempDir(), "c")
		pol, _ := policy.Lookup(name)
		if err := fill(&Cache{Policy: pol.Resolve(40), Prefix: 40, Dims: 32}, 1, 1).Write(f.Context(), path); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := safetensors.New("fuzz", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		c, err := Decode(file)
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "c")
		if err := c.Write(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if d, err := Read(path); err != nil || !reflect.DeepEqual(c.Policy, d.Policy) || c.Total() != d.Total() {
			t.Fatalf("changed on the way (%v)", err)
		}
	})
}
