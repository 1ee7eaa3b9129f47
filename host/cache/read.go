package cache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
)

// maxPrefix and maxDims bound what a file may claim, so that sizes computed
// from it cannot overflow.
const (
	maxPrefix = 1 << 31
	maxDims   = 1 << 16
)

// Read reads a cache file and checks it: every size must follow from policy
// and shape, the positions must be ascending and in the prefix. A file that is
// something else fails with ErrCache or an error of package safetensors, in an
// error that names the file and the tensor.
func Read(path string) (*Cache, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Decode(f)
}

// Decode reads a cache from an open file.
func Decode(f *safetensors.File) (*Cache, error) {
	r := reader{f: f, meta: f.Metadata()}
	c, layers, heads, err := r.header()
	if err != nil {
		return nil, err
	}
	if err := r.count(c, layers, heads); err != nil {
		return nil, err
	}
	for l := range layers {
		c.Layers = append(c.Layers, make([]Head, heads))
		for h := range heads {
			if err := r.head(c, l, h); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// count checks that there are as many tensors as the heads have, before
// anything of that size is made.
func (r reader) count(c *Cache, layers, heads int) error {
	have := len(r.f.Tensors())
	if layers > have/4 || heads > have/4/layers {
		return r.fail("", "it has %d tensors, want at least 4 for each of %d layers x %d heads", have, layers, heads)
	}
	want := 0
	for l := range layers {
		for h := range heads {
			pol := c.Policy.At(l, h)
			if err := r.settings(c, pol, fmt.Sprintf("of layer %d head %d ", l, h)); err != nil {
				return err
			}
			want += 4
			if pol.Evicts() {
				want++
			}
			if pol.Tiers != nil {
				want++
			}
		}
	}
	if have != want {
		return r.fail("", "it has %d tensors, want %d for %d layers x %d heads", have, want, layers, heads)
	}
	return nil
}

type reader struct {
	f    *safetensors.File
	meta map[string]string
}

func (r reader) fail(tensor, format string, args ...any) error {
	return &safetensors.Error{File: r.f.Name(), Tensor: tensor, Err: ErrCache, Reason: fmt.Sprintf(format, args...)}
}

// header reads and checks the metadata.
func (r reader) header() (c *Cache, layers, heads int, err error) {
	for _, f := range []struct{ key, want string }{{"format", Format}, {"version", Version}} {
		if got, ok := r.meta[f.key]; !ok || got != f.want {
			return nil, 0, 0, r.fail("", "its metadata has %s %q, want %q: give a file that kvaccel run -o wrote", f.key, got, f.want)
		}
	}
	c = &Cache{Model: r.meta["model"]}
	dec := json.NewDecoder(bytes.NewReader([]byte(r.meta["policy"])))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c.Policy); err != nil {
		return nil, 0, 0, r.fail("", "the policy in its metadata: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, 0, 0, r.fail("", "the policy in its metadata goes on after its JSON")
	}
	for _, f := range []struct {
		key string
		dst *int
		max int
	}{{"prefix", &c.Prefix, maxPrefix}, {"dims", &c.Dims, maxDims}, {"layers", &layers, len(r.f.Tensors())}, {"heads", &heads, len(r.f.Tensors())}} {
		n, err := strconv.Atoi(r.meta[f.key])
		if err != nil || n < 1 || n > f.max {
			return nil, 0, 0, r.fail("", "its metadata has %s %q, want a number from 1 to %d", f.key, r.meta[f.key], f.max)
		}
		*f.dst = n
	}
	return c, layers, heads, r.settings(c, c.Policy, "")
}

// settings checks a policy of the file: that it makes sense and is resolved, and
// that the dims can be quantized as it says.
func (r reader) settings(c *Cache, pol policy.Policy, whose string) error {
	if err := pol.Validate(); err != nil {
		return r.fail("", "the policy %sin its metadata: %v", whose, err)
	}
	if !pol.Resolved() {
		return r.fail("", "the policy %sin its metadata has shares, want numbers", whose)
	}
	for _, f := range []struct {
		bits int
		axis policy.Axis
	}{{pol.KBits, pol.KAxis}, {pol.VBits, pol.VAxis}} {
		if f.bits == policy.FP16Bits && pol.Tiers == nil {
			continue
		}
		if rotate := pol.Rotate; rotate > 0 && c.Dims%rotate != 0 || rotate == policy.RotateRow && c.Dims%policy.Rotations[0] != 0 {
			return r.fail("", "rows of %d elements cannot be rotated in blocks of 32, 64 or 128 as its policy says", c.Dims)
		}
		if g := pol.Group; c.Dims%regmap.DimStep != 0 || f.axis == policy.Token && g != policy.GroupRow && c.Dims%g != 0 {
			return r.fail("", "rows of %d elements cannot be quantized in groups of %d", c.Dims, g)
		}
	}
	return nil
}

// head reads one head. Sizes are checked before anything of them is allocated.
func (r reader) head(c *Cache, l, h int) error {
	head := &c.Layers[l][h]
	pol := c.Policy.At(l, h)
	if err := r.holds(pol, pol.Kept(c.Prefix), l, h); err != nil {
		return err
	}
	if err := r.positions(c, pol, l, h); err != nil {
		return err
	}
	if err := r.tiers(c, pol, l, h); err != nil {
		return err
	}
	dtype, read := safetensors.F16, readFP16
	if pol.IsBF16() {
		dtype, read = safetensors.BF16, readBF16
	}
	for _, p := range parts(pol, c.Prefix, c.Dims, head) {
		codes, err := r.f.Tensor(headName(l, h, p.name+".codes"))
		if err != nil {
			return err
		}
		if want := p.codeBytes(c.Dims); codes.Bytes() != int64(want) {
			return codes.Fail(ErrCache, "it has %d bytes, want %d for %d of %d rows of %d", codes.Bytes(), want, p.kept-p.fp16Rows(), p.kept, c.Dims)
		}
		if p.data.Codes, err = codes.ReadBytes(); err != nil {
			return err
		}
		rest, err := r.f.Tensor(headName(l, h, p.restName(pol)))
		if err != nil {
			return err
		}
		if s := rest.Shape(); rest.DType() != dtype || len(s) != 2 || s[0] != int64(p.fp16Rows()) || s[1] != int64(c.Dims) {
			return rest.Fail(ErrCache, "it is %s %v, want %s [%d %d]", rest.DType(), s, dtype, p.fp16Rows(), c.Dims)
		}
		if p.data.FP16, err = read(rest); err != nil {
			return err
		}
	}
	return nil
}

// readFP16 reads a whole F16 tensor, bit for bit.
func readFP16(t safetensors.Tensor) ([]uint16, error) {
	rows, _, err := t.ReadFP16(0, t.Elements())
	return rows, err
}

// readBF16 reads a whole BF16 tensor, bit for bit.
func readBF16(t safetensors.Tensor) ([]uint16, error) {
	rows, _, err := t.ReadBF16(0, t.Elements())
	return rows, err
}

// holds checks that the keys of a head can be as many as the policy says,
// whatever their widths: a row takes more than a byte.
func (r reader) holds(pol policy.Policy, kept, l, h int) error {
	bytes := int64(0)
	keys := part{name: "k"}
	for _, what := range []string{"k.codes", keys.restName(pol)} {
		t, err := r.f.Tensor(headName(l, h, what))
		if err != nil {
			return err
		}
		if bytes += t.Bytes(); what != "k.codes" && int64(kept) > bytes {
			return t.Fail(ErrCache, "%d bytes of keys, want those of %d rows", bytes, kept)
		}
	}
	return nil
}

// tiers reads the tiers of the kept rows: as many in each as the policy says.
func (r reader) tiers(c *Cache, pol policy.Policy, l, h int) error {
	if pol.Tiers == nil {
		return nil
	}
	head := &c.Layers[l][h]
	t, err := r.f.Tensor(headName(l, h, "tiers"))
	if err != nil {
		return err
	}
	if len(t.Shape()) != 1 || t.Elements() != int64(len(head.Positions)) {
		return t.Fail(ErrCache, "shape %v, want [%d]", t.Shape(), len(head.Positions))
	}
	list, err := t.ReadBytes()
	if err != nil {
		return err
	}
	var ranked, want [4]int
	ranks, topK := pol.Ranks(c.Prefix)
	for i, v := range list {
		j := head.Positions[i]
		switch protected := j < pol.Sinks || j >= c.Prefix-pol.Recent; {
		case int(v) >= len(session.TierBits):
			return t.Fail(ErrCache, "row %d is in tier %d, want 0 to 3", i, v)
		case protected && int(v) != pol.ProtectedTier():
			return t.Fail(ErrCache, "position %d is always kept, in tier %d, but is in %d", j, pol.ProtectedTier(), v)
		case !protected:
			ranked[v]++
		}
	}
	want[0], want[1], want[2], want[3] = ranks[0], ranks[1]-ranks[0], ranks[2]-ranks[1], topK-ranks[2]
	if ranked != want {
		return t.Fail(ErrCache, "it has %d positions in the tiers, want %d", ranked, want)
	}
	head.Tiers = list
	return nil
}

func (r reader) positions(c *Cache, pol policy.Policy, l, h int) error {
	head := &c.Layers[l][h]
	kept := pol.Kept(c.Prefix)
	if !pol.Evicts() {
		head.Positions = All(kept)
		return nil
	}
	t, err := r.f.Tensor(headName(l, h, "positions"))
	if err != nil {
		return err
	}
	if len(t.Shape()) != 1 || t.Elements() != int64(kept) {
		return t.Fail(ErrCache, "shape %v, want [%d]", t.Shape(), kept)
	}
	list, err := t.ReadInt64()
	if err != nil {
		return err
	}
	last := int64(-1)
	for _, j := range list {
		if j <= last || j >= int64(c.Prefix) {
			return t.Fail(ErrCache, "position %d follows %d, want ascending ones below %d", j, last, c.Prefix)
		}
		last = j
		head.Positions = append(head.Positions, int(j))
	}
	return nil
}
