// Package trace reads KV traces: the keys, values and, where recorded, queries
// and attention weights of one sequence, layer by layer, from a safetensors
// file with the tensors
//
//	layers.{l}.k, layers.{l}.v   [1, Hkv, T, D] or [Hkv, T, D]
//	layers.{l}.q                 [1, Hq, T, D] or [Hq, T, D], optional
//	layers.{l}.attn              [1, Hq, Tq, T] or [Hq, Tq, T], optional: weights of the last Tq positions' queries
//
// of F16, BF16 or F32. Other tensors are ignored. Everything is handed out as
// binary16 bits, keys and values also as bfloat16; see [safetensors.Tensor.ReadFP16] for the rounding.
package trace

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/kvaccel/kvaccel/host/safetensors"
)

// What can be wrong with a trace beside the file itself.
var (
	ErrMissing  = errors.New("the trace lacks a tensor")
	ErrShape    = errors.New("the trace's shapes do not fit together")
	ErrMetadata = errors.New("the trace's metadata cannot be used")
)

// Trace is an open trace. Tensors are read when asked for, a layer at a time.
type Trace struct {
	Name     string // path of the file
	Model    string // metadata "model", may be empty
	Layers   int
	Hkv      int     // key-value heads
	Hq       int     // query heads; 0 without any q or attn
	T        int     // positions
	D        int     // elements of a head's row
	Scale    float64 // attention is softmax(Scale q k): metadata "attention_scale", else 1/sqrt(D)
	Metadata map[string]string

	file   *safetensors.File
	layers []layerTensors
	stored int // positions in the file; T are the first of them
}

type layerTensors struct {
	k, v     safetensors.Tensor
	q, attn  safetensors.Tensor // valid if the flags say so
	hasQ     bool
	hasAttn  bool
	attnRows int // Tq
}

//go:embed sample/golm-512.safetensors
var sample []byte

// SampleName is the name of the embedded trace in reports.
const SampleName = "sample:golm-512"

// Sample opens the embedded trace: 512 positions of a small language model
// reading Go code.
func Sample() (*Trace, error) {
	f, err := safetensors.New(SampleName, bytes.NewReader(sample), int64(len(sample)))
	if err != nil {
		return nil, err
	}
	return New(f)
}

// Open opens the trace at path.
func Open(path string) (*Trace, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	t, err := New(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// New checks that an open file is a trace. Close closes the file.
func New(f *safetensors.File) (*Trace, error) {
	t := &Trace{Name: f.Name(), Metadata: f.Metadata(), file: f}
	t.Model = t.Metadata["model"]
	if err := t.findLayers(); err != nil {
		return nil, err
	}
	for l := range t.layers {
		if err := t.checkLayer(l); err != nil {
			return nil, err
		}
	}
	if t.Hq%t.Hkv != 0 {
		return nil, fail(f.Name(), tensorName(0, "k"), ErrShape, "%d query heads cannot share %d key-value heads evenly", t.Hq, t.Hkv)
	}
	t.stored = t.T
	return t, t.readScale()
}

// Close closes the file.
func (t *Trace) Close() error { return t.file.Close() }

func tensorName(l int, what string) string { return fmt.Sprintf("layers.%d.%s", l, what) }

func fail(file, tensor string, err error, format string, args ...any) error {
	return &safetensors.Error{File: file, Tensor: tensor, Err: err, Reason: fmt.Sprintf(format, args...)}
}

// findLayers looks up the tensors of layers 0, 1, ... and makes sure that none
// was left out in between.
func (t *Trace) findLayers() error {
	most := -1
	for _, x := range t.file.Tensors() {
		if l, ok := layerOf(x.Name()); ok {
			most = max(most, l)
		}
	}
	if most < 0 {
		return fail(t.Name, "", ErrMissing, "it has no tensors layers.{l}.k and layers.{l}.v: it is not a KV trace")
	}
	for l := 0; l <= most; l++ {
		var x layerTensors
		for _, f := range []struct {
			what string
			dst  *safetensors.Tensor
		}{{"k", &x.k}, {"v", &x.v}} {
			name := tensorName(l, f.what)
			if !t.file.Has(name) {
				return fail(t.Name, name, ErrMissing, "layers 0 to %d need k and v each", most)
			}
			*f.dst, _ = t.file.Tensor(name)
		}
		if x.hasQ = t.file.Has(tensorName(l, "q")); x.hasQ {
			x.q, _ = t.file.Tensor(tensorName(l, "q"))
		}
		if x.hasAttn = t.file.Has(tensorName(l, "attn")); x.hasAttn {
			x.attn, _ = t.file.Tensor(tensorName(l, "attn"))
		}
		t.layers = append(t.layers, x)
	}
	t.Layers = len(t.layers)
	return nil
}

// layerOf gives the layer of a tensor that belongs to a trace.
func layerOf(name string) (int, bool) {
	for _, what := range []string{"k", "v", "q", "attn"} {
		var l int
		if n, err := fmt.Sscanf(name, "layers.%d.", &l); n == 1 && err == nil && l >= 0 && name == tensorName(l, what) {
			return l, true
		}
	}
	return 0, false
}

// checkLayer holds a layer's shapes against those of the layers before.
func (t *Trace) checkLayer(l int) error {
	x := &t.layers[l]
	if err := t.checkRows(x.k, &t.Hkv); err != nil {
		return err
	}
	if err := t.checkRows(x.v, &t.Hkv); err != nil {
		return err
	}
	if x.hasQ {
		if err := t.checkRows(x.q, &t.Hq); err != nil {
			return err
		}
	}
	if !x.hasAttn {
		return nil
	}
	s, err := threeDims(x.attn, "Hq, Tq, T")
	if err != nil {
		return err
	}
	x.attnRows = s[1]
	if t.Hq == 0 {
		t.Hq = s[0]
	}
	if s[0] != t.Hq || s[1] > t.T || s[2] != t.T {
		return x.attn.Fail(ErrShape, "shape %v, want [%d, Tq, %d] with Tq up to %d", x.attn.Shape(), t.Hq, t.T, t.T)
	}
	return nil
}

// checkRows checks a tensor of [heads, T, D]; the first one sets what the
// others must have.
func (t *Trace) checkRows(x safetensors.Tensor, heads *int) error {
	s, err := threeDims(x, "H, T, D")
	if err != nil {
		return err
	}
	if t.T == 0 {
		t.T, t.D = s[1], s[2]
	}
	if *heads == 0 {
		*heads = s[0]
	}
	if s[0] != *heads || s[1] != t.T || s[2] != t.D {
		return x.Fail(ErrShape, "shape %v, want [%d, %d, %d] as in the tensors before", x.Shape(), *heads, t.T, t.D)
	}
	return nil
}

// threeDims gives the shape without its batch, which must be 1, and makes sure
// that the values can be read.
func threeDims(x safetensors.Tensor, dims string) (s [3]int, err error) {
	switch x.DType() {
	case safetensors.F16, safetensors.BF16, safetensors.F32:
	default:
		return s, x.Fail(safetensors.ErrConvert, "it is %s, want F16, BF16 or F32", x.DType())
	}
	shape := x.Shape()
	if len(shape) == 4 {
		if shape[0] != 1 {
			return s, x.Fail(ErrShape, "shape %v has a batch of %d, want 1", shape, shape[0])
		}
		shape = shape[1:]
	}
	if len(shape) != 3 {
		return s, x.Fail(ErrShape, "shape %v, want [1, %s] or [%s]", x.Shape(), dims, dims)
	}
	for i, d := range shape {
		if d < 1 || d > math.MaxInt32 {
			return s, x.Fail(ErrShape, "shape %v, want every dimension from 1 on", x.Shape())
		}
		s[i] = int(d)
	}
	return s, nil
}

func (t *Trace) readScale() error {
	text, ok := t.Metadata["attention_scale"]
	if !ok {
		t.Scale = 1 / math.Sqrt(float64(t.D))
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return fail(t.Name, "", ErrMetadata, "attention_scale is %q, want a positive number", text)
	}
	t.Scale = v
	return nil
}
