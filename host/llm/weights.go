package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/safetensors"
)

// Model is a loaded model. It is read-only: several goroutines may use it.
type Model struct {
	Config
	Name   string // base name of its directory
	embed  matrix // Vocab x Hidden
	head   matrix // Vocab x Hidden
	norm   []float32
	layers []layer
	rope   rope
}

type layer struct {
	q, k, v, o         matrix
	bq, bk, bv, bo     []float32 // nil without biases
	gate, up, down     matrix
	normAttn, normFeed []float32
}

// matrix holds the weights of a linear map: rows are outputs.
type matrix = blas32.General

// Open loads the model in a directory: config.json and model.safetensors, or
// the files that model.safetensors.index.json names. It fails with an *[Error],
// a *[safetensors.Error] or the operating system's error.
func Open(ctx context.Context, dir string) (*Model, error) {
	c, err := ReadConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	files, err := openWeights(dir)
	defer files.close()
	if err != nil {
		return nil, err
	}
	name := filepath.Base(dir)
	if abs, err := filepath.Abs(dir); err == nil {
		name = filepath.Base(abs)
	}
	m := &Model{Config: c, Name: name, rope: newRope(c), layers: make([]layer, c.Layers)}
	jobs := m.tensors(files)
	if err := files.checkBiases(c); err != nil {
		return nil, err
	}
	// Shapes are checked first, so that what does not fit fails at once.
	for _, j := range jobs {
		if err := j.check(); err != nil {
			return nil, err
		}
	}
	err = parallel.Each(ctx, len(jobs), func(i int) error { return jobs[i].load() })
	if err != nil {
		return nil, err
	}
	if c.Tied {
		m.head = m.embed
	}
	return m, nil
}

// load is one tensor and where it goes.
type load struct {
	files *weightFiles
	name  string
	shape []int64
	put   func([]float32)
	from  safetensors.Tensor
}

// tensors lists what a model of this shape consists of.
func (m *Model) tensors(files *weightFiles) []*load {
	var jobs []*load
	mat := func(name string, rows, cols int, dst *matrix) {
		jobs = append(jobs, &load{files: files, name: name, shape: []int64{int64(rows), int64(cols)}, put: func(data []float32) {
			*dst = matrix{Rows: rows, Cols: cols, Stride: cols, Data: data}
		}})
	}
	vec := func(name string, n int, dst *[]float32) {
		jobs = append(jobs, &load{files: files, name: name, shape: []int64{int64(n)}, put: func(data []float32) { *dst = data }})
	}
	qRows, kvRows := m.Heads*m.HeadDim, m.KVHeads*m.HeadDim
	mat("model.embed_tokens.weight", m.Vocab, m.Hidden, &m.embed)
	if !m.Tied {
		mat("lm_head.weight", m.Vocab, m.Hidden, &m.head)
	}
	vec("model.norm.weight", m.Hidden, &m.norm)
	for i := range m.layers {
		l, at := &m.layers[i], fmt.Sprintf("model.layers.%d.", i)
		vec(at+"input_layernorm.weight", m.Hidden, &l.normAttn)
		vec(at+"post_attention_layernorm.weight", m.Hidden, &l.normFeed)
		mat(at+"self_attn.q_proj.weight", qRows, m.Hidden, &l.q)
		mat(at+"self_attn.k_proj.weight", kvRows, m.Hidden, &l.k)
		mat(at+"self_attn.v_proj.weight", kvRows, m.Hidden, &l.v)
		mat(at+"self_attn.o_proj.weight", m.Hidden, qRows, &l.o)
		if m.BiasQKV {
			vec(at+"self_attn.q_proj.bias", qRows, &l.bq)
			vec(at+"self_attn.k_proj.bias", kvRows, &l.bk)
			vec(at+"self_attn.v_proj.bias", kvRows, &l.bv)
		}
		if m.BiasOutput {
			vec(at+"self_attn.o_proj.bias", m.Hidden, &l.bo)
		}
		mat(at+"mlp.gate_proj.weight", m.Intermediate, m.Hidden, &l.gate)
		mat(at+"mlp.up_proj.weight", m.Intermediate, m.Hidden, &l.up)
		mat(at+"mlp.down_proj.weight", m.Hidden, m.Intermediate, &l.down)
	}
	return jobs
}

// check finds the tensor and holds its shape against the configuration.
func (j *load) check() error {
	t, err := j.files.find(j.name)
	if err != nil {
		return err
	}
	if !slices.Equal(t.Shape(), j.shape) {
		return t.Fail(ErrWeights, "shape %v, want %v as config.json has it", t.Shape(), j.shape)
	}
	j.from = t
	return nil
}

func (j *load) load() error {
	data, err := j.from.ReadFloat32()
	if err != nil {
		return err
	}
	for i, x := range data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return j.from.Fail(ErrNonFinite, "element %d is %g", i, x)
		}
	}
	j.put(data)
	return nil
}

// weightFiles are the open safetensors files of a model.
type weightFiles struct {
	dir   string
	index string            // path of the index or of the only file
	where map[string]string // tensor to file name
	open  map[string]*safetensors.File
}

func (w *weightFiles) close() {
	for _, f := range w.open {
		f.Close()
	}
}

// openWeights opens the only file or, if there is an index, each it names.
func openWeights(dir string) (*weightFiles, error) {
	const single = "model.safetensors"
	w := &weightFiles{dir: dir, index: filepath.Join(dir, single+".index.json"), where: map[string]string{}, open: map[string]*safetensors.File{}}
	text, err := os.ReadFile(w.index)
	if errors.Is(err, fs.ErrNotExist) {
		w.index = filepath.Join(dir, single)
		f, err := w.file(single)
		if err != nil {
			return w, err
		}
		for _, t := range f.Tensors() {
			w.where[t.Name()] = single
		}
		return w, nil
	}
	if err != nil {
		return w, err
	}
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return w, &Error{w.index, "", err.Error(), ErrWeights}
	}
	w.where = index.Map
	for name, file := range index.Map {
		if file != filepath.Base(file) || file == "." || file == ".." {
			return w, &Error{w.index, name, fmt.Sprintf("it is in %q, want the plain name of a file beside the index", file), ErrWeights}
		}
		if _, err := w.file(file); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *weightFiles) file(name string) (*safetensors.File, error) {
	if f, ok := w.open[name]; ok {
		return f, nil
	}
	f, err := safetensors.Open(filepath.Join(w.dir, name))
	if err == nil {
		w.open[name] = f
	}
	return f, err
}

func (w *weightFiles) find(tensor string) (safetensors.Tensor, error) {
	file, ok := w.where[tensor]
	if !ok {
		return safetensors.Tensor{}, &Error{w.index, tensor, "the tensor is missing", ErrWeights}
	}
	return w.open[file].Tensor(tensor)
}

// checkBiases refuses biases that the configuration does not speak of: to leave
// them out would silently run another model.
func (w *weightFiles) checkBiases(c Config) error {
	for i := range c.Layers {
		for _, b := range []struct {
			name string
			used bool
		}{
			{"self_attn.q_proj", c.BiasQKV}, {"self_attn.k_proj", c.BiasQKV}, {"self_attn.v_proj", c.BiasQKV}, {"self_attn.o_proj", c.BiasOutput},
			{"mlp.gate_proj", false}, {"mlp.up_proj", false}, {"mlp.down_proj", false},
		} {
			name := fmt.Sprintf("model.layers.%d.%s.bias", i, b.name)
			if _, ok := w.where[name]; ok && !b.used {
				return &Error{w.index, name, "config.json does not ask for this bias", ErrWeights}
			}
		}
	}
	return nil
}
