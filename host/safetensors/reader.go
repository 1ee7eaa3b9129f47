package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// File is an open safetensors file. Its methods may be called from several
// goroutines.
type File struct {
	name     string
	r        io.ReaderAt
	close    func() error
	header   header
	byName   map[string]int
	dataFrom int64
}

// Open opens and checks the file at path. It fails with an *[Error], or with
// the operating system's error if the file cannot be read.
func Open(path string) (*File, error) {
	osf, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := osf.Stat()
	if err == nil && st.IsDir() {
		err = &Error{path, "", "it is a directory", ErrHeader}
	}
	if err != nil {
		osf.Close()
		return nil, err
	}
	f, err := New(path, osf, st.Size())
	if err != nil {
		osf.Close()
		return nil, err
	}
	f.close = osf.Close
	return f, nil
}

// New checks a file of size bytes read through r. The name is for errors.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, &Error{name, "", fmt.Sprintf("it has %d bytes, the header length alone takes 8", size), ErrTruncated}
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	switch {
	case n > MaxHeaderBytes:
		return nil, &Error{name, "", fmt.Sprintf("its first 8 bytes ask for a header of %d bytes, at most %d are accepted: is it a safetensors file?", n, MaxHeaderBytes), ErrHeader}
	case int64(n) > size-8:
		return nil, &Error{name, "", fmt.Sprintf("the header takes %d bytes, only %d follow its length", n, size-8), ErrTruncated}
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	h, err := parseHeader(name, text, size-8-int64(n))
	if err != nil {
		return nil, err
	}
	f := &File{name: name, r: r, header: h, byName: map[string]int{}, dataFrom: 8 + int64(n)}
	for i := range h.tensors {
		h.tensors[i].file = f
		f.byName[h.tensors[i].name] = i
	}
	return f, nil
}

// Close closes a file that was opened with Open.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// Name is the path or name the file was opened with.
func (f *File) Name() string { return f.name }

// Metadata is a copy of the header's free key-value pairs.
func (f *File) Metadata() map[string]string { return maps.Clone(f.header.metadata) }

// Tensors lists the tensors in the order of their data.
func (f *File) Tensors() []Tensor { return slices.Clone(f.header.tensors) }

// Has reports whether the file has a tensor of that name.
func (f *File) Has(name string) bool { _, ok := f.byName[name]; return ok }

// Tensor finds a tensor by name; it fails with ErrNotFound.
func (f *File) Tensor(name string) (Tensor, error) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, &Error{f.name, name, "the file has no tensor of this name", ErrNotFound}
	}
	return f.header.tensors[i], nil
}

// Tensor is one tensor of an open file. Nothing of it is read until asked for.
type Tensor struct {
	file          *File
	name          string
	dtype         DType
	shape         []int64
	elements      int64
	offset, bytes int64
}

// Name is the tensor's name.
func (t Tensor) Name() string { return t.name }

// DType is the type of the elements.
func (t Tensor) DType() DType { return t.dtype }

// Shape is the size of each dimension, the slowest first; empty for a scalar.
func (t Tensor) Shape() []int64 { return slices.Clone(t.shape) }

// Elements is the product of the shape.
func (t Tensor) Elements() int64 { return t.elements }

// Bytes is the size of the data.
func (t Tensor) Bytes() int64 { return t.bytes }

// Reader reads the tensor's raw bytes.
func (t Tensor) Reader() *io.SectionReader {
	return io.NewSectionReader(t.file.r, t.file.dataFrom+t.offset, t.bytes)
}

// Fail makes an error about this tensor for a caller that found the fault.
func (t Tensor) Fail(err error, format string, args ...any) error {
	return &Error{t.file.name, t.name, fmt.Sprintf(format, args...), err}
}
