package sweep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/eval"
	"github.com/kvaccel/kvaccel/host/llm"
	"github.com/kvaccel/kvaccel/host/trace"
)

// SampleTrace stands for the built-in trace where a path could.
const SampleTrace = "sample"

// inputs resolves a source: files are hashed, defaults filled in, one input for
// each prefix.
func (f *File) inputs(ctx context.Context, s Source) ([]Input, error) {
	in := Input{Name: s.Name, Kind: Fidelity}
	var n int // what the default prefix is of
	var err error
	if s.Trace != "" {
		n, err = f.traceInput(ctx, s, &in)
	} else {
		in.Kind = Model
		err = f.modelInput(ctx, s, &in)
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", f.path, s.line, err)
	}
	prefixes := s.Prefixes
	if len(prefixes) == 0 {
		prefixes = []int{in.Prefix}
	}
	var out []Input
	for _, p := range prefixes {
		in.Prefix = p
		if in.Kind == Fidelity && p >= n {
			return nil, fmt.Errorf("%w: %s:%d: prefix is %d, want 1 to %d: fidelity needs later queries", ErrFile, f.path, s.line, p, n-1)
		}
		if in.Kind == Model && p > in.Window-2 {
			return nil, fmt.Errorf("%w: %s:%d: prefix is %d, want 1 to %d, two less than the window", ErrFile, f.path, s.line, p, in.Window-2)
		}
		one := in
		if len(prefixes) > 1 {
			one.Name = fmt.Sprintf("%s/%d", in.Name, p)
		}
		out = append(out, one)
	}
	return out, nil
}

// file is a path of the sweep file as the program can open it.
func (f *File) file(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

func (f *File) traceInput(ctx context.Context, s Source, in *Input) (tokens int, err error) {
	var t *trace.Trace
	if s.Trace == SampleTrace {
		in.Digest = "built-in " + trace.SampleName
		t, err = trace.Sample()
	} else {
		path := f.file(s.Trace)
		if t, err = trace.Open(path); err == nil {
			var b Blob
			b, err = digest(ctx, path)
			in.Trace, in.Digest = &b, b.Digest
		}
	}
	if err != nil {
		return 0, err
	}
	defer t.Close()
	for l := range t.Layers {
		if !t.HasQ(l) {
			return 0, t.MissingQ(l, "fidelity measures")
		}
	}
	if in.Name == "" {
		in.Name = strings.TrimSuffix(filepath.Base(t.Name), ".safetensors")
	}
	in.Prefix, in.heads = compress.DefaultPrefix(t.T), t.Layers*t.Hkv
	return t.T, nil
}

func (f *File) modelInput(ctx context.Context, s Source, in *Input) error {
	dir, text := f.file(s.Model), f.file(s.Text)
	c, err := llm.ReadConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return err
	}
	m := &llm.Model{Config: c}
	tokens, err := m.ReadTokens(text)
	if err != nil {
		return err
	}
	o := eval.Options{Text: tokens, TextName: s.Text, Window: s.Window, Chunk: s.Chunk, Limit: s.Windows, Block: s.Block, Trials: s.Needles}
	if len(s.Prefixes) > 0 {
		o.Prefix = slices.Min(s.Prefixes)
	}
	if o.Trials == 0 && slices.Contains(s.given, "needles") {
		o.Trials = -1
	}
	if err := o.Complete(m); err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	in.Prefix, in.Window, in.Chunk, in.Windows, in.Block, in.Needles, in.Seed = o.Prefix, o.Window, o.Chunk, o.Limit, o.Block, o.Trials, uint64(s.Seed)
	if in.Model, err = modelFiles(ctx, dir); err != nil {
		return err
	}
	b, err := digest(ctx, text)
	if err != nil {
		return err
	}
	in.Text = &b
	h := sha256.New()
	for _, b := range append(slices.Clone(in.Model), b) {
		fmt.Fprintf(h, "%s %s\n", b.Name, b.Digest)
	}
	in.Digest = hex.EncodeToString(h.Sum(nil))
	if in.Name == "" {
		in.Name = filepath.Base(dir) + " on " + filepath.Base(text)
	}
	return nil
}

// modelFiles lists the files that a model is loaded from.
func modelFiles(ctx context.Context, dir string) ([]Blob, error) {
	paths := []string{filepath.Join(dir, "config.json")}
	single := filepath.Join(dir, "model.safetensors")
	if _, err := os.Stat(single); err == nil {
		paths = append(paths, single)
	} else {
		shards, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
		if err != nil {
			return nil, err
		}
		paths = append(append(paths, filepath.Join(dir, "model.safetensors.index.json")), shards...)
	}
	slices.Sort(paths)
	var out []Blob
	for _, p := range paths {
		b, err := digest(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// digest hashes a file.
func digest(ctx context.Context, path string) (Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return Blob{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, &contextReader{ctx, f})
	if err != nil {
		return Blob{}, err
	}
	abs, err := filepath.Abs(path)
	return Blob{Name: filepath.Base(path), Digest: hex.EncodeToString(h.Sum(nil)), Size: n, Path: abs}, err
}

// contextReader stops reading a large file when the context is cancelled.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Blobs lists the files that a machine needs for an input.
func (in Input) Blobs() (out []Blob) {
	in.Relocate(func(b Blob) string { out = append(out, b); return b.Path })
	return out
}

// Relocate gives the input with its files where another machine has them.
func (in Input) Relocate(where func(Blob) string) Input {
	in.Model = slices.Clone(in.Model)
	for i := range in.Model {
		in.Model[i].Path = where(in.Model[i])
	}
	for _, b := range []**Blob{&in.Trace, &in.Text} {
		if *b != nil {
			moved := **b
			moved.Path = where(moved)
			*b = &moved
		}
	}
	return in
}

// Digest hashes the file at path.
func Digest(ctx context.Context, path string) (Blob, error) { return digest(ctx, path) }
