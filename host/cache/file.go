package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
)

// ErrCache says that a file is a safetensors file but no compressed cache.
var ErrCache = errors.New("not a compressed KV cache")

// Format and Version are in the metadata of every cache file.
const (
	Format  = "kvaccel-cache"
	Version = "1"
)

// maxPrefix and maxDims bound what a file may claim, so that sizes computed
// from it cannot overflow.
const (
	maxPrefix = 1 << 31
	maxDims   = 1 << 16
)

func headName(l, h int, what string) string { return fmt.Sprintf("layers.%d.heads.%d.%s", l, h, what) }

// Write writes the cache to path, whole or not at all. The bytes depend on
// nothing but the cache.
func (c *Cache) Write(ctx context.Context, path string) error {
	pol, err := json.Marshal(c.Policy)
	if err != nil {
		return err
	}
	meta := map[string]string{
		"format": Format, "version": Version, "policy": string(pol), "model": c.Model,
		"prefix": strconv.Itoa(c.Prefix), "dims": strconv.Itoa(c.Dims),
		"layers": strconv.Itoa(len(c.Layers)), "heads": strconv.Itoa(len(c.Layers[0])),
	}
	var entries []safetensors.Entry
	for l := range c.Layers {
		for h := range c.Layers[l] {
			head := &c.Layers[l][h]
			for _, p := range c.parts(head) {
				entries = append(entries,
					safetensors.Bytes(headName(l, h, p.name+".codes"), p.data.Codes),
					safetensors.FP16(headName(l, h, p.name+".fp16"), p.data.FP16, int64(len(p.data.FP16)/c.Dims), int64(c.Dims)))
			}
			if c.Policy.Evicts() {
				entries = append(entries, safetensors.Int64(headName(l, h, "positions"), toInt64(head.Positions)))
			}
		}
	}
	return safetensors.WriteFile(ctx, path, meta, entries)
}

func toInt64(list []int) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

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
	perHead := 4
	if c.Policy.Evicts() {
		perHead = 5
	}
	if have := len(f.Tensors()); have%perHead != 0 || have/perHead/heads != layers || have/perHead%heads != 0 {
		return nil, r.fail("", "it has %d tensors, want %d for each of %d layers x %d heads", have, perHead, layers, heads)
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
	if err := c.Policy.Validate(); err != nil {
		return nil, 0, 0, r.fail("", "the policy in its metadata: %v", err)
	}
	if p := c.Policy; p.RecentPercent != 0 || p.TopKPercent != 0 || p.ResidualInRecent {
		return nil, 0, 0, r.fail("", "the policy in its metadata has shares, want numbers")
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
	return c, layers, heads, r.divides(c)
}

// divides checks that the dims can be quantized as the policy says.
func (r reader) divides(c *Cache) error {
	for _, f := range []struct {
		bits int
		axis policy.Axis
	}{{c.Policy.KBits, c.Policy.KAxis}, {c.Policy.VBits, c.Policy.VAxis}} {
		if f.bits == policy.FP16Bits {
			continue
		}
		if g := c.Policy.Group; c.Dims%regmap.DimStep != 0 || f.axis == policy.Token && g != policy.GroupRow && c.Dims%g != 0 {
			return r.fail("", "rows of %d elements cannot be quantized in groups of %d", c.Dims, g)
		}
	}
	return nil
}

// head reads one head. Sizes are checked before anything of them is allocated.
func (r reader) head(c *Cache, l, h int) error {
	head := &c.Layers[l][h]
	kept := c.Policy.Kept(c.Prefix)
	for _, p := range c.parts(head) {
		codes, err := r.f.Tensor(headName(l, h, p.name+".codes"))
		if err != nil {
			return err
		}
		if want := p.codeBytes(c.Dims); codes.Bytes() != int64(want) {
			return codes.Fail(ErrCache, "it has %d bytes, want %d for %d rows of %d", codes.Bytes(), want, p.rows, c.Dims)
		}
		if p.data.Codes, err = codes.ReadBytes(); err != nil {
			return err
		}
		rest, err := r.f.Tensor(headName(l, h, p.name+".fp16"))
		if err != nil {
			return err
		}
		if s := rest.Shape(); rest.DType() != safetensors.F16 || len(s) != 2 || s[0] != int64(kept-p.rows) || s[1] != int64(c.Dims) {
			return rest.Fail(ErrCache, "it is %s %v, want F16 [%d %d]", rest.DType(), s, kept-p.rows, c.Dims)
		}
		if p.data.FP16, _, err = rest.ReadFP16(0, rest.Elements()); err != nil {
			return err
		}
	}
	return r.positions(c, l, h)
}

func (r reader) positions(c *Cache, l, h int) error {
	head := &c.Layers[l][h]
	kept := c.Policy.Kept(c.Prefix)
	if !c.Policy.Evicts() {
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

// All lists the positions 0 to n-1.
func All(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
