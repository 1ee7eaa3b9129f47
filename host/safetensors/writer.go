package safetensors

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/kvaccel/kvaccel/host/aside"
)

// ErrWrite says that what was to be written is no safetensors file.
var ErrWrite = errors.New("cannot be written as safetensors")

// Entry is a tensor to be written.
type Entry struct {
	Name  string
	DType DType
	Shape []int64
	// Write writes the tensor's bytes, little-endian and in row-major order.
	Write func(w io.Writer) error
}

// FP16 is an F16 entry with the given binary16 bits.
func FP16(name string, data []uint16, shape ...int64) Entry {
	return Entry{name, F16, shape, func(w io.Writer) error { return writeWords(w, data) }}
}

// BFloat16 is a BF16 entry with the given bits.
func BFloat16(name string, data []uint16, shape ...int64) Entry {
	return Entry{name, BF16, shape, func(w io.Writer) error { return writeWords(w, data) }}
}

// Int64 is an I64 entry of one dimension.
func Int64(name string, data []int64) Entry {
	return Entry{name, I64, []int64{int64(len(data))}, func(w io.Writer) error { return writeWords(w, data) }}
}

// Bytes is a U8 entry of one dimension.
func Bytes(name string, data []byte) Entry {
	return Entry{name, U8, []int64{int64(len(data))}, func(w io.Writer) error { _, err := w.Write(data); return err }}
}

// writeWords writes integers little-endian, a chunk at a time.
func writeWords[T uint16 | int64](w io.Writer, data []T) error {
	for len(data) > 0 {
		n := min(len(data), chunkBytes/8)
		if err := binary.Write(w, binary.LittleEndian, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// WriteFile writes a safetensors file at path, whole or not at all: see
// [aside.WriteFile]. The bytes depend on metadata and entries alone: tensors
// are laid out by falling element size, then by name, whatever their order in
// entries.
func WriteFile(ctx context.Context, path string, metadata map[string]string, entries []Entry) error {
	return aside.WriteFile(ctx, path, func(w io.Writer) error { return Write(w, metadata, entries) })
}

// Write writes a safetensors file to w.
func Write(w io.Writer, metadata map[string]string, entries []Entry) error {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.DType.Bits(), a.DType.Bits()), cmp.Compare(a.Name, b.Name))
	})
	head, sizes, err := encodeHeader(metadata, entries)
	if err != nil {
		return err
	}
	var prefix [8]byte
	binary.LittleEndian.PutUint64(prefix[:], uint64(len(head)))
	if _, err := w.Write(prefix[:]); err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for i, e := range entries {
		count := &countingWriter{w: w}
		if err := e.Write(count); err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		if count.n != sizes[i] {
			return fmt.Errorf("%w: tensor %q of %s %v takes %d bytes, %d were given", ErrWrite, e.Name, e.DType, e.Shape, sizes[i], count.n)
		}
	}
	return nil
}

// encodeHeader gives the header, padded with spaces to a multiple of 8 bytes,
// and the bytes of each tensor.
func encodeHeader(metadata map[string]string, entries []Entry) ([]byte, []int64, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, nil, fmt.Errorf("%w: metadata %q is not UTF-8", ErrWrite, k)
			}
		}
		putJSON(&b, metadataKey)
		b.WriteByte(':')
		putJSON(&b, metadata) // in the order of the keys
	}
	sizes := make([]int64, len(entries))
	seen := map[string]bool{metadataKey: true}
	at := int64(0)
	for i, e := range entries {
		if seen[e.Name] || !utf8.ValidString(e.Name) {
			return nil, nil, fmt.Errorf("%w: the name %q is taken, reserved or not UTF-8", ErrWrite, e.Name)
		}
		seen[e.Name] = true
		n, err := e.size()
		if err != nil {
			return nil, nil, err
		}
		sizes[i] = n
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		putJSON(&b, e.Name)
		b.WriteByte(':')
		putJSON(&b, struct {
			DType   DType    `json:"dtype"`
			Shape   []int64  `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{e.DType, append([]int64{}, e.Shape...), [2]int64{at, at + n}})
		at += n
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > MaxHeaderBytes {
		return nil, nil, fmt.Errorf("%w: the header would take %d bytes, at most %d are accepted", ErrWrite, b.Len(), MaxHeaderBytes)
	}
	return b.Bytes(), sizes, nil
}

// size is the number of bytes an entry declares.
func (e Entry) size() (int64, error) {
	width := int64(e.DType.Bits())
	if width == 0 || width%8 != 0 {
		return 0, fmt.Errorf("%w: tensor %q has dtype %q", ErrWrite, e.Name, string(e.DType))
	}
	n := width / 8
	for _, d := range e.Shape {
		if d < 0 || d != 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("%w: tensor %q has shape %v", ErrWrite, e.Name, e.Shape)
		}
		n *= d
	}
	return n, nil
}

// putJSON appends v as JSON. Strings and numbers cannot fail to encode.
func putJSON(b *bytes.Buffer, v any) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	b.Truncate(b.Len() - 1) // the encoder ends with a newline
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
