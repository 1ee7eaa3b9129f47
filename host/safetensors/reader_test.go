package safetensors

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// official.safetensors was written by the official library: testdata/official.py.
func TestReadsOfficialFile(t *testing.T) {
	f, err := Open("testdata/official.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]string{"made by": "official library", "unicode": "κ <&> \"quoted\""}
	if got := f.Metadata(); !reflect.DeepEqual(got, want) {
		t.Errorf("metadata %q, want %q", got, want)
	}
	half, _, err := mustTensor(t, f, "half").ReadFP16(0, 24)
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range half {
		if want := float64(i-12) / 8; fp16.ToFloat64(h) != want {
			t.Errorf("half[%d] = %g, want %g", i, fp16.ToFloat64(h), want)
		}
	}
	single, stats, err := mustTensor(t, f, "single").ReadFP16(0, 5)
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint16{0x3800, 0xbc00, 0x7bff, 0x7bff, 1}; !reflect.DeepEqual(single, want) || stats != (Converted{Saturated: 1}) {
		t.Errorf("single: %#04x %+v, want %#04x and one saturated", single, stats, want)
	}
	whole, err := mustTensor(t, f, "whole").ReadInt64()
	if want := []int64{-1, 1 << 40, 3, math.MinInt64}; err != nil || !reflect.DeepEqual(whole, want) {
		t.Errorf("whole: %d %v, want %d", whole, err, want)
	}
	raw, err := mustTensor(t, f, "bytes").ReadBytes()
	if err != nil || !bytes.Equal(raw, []byte{0, 1, 2, 3, 4, 5, 6}) {
		t.Errorf("bytes: %v %v", raw, err)
	}
	if s := mustTensor(t, f, "scalar"); len(s.Shape()) != 0 || s.Elements() != 1 {
		t.Errorf("scalar: shape %v, %d elements", s.Shape(), s.Elements())
	}
	if e := mustTensor(t, f, "empty"); !reflect.DeepEqual(e.Shape(), []int64{0, 4}) || e.Elements() != 0 {
		t.Errorf("empty: shape %v, %d elements", e.Shape(), e.Elements())
	}
}

func TestRejects(t *testing.T) {
	a := `"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}`
	for name, c := range map[string]struct {
		file   []byte
		want   error
		tensor string // what the error must name
	}{
		"empty file":           {nil, ErrTruncated, ""},
		"seven bytes":          {make([]byte, 7), ErrTruncated, ""},
		"no header":            {build("", nil), ErrHeader, ""},
		"header beyond file":   {build(`{}`, nil)[:9], ErrTruncated, ""},
		"huge header":          {[]byte("PK\x03\x04\xff\xff\xff\xffzip"), ErrHeader, ""},
		"no JSON":              {build(`{"a"`, nil), ErrHeader, "a"},
		"no object":            {build(`[1,2,3]`, nil), ErrHeader, ""},
		"leading space":        {build(` {}`, nil), ErrHeader, ""},
		"text after":           {build(`{} {}`, nil), ErrHeader, ""},
		"not UTF-8":            {build("{\"\xff\":{}}", nil), ErrHeader, ""},
		"tensor twice":         {build("{"+a+","+a+"}", make([]byte, 4)), ErrDuplicate, "a"},
		"escaped twice":        {build("{"+a+","+strings.Replace(a, `"a"`, `"\u0061"`, 1)+"}", make([]byte, 4)), ErrDuplicate, "a"},
		"metadata twice":       {build(`{"__metadata__":{"x":"1","x":"2"}}`, nil), ErrDuplicate, "__metadata__"},
		"two metadata":         {build(`{"__metadata__":{},"__metadata__":{}}`, nil), ErrDuplicate, "__metadata__"},
		"metadata number":      {build(`{"__metadata__":{"x":1}}`, nil), ErrHeader, "__metadata__"},
		"field twice":          {build(`{"a":{"dtype":"F16","dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, make([]byte, 4)), ErrDuplicate, "a"},
		"unknown field":        {build(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4],"zip":1}}`, make([]byte, 4)), ErrHeader, "a"},
		"no offsets":           {build(`{"a":{"dtype":"F16","shape":[2]}}`, make([]byte, 4)), ErrHeader, "a"},
		"no dtype":             {build(`{"a":{"shape":[2],"data_offsets":[0,4]}}`, make([]byte, 4)), ErrHeader, "a"},
		"tensor a number":      {build(`{"a":5}`, nil), ErrHeader, "a"},
		"unknown dtype":        {build(strings.Replace("{"+a+"}", "F16", "F17", 1), make([]byte, 4)), ErrDType, "a"},
		"dtype a number":       {build(strings.Replace("{"+a+"}", `"F16"`, "16", 1), make([]byte, 4)), ErrHeader, "a"},
		"shape too small":      {build(strings.Replace("{"+a+"}", "[2]", "[1]", 1), make([]byte, 4)), ErrShape, "a"},
		"shape too big":        {build(strings.Replace("{"+a+"}", "[2]", "[3]", 1), make([]byte, 4)), ErrShape, "a"},
		"shape overflows":      {build(strings.Replace("{"+a+"}", "[2]", "[4294967296,4294967296]", 1), make([]byte, 4)), ErrShape, "a"},
		"bytes overflow":       {build(strings.Replace("{"+a+"}", "[2]", "[4611686018427387905,4]", 1), make([]byte, 4)), ErrShape, "a"},
		"negative shape":       {build(strings.Replace("{"+a+"}", "[2]", "[-2]", 1), make([]byte, 4)), ErrHeader, "a"},
		"fractional shape":     {build(strings.Replace("{"+a+"}", "[2]", "[2.0]", 1), make([]byte, 4)), ErrHeader, "a"},
		"sub-byte shape":       {build(`{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}`, make([]byte, 1)), ErrShape, "a"},
		"offsets reversed":     {build(strings.Replace("{"+a+"}", "[0,4]", "[4,0]", 1), make([]byte, 4)), ErrOffsets, "a"},
		"three offsets":        {build(strings.Replace("{"+a+"}", "[0,4]", "[0,4,8]", 1), make([]byte, 4)), ErrOffsets, "a"},
		"gap before":           {build(strings.Replace("{"+a+"}", "[0,4]", "[2,6]", 1), make([]byte, 6)), ErrOffsets, "a"},
		"gap between":          {build("{"+a+`,"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}`, make([]byte, 6)), ErrOffsets, "b"},
		"overlap":              {build("{"+a+`,"b":{"dtype":"U8","shape":[3],"data_offsets":[3,6]}}`, make([]byte, 6)), ErrOffsets, "b"},
		"same bytes":           {build("{"+a+`,"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, make([]byte, 4)), ErrOffsets, "b"},
		"truncated":            {build("{"+a+"}", make([]byte, 3)), ErrTruncated, "a"},
		"trailing":             {build("{"+a+"}", make([]byte, 5)), ErrOversized, ""},
		"trailing, no tensors": {build("{}", make([]byte, 1)), ErrOversized, ""},
	} {
		f, err := openBytes(c.file)
		if f != nil || !errors.Is(err, c.want) || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.File != "test" || e.Tensor != c.tensor || e.Reason == "" {
			t.Errorf("%s: error %+v names the wrong things, want file test, tensor %q", name, e, c.tensor)
		}
	}
}

func TestAcceptsAnyHeaderOrder(t *testing.T) {
	f := mustOpen(t, build(`{"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"z":{"shape":[0],"dtype":"F16","data_offsets":[4,4]},"a":{"data_offsets":[0,4],"dtype":"F16","shape":[2]}}   `, []byte{0, 0x3c, 0, 0xbc, 9}))
	var names []string
	for _, x := range f.Tensors() {
		names = append(names, x.Name())
	}
	if want := []string{"a", "z", "b"}; !reflect.DeepEqual(names, want) {
		t.Errorf("order %q, want %q", names, want)
	}
	if b, err := mustTensor(t, f, "b").ReadBytes(); err != nil || b[0] != 9 {
		t.Errorf("b: %v %v", b, err)
	}
	if _, err := f.Tensor("c"); !errors.Is(err, ErrNotFound) || errors.Is(err, ErrFormat) {
		t.Errorf("absent tensor: %v", err)
	}
}

func TestConversions(t *testing.T) {
	f := mustOpen(t, build(`{"bf":{"dtype":"BF16","shape":[5],"data_offsets":[0,10]},"d":{"dtype":"F64","shape":[1],"data_offsets":[10,18]}}`,
		[]byte{0x80, 0x3f, 0x80, 0xff, 0xc0, 0x7f, 0x80, 0xc7, 0x7f, 0x47, 0, 0, 0, 0, 0, 0, 0, 0}))
	bf := mustTensor(t, f, "bf")
	// 1, -inf, NaN, -65536 and 65280
	got, stats, err := bf.ReadFP16(0, 5)
	if want := []uint16{0x3c00, 0xfc00, 0x7e00, 0xfbff, 0x7bf8}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("BF16: %#04x %v, want %#04x", got, err, want)
	}
	if want := (Converted{Saturated: 1, NonFinite: 2}); stats != want {
		t.Errorf("counted %+v, want %+v", stats, want)
	}
	if got, _, err := bf.ReadFP16(3, 1); err != nil || !reflect.DeepEqual(got, []uint16{0xfbff}) {
		t.Errorf("part: %#04x %v", got, err)
	}
	for _, c := range [][2]int64{{-1, 1}, {0, 6}, {5, 1}, {0, -1}, {math.MaxInt64, 1}} {
		if _, _, err := bf.ReadFP16(c[0], c[1]); !errors.Is(err, ErrShape) {
			t.Errorf("range %v: %v", c, err)
		}
	}
	d := mustTensor(t, f, "d")
	if _, _, err := d.ReadFP16(0, 1); !errors.Is(err, ErrConvert) {
		t.Errorf("F64 as fp16: %v", err)
	}
	if _, err := d.ReadInt64(); !errors.Is(err, ErrConvert) {
		t.Errorf("F64 as I64: %v", err)
	}
	if _, err := d.ReadBytes(); !errors.Is(err, ErrConvert) {
		t.Errorf("F64 as U8: %v", err)
	}
}

// A file that shrinks after it was opened is an error, not short data.
func TestShrinkingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := WriteFile(t.Context(), path, nil, []Entry{FP16("a", make([]uint16, 100), 100)}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 200); err != nil {
		t.Fatal(err)
	}
	if _, _, err := mustTensor(t, f, "a").ReadFP16(0, 100); !errors.Is(err, ErrTruncated) {
		t.Errorf("got %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrHeader) {
		t.Errorf("directory: %v", err)
	}
}

// Reading a part must not read the rest.
func TestReadsOnlyWhatIsAsked(t *testing.T) {
	data := build(`{"a":{"dtype":"F16","shape":[1000000],"data_offsets":[0,2000000]}}`, make([]byte, 2000000))
	r := &countingReader{ReaderAt: bytes.NewReader(data)}
	f, err := New("test", r, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := mustTensor(t, f, "a").ReadFP16(500000, 10); err != nil {
		t.Fatal(err)
	}
	if r.n > 200 {
		t.Errorf("%d bytes were read for a header and 10 elements", r.n)
	}
}

type countingReader struct {
	io.ReaderAt
	n int
}

func (c *countingReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.n += n
	return n, err
}
