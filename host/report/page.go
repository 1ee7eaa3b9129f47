package report

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"

	"github.com/kvaccel/kvaccel/host/aside"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"number":  number,
	"percent": func(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) },
	"deref":   func(f *float64) float64 { return *f },
}).Parse(pageText))

// Measured and Nats are for the page's template.
func (r *Report) Measured() Source { return Measured }

// Nats names the loss of a model.
func (r *Report) Nats() string { return (&Input{Model: true}).Measure() }

// HTML gives the page; it refers to nothing outside itself.
func (r *Report) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteFile writes the page to path, whole or not at all.
func (r *Report) WriteFile(ctx context.Context, path string) error {
	b, err := r.HTML()
	if err != nil {
		return fmt.Errorf("%s: not written: %w", path, err)
	}
	return put(ctx, path, b)
}

func put(ctx context.Context, path string, b []byte) error {
	return aside.WriteFile(ctx, path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Pictures lists the figures of all sweeps.
func (r *Report) Pictures() (out []Figure) {
	for _, s := range r.Sections {
		for _, in := range s.Inputs {
			out = append(out, in.Figures...)
		}
	}
	return out
}

// WriteDir writes the page as index.html into dir, which it makes if need be,
// and beside it every figure as PNG and SVG, and the ranges of reading as Markdown.
func (r *Report) WriteDir(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for _, f := range r.Pictures() {
		for _, kind := range []string{"svg", "png"} {
			b, err := f.render(kind)
			if err != nil {
				return fmt.Errorf("%s.%s: %w", f.Name, kind, err)
			}
			if err := put(ctx, filepath.Join(dir, f.Name+"."+kind), b); err != nil {
				return err
			}
		}
	}
	for _, s := range r.Sections {
		for _, in := range s.Inputs {
			text := in.readingTable()
			if text == "" {
				continue
			}
			if err := put(ctx, filepath.Join(dir, slug(in.Name)+"-reading.md"), []byte(text)); err != nil {
				return err
			}
		}
	}
	return r.WriteFile(ctx, filepath.Join(dir, "index.html"))
}
