package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxHeaderBytes is the longest header read or written, as in the official
// library.
const MaxHeaderBytes = 100_000_000

// metadataKey is the header's one key that is no tensor.
const metadataKey = "__metadata__"

// header is a parsed header: tensors in the order of their data.
type header struct {
	metadata map[string]string
	tensors  []Tensor
}

// parseHeader reads the JSON of a header. dataBytes is the size of what
// follows it in the file.
func parseHeader(file string, text []byte, dataBytes int64) (header, error) {
	p := headerParser{file: file, dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	if len(text) == 0 || text[0] != '{' {
		return header{}, p.fail(ErrHeader, "", "it does not start with {")
	}
	if !utf8.Valid(text) {
		return header{}, p.fail(ErrHeader, "", "it is not UTF-8")
	}
	h := header{metadata: map[string]string{}}
	seen := map[string]bool{}
	err := p.object("", "tensor", func(key string) error {
		if seen[key] {
			return p.fail(ErrDuplicate, key, "the name occurs twice")
		}
		seen[key] = true
		if key == metadataKey {
			return p.metadata(h.metadata)
		}
		t, err := p.tensor(key)
		h.tensors = append(h.tensors, t)
		return err
	})
	if err != nil {
		return header{}, err
	}
	if rest := text[p.dec.InputOffset():]; len(bytes.Trim(rest, " \t\r\n")) != 0 {
		return header{}, p.fail(ErrHeader, "", "there is text after the JSON object, only spaces may follow")
	}
	return h, h.place(file, dataBytes)
}

type headerParser struct {
	file string
	dec  *json.Decoder
}

func (p *headerParser) fail(err error, tensor, format string, args ...any) error {
	return &Error{File: p.file, Tensor: tensor, Reason: fmt.Sprintf(format, args...), Err: err}
}

// token reads one JSON token; the end of the text is an error here.
func (p *headerParser) token(tensor string) (json.Token, error) {
	t, err := p.dec.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, p.fail(ErrHeader, tensor, "its JSON ends too early")
	}
	if err != nil {
		return nil, p.fail(ErrHeader, tensor, "JSON: %v", err)
	}
	return t, nil
}

// object reads an object whose keys are what, calling each once per key with
// the decoder in front of the value.
func (p *headerParser) object(tensor, what string, each func(key string) error) error {
	t, err := p.token(tensor)
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return p.fail(ErrHeader, tensor, "found %v where an object is expected", t)
	}
	for {
		t, err := p.token(tensor)
		if err != nil {
			return err
		}
		if t == json.Delim('}') {
			return nil
		}
		key, ok := t.(string)
		if !ok {
			return p.fail(ErrHeader, tensor, "found %v where a %s name is expected", t, what)
		}
		if err := each(key); err != nil {
			return err
		}
	}
}

func (p *headerParser) metadata(m map[string]string) error {
	return p.object(metadataKey, "metadata", func(key string) error {
		if _, dup := m[key]; dup {
			return p.fail(ErrDuplicate, metadataKey, "the key %q occurs twice", key)
		}
		s, err := p.str(metadataKey, key)
		m[key] = s
		return err
	})
}

func (p *headerParser) tensor(name string) (Tensor, error) {
	t := Tensor{name: name}
	var offsets []int64
	seen := map[string]bool{}
	err := p.object(name, "field", func(key string) error {
		if seen[key] {
			return p.fail(ErrDuplicate, name, "%s occurs twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "dtype":
			var s string
			s, err = p.str(name, key)
			t.dtype = DType(s)
		case "shape":
			t.shape, err = p.ints(name, key)
		case "data_offsets":
			offsets, err = p.ints(name, key)
		default:
			err = p.fail(ErrHeader, name, "it has a field %q; the fields are dtype, shape and data_offsets", key)
		}
		return err
	})
	if err != nil {
		return t, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[key] {
			return t, p.fail(ErrHeader, name, "%s is missing", key)
		}
	}
	return t, p.check(&t, offsets)
}

// check holds one tensor's dtype, shape and offsets against each other.
func (p *headerParser) check(t *Tensor, offsets []int64) error {
	width := t.dtype.Bits()
	if width == 0 {
		return p.fail(ErrDType, t.name, "%q", string(t.dtype))
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return p.fail(ErrOffsets, t.name, "data_offsets %v, want [begin, end] with begin <= end", offsets)
	}
	n := uint64(1)
	for _, d := range t.shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return p.fail(ErrShape, t.name, "shape %v has more than 2^63 elements", t.shape)
		}
		n = lo
	}
	hi, total := bits.Mul64(n, uint64(width))
	if hi != 0 || total%8 != 0 || total/8 != uint64(offsets[1]-offsets[0]) {
		return p.fail(ErrShape, t.name, "shape %v of %s does not take the %d bytes of data_offsets %v",
			t.shape, t.dtype, offsets[1]-offsets[0], offsets)
	}
	t.elements, t.offset, t.bytes = int64(n), offsets[0], offsets[1]-offsets[0]
	return nil
}

func (p *headerParser) str(tensor, key string) (string, error) {
	t, err := p.token(tensor)
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", p.fail(ErrHeader, tensor, "%s is %v, want a string", key, t)
	}
	return s, nil
}

// ints reads an array of non-negative whole numbers.
func (p *headerParser) ints(tensor, key string) ([]int64, error) {
	t, err := p.token(tensor)
	if err != nil {
		return nil, err
	}
	if t != json.Delim('[') {
		return nil, p.fail(ErrHeader, tensor, "%s is %v, want an array", key, t)
	}
	list := []int64{}
	for {
		t, err := p.token(tensor)
		if err != nil {
			return nil, err
		}
		if t == json.Delim(']') {
			return list, nil
		}
		num, _ := t.(json.Number)
		v, err := strconv.ParseUint(string(num), 10, 63)
		if err != nil {
			return nil, p.fail(ErrHeader, tensor, "%s holds %v, want whole numbers from 0 to 2^63-1", key, t)
		}
		list = append(list, int64(v))
	}
}

// place sorts the tensors by their data and checks that they tile dataBytes.
func (h *header) place(file string, dataBytes int64) error {
	slices.SortStableFunc(h.tensors, func(a, b Tensor) int {
		// An empty tensor goes before the one that starts where it is.
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.bytes, b.bytes))
	})
	end := int64(0)
	for i, t := range h.tensors {
		switch {
		case t.offset < end:
			return &Error{file, t.name, fmt.Sprintf("data_offsets [%d, %d] overlap tensor %q, which ends at %d",
				t.offset, t.offset+t.bytes, h.tensors[i-1].name, end), ErrOffsets}
		case t.offset > end:
			return &Error{file, t.name, fmt.Sprintf("data_offsets [%d, %d] leave a gap after byte %d",
				t.offset, t.offset+t.bytes, end), ErrOffsets}
		}
		end = t.offset + t.bytes
		if end > dataBytes {
			return &Error{file, t.name, fmt.Sprintf("it ends at data byte %d, the file has %d", end, dataBytes), ErrTruncated}
		}
	}
	if end < dataBytes {
		return &Error{file, "", fmt.Sprintf("%d bytes follow the last tensor", dataBytes-end), ErrOversized}
	}
	return nil
}
