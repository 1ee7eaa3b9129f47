// Package npy reads NumPy's array files: .npy, and .npz, which is a zip archive
// of them. Arrays of Python objects are refused: to read them is to unpickle,
// and that can run code. The format is described in the NumPy documentation,
// numpy.lib.format.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// ErrFormat says that a file is no .npy file that can be read.
var ErrFormat = errors.New("not a usable .npy file")

// Array is one array as it lies in the file: row by row, little-endian.
type Array struct {
	Kind  byte // 'f' float, 'i' signed, 'u' unsigned, 'b' boolean
	Width int  // bytes of an element
	Shape []int64
	Data  []byte
}

// Elements is the product of the shape.
func (a Array) Elements() int { return len(a.Data) / a.Width }

const maxHeader = 1 << 20

// Read reads an array. limit is the most bytes of data that are accepted.
func Read(r io.Reader, limit int64) (Array, error) {
	text, err := header(r)
	if err != nil {
		return Array{}, err
	}
	a, n, err := parse(text)
	if err != nil {
		return Array{}, err
	}
	if n > limit {
		return Array{}, bad("shape %v of %d bytes each takes %d bytes, there are at most %d", a.Shape, a.Width, n, limit)
	}
	var data bytes.Buffer
	got, err := io.Copy(&data, io.LimitReader(r, n+1))
	if err != nil {
		return Array{}, err
	}
	if got != n {
		return Array{}, bad("shape %v of %d bytes each takes %d bytes, the file has %s", a.Shape, a.Width, n, atLeast(got, n))
	}
	a.Data = data.Bytes()
	return a, nil
}

func atLeast(got, want int64) string {
	if got > want {
		return "more"
	}
	return strconv.FormatInt(got, 10)
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// header reads the dictionary in front of the data.
func header(r io.Reader) (string, error) {
	var fixed [8]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return "", bad("it ends within its first 8 bytes")
	}
	if string(fixed[:6]) != "\x93NUMPY" {
		return "", bad("it does not start as one")
	}
	var size uint32
	switch fixed[6] {
	case 1:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", bad("it ends within its header")
		}
		size = uint32(binary.LittleEndian.Uint16(b[:]))
	case 2, 3:
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", bad("it ends within its header")
		}
		size = binary.LittleEndian.Uint32(b[:])
	default:
		return "", bad("version %d.%d, want 1 to 3", fixed[6], fixed[7])
	}
	if size > maxHeader {
		return "", bad("a header of %d bytes, at most %d are accepted", size, maxHeader)
	}
	var text bytes.Buffer // grows with what is there, not with what is claimed
	if n, err := io.Copy(&text, io.LimitReader(r, int64(size))); err != nil || n < int64(size) {
		return "", bad("it ends within its header of %d bytes", size)
	}
	return text.String(), nil
}

var (
	descr   = regexp.MustCompile(`'descr'\s*:\s*'([^']*)'`)
	fortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	shape   = regexp.MustCompile(`'shape'\s*:\s*\(([^)]*)\)`)
)

// parse reads the dictionary; n is the number of data bytes.
func parse(text string) (a Array, n int64, err error) {
	d, f, s := descr.FindStringSubmatch(text), fortran.FindStringSubmatch(text), shape.FindStringSubmatch(text)
	if d == nil || f == nil || s == nil {
		return a, 0, bad("its header lacks a plain descr, fortran_order or shape: %.80q", text)
	}
	if f[1] == "True" {
		return a, 0, bad("fortran_order is True, want False: save numpy.ascontiguousarray of it")
	}
	t := d[1]
	if len(t) != 3 || !strings.ContainsRune("<|", rune(t[0])) || !strings.ContainsRune("fiub", rune(t[1])) || !strings.ContainsRune("1248", rune(t[2])) {
		return a, 0, bad("descr is %q, want little-endian numbers such as <f2, <f4, <i8 or |u1", t)
	}
	a.Kind, a.Width = t[1], int(t[2]-'0')
	total := uint64(a.Width)
	for _, part := range strings.Split(s[1], ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		v, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return a, 0, bad("shape (%s), want numbers below 2^31", s[1])
		}
		a.Shape = append(a.Shape, int64(v))
		hi, lo := bits.Mul64(total, v)
		if hi != 0 || lo > math.MaxInt64 {
			return a, 0, bad("shape (%s) is too large", s[1])
		}
		total = lo
	}
	return a, int64(total), nil
}

// Ints gives the elements of an array of whole numbers.
func (a Array) Ints() ([]int64, error) {
	if a.Kind == 'f' {
		return nil, bad("its elements are floats, want whole numbers")
	}
	out := make([]int64, a.Elements())
	for i := range out {
		b := a.Data[i*a.Width:][:a.Width]
		var u uint64
		for j, x := range b {
			u |= uint64(x) << (8 * j)
		}
		shift := 64 - 8*a.Width
		switch {
		case a.Kind == 'i':
			out[i] = int64(u<<shift) >> shift
		case u > math.MaxInt64:
			return nil, bad("element %d is %d, beyond 2^63", i, u)
		default:
			out[i] = int64(u)
		}
	}
	return out, nil
}
