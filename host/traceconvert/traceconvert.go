// Package traceconvert makes KV traces of arrays that other tools saved: .npy
// and .npz files, and safetensors files with the names that Hugging Face
// transformers and its exporters use. Nothing is computed: elements keep their
// values, heads and positions their order.
package traceconvert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/kvaccel/kvaccel/host/aside"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
)

// ErrInput says that an input cannot be made a trace of.
var ErrInput = errors.New("cannot be converted")

// Layout is the order of an array's dimensions.
type Layout string

// The layouts; the batch B may be left out.
const (
	HeadsFirst  Layout = "bhtd" // as transformers' cache
	TokensFirst Layout = "bthd" // as projections before they are transposed
)

// Options of a conversion.
type Options struct {
	Layout       Layout            // of keys, values and queries; empty: HeadsFirst
	Metadata     map[string]string // added to that of the inputs
	IgnoreOthers bool              // arrays whose names say nothing are left out, not refused
}

// maxBytes bounds the data of all inputs: it is held in memory.
const maxBytes = 32 << 30

// array is one input.
type array struct {
	file, name string
	shape      []int64
	half       []uint16  // of F16
	single     []float32 // of everything else
	whole      []int64   // of tokens
}

func (a *array) fail(format string, args ...any) error {
	return fmt.Errorf("%s: array %q: %w: %s", a.file, a.name, ErrInput, fmt.Sprintf(format, args...))
}

// Convert reads the inputs and writes the trace at path, whole or not at all.
// An input is a .npy, .npz or .safetensors file or a directory of .npy files.
func Convert(ctx context.Context, inputs []string, path string, o Options) error {
	c := &converter{o: o, left: maxBytes, metadata: map[string]string{}, tensors: map[string]*array{}}
	if o.Layout == "" {
		c.o.Layout = HeadsFirst
	}
	if c.o.Layout != HeadsFirst && c.o.Layout != TokensFirst {
		return fmt.Errorf("%w: layout %q, want %s or %s", ErrInput, o.Layout, HeadsFirst, TokensFirst)
	}
	for _, in := range inputs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.read(in); err != nil {
			return err
		}
	}
	maps.Copy(c.metadata, o.Metadata)
	b, err := c.encode()
	if err != nil {
		return err
	}
	f, err := safetensors.New(path, bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	if _, err := trace.New(f); err != nil {
		return fmt.Errorf("the arrays make no trace: %w", err)
	}
	return aside.WriteFile(ctx, path, func(w io.Writer) error { _, err := w.Write(b); return err })
}

type converter struct {
	o        Options
	left     int64 // bytes that may still be read
	metadata map[string]string
	tensors  map[string]*array // by their names in the trace
}

// add puts an array where its name says it belongs.
func (c *converter) add(a *array) error {
	if a.name == "tokens" && a.whole != nil {
		a.shape = []int64{int64(len(a.whole))}
		return c.put("tokens", a)
	}
	kind, layer, stacked, ok := meaning(a.name)
	if !ok {
		if c.o.IgnoreOthers {
			return nil
		}
		return a.fail("its name says neither what nor of which layer it is; want layers.{l}.k, past_key_values.{l}.key, key_cache.{l}, k_{l} and the like, or k, v, q with the layers as first dimension")
	}
	if a.whole != nil {
		return a.fail("it has whole numbers, want floats")
	}
	if !stacked {
		return c.put(fmt.Sprintf("layers.%d.%s", layer, kind), c.arrange(a, kind))
	}
	if len(a.shape) < 4 || a.shape[0] < 1 || a.shape[0] > maxLayers {
		return a.fail("shape %v, want [layers, heads, tokens, dims] or [layers, 1, heads, tokens, dims]", a.shape)
	}
	for l := range a.shape[0] {
		if err := c.put(fmt.Sprintf("layers.%d.%s", l, kind), c.arrange(a.slice(l), kind)); err != nil {
			return err
		}
	}
	return nil
}

// maxLayers is beyond any model.
const maxLayers = 4096

// slice is the l-th part of an array along its first dimension.
func (a *array) slice(l int64) *array {
	n := int64(len(a.half)+len(a.single)) / a.shape[0]
	s := &array{file: a.file, name: a.name, shape: a.shape[1:]}
	if a.half != nil {
		s.half = a.half[l*n : (l+1)*n]
	} else {
		s.single = a.single[l*n : (l+1)*n]
	}
	return s
}

// arrange puts heads before tokens.
func (c *converter) arrange(a *array, kind string) *array {
	if c.o.Layout == HeadsFirst || kind == "attn" || len(a.shape) < 3 {
		return a
	}
	at := len(a.shape) - 3
	t, h, d := int(a.shape[at]), int(a.shape[at+1]), int(a.shape[at+2])
	out := *a
	out.shape = slices.Clone(a.shape)
	out.shape[at], out.shape[at+1] = int64(h), int64(t)
	if t*h*d == len(a.half)+len(a.single) {
		out.half, out.single = turn(a.half, t, h, d), turn(a.single, t, h, d)
	}
	return &out
}

// turn makes t x h x d into h x t x d.
func turn[T uint16 | float32](x []T, t, h, d int) []T {
	if len(x) == 0 {
		return x
	}
	out := make([]T, 0, len(x))
	for head := range h {
		for pos := range t {
			out = append(out, x[(pos*h+head)*d:][:d]...)
		}
	}
	return out
}

func (c *converter) put(name string, a *array) error {
	if other, ok := c.tensors[name]; ok {
		return a.fail("it is %s, and so is %q of %s", name, other.name, other.file)
	}
	c.tensors[name] = a
	return nil
}

// encode gives the trace as a file.
func (c *converter) encode() ([]byte, error) {
	var entries []safetensors.Entry
	for name, a := range c.tensors {
		switch {
		case a.whole != nil:
			entries = append(entries, safetensors.Int64(name, a.whole))
		case a.single != nil:
			entries = append(entries, safetensors.Float32(name, a.single, a.shape...))
		default:
			entries = append(entries, safetensors.FP16(name, a.half, a.shape...))
		}
	}
	var b bytes.Buffer
	err := safetensors.Write(&b, c.metadata, entries)
	return b.Bytes(), err
}

// Check reports whether every input is there, before any work is done.
func Check(inputs []string) error {
	for _, in := range inputs {
		if _, err := os.Stat(in); err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				return fmt.Errorf("%s: %w", in, pe.Err)
			}
			return err
		}
	}
	return nil
}
