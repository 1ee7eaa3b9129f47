package npy

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// Float32s gives the elements of an array of floats; those of float64 are
// rounded once.
func (a Array) Float32s() ([]float32, error) {
	if a.Kind != 'f' {
		return nil, bad("its elements are whole numbers, want floats")
	}
	out := make([]float32, a.Elements())
	for i := range out {
		b := a.Data[i*a.Width:][:a.Width]
		switch a.Width {
		case 2:
			out[i] = float32(fp16.ToFloat64(binary.LittleEndian.Uint16(b)))
		case 4:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		case 8:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		default:
			return nil, bad("floats of %d bytes, want 2, 4 or 8", a.Width)
		}
	}
	return out, nil
}

// EachZipped reads the arrays of an .npz archive of size bytes, one after the
// other, under their names without .npy. limit bounds the data of all of them.
func EachZipped(r io.ReaderAt, size, limit int64, do func(name string, a Array) error) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return bad("no .npz archive: %v", err)
	}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return bad("the archive has %q, want .npy files alone", f.Name)
		}
		a, err := readZipped(f, limit)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		limit -= int64(len(a.Data))
		if err := do(name, a); err != nil {
			return err
		}
	}
	return nil
}

func readZipped(f *zip.File, limit int64) (Array, error) {
	r, err := f.Open()
	if err != nil {
		return Array{}, bad("%v", err)
	}
	defer r.Close()
	a, err := Read(r, limit)
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		return a, bad("%v", err)
	}
	return a, err
}
