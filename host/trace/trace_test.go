package trace

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

func TestSample(t *testing.T) {
	tr, err := Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if tr.Model != "golm" || tr.Layers != 4 || tr.Hq != 4 || tr.Hkv != 2 || tr.T != 512 || tr.D != 64 || tr.Scale != 0.125 {
		t.Errorf("%+v", tr)
	}
	l, c, err := tr.Layer(3, true)
	if err != nil || c != (safetensors.Converted{}) || len(l.K) != 2 || len(l.V) != 2 || len(l.Q) != 4 {
		t.Fatalf("%v %+v", err, c)
	}
	for _, h := range append(append(l.K, l.V...), l.Q...) {
		if len(h) != 512*64 {
			t.Fatalf("a head has %d elements", len(h))
		}
	}
	// Head 1 of K is the second half of the tensor.
	x, _ := tr.file.Tensor("layers.3.k")
	raw, _, err := x.ReadFP16(512*64, 512*64)
	if err != nil || !reflect.DeepEqual(raw, l.K[1]) {
		t.Errorf("head 1 is not where it should be (%v)", err)
	}
}

func half(name string, shape ...int64) safetensors.Entry {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	data := make([]uint16, n)
	for i := range data {
		data[i] = uint16(i)
	}
	return safetensors.FP16(name, data, shape...)
}

func open(t *testing.T, meta map[string]string, entries ...safetensors.Entry) (*Trace, error) {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, meta, entries); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.New("trace.safetensors", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return New(f)
}

func TestShapes(t *testing.T) {
	k, v := half("layers.0.k", 2, 5, 16), half("layers.0.v", 1, 2, 5, 16)
	for name, c := range map[string]struct {
		entries []safetensors.Entry
		meta    map[string]string
		want    error
		tensor  string
	}{
		"k and v":            {[]safetensors.Entry{k, v}, nil, nil, ""},
		"all":                {[]safetensors.Entry{k, v, half("layers.0.q", 4, 5, 16), half("layers.0.attn", 1, 4, 2, 5)}, nil, nil, ""},
		"others are ignored": {[]safetensors.Entry{k, v, half("tokens", 3), half("layers.01.k", 3), half("layers.0.mlp", 3), half("layers.-1.k", 3)}, nil, nil, ""},
		"no layers":          {[]safetensors.Entry{half("tokens", 3)}, nil, ErrMissing, ""},
		"no v":               {[]safetensors.Entry{k}, nil, ErrMissing, "layers.0.v"},
		"no k":               {[]safetensors.Entry{v}, nil, ErrMissing, "layers.0.k"},
		"gap in layers":      {[]safetensors.Entry{k, v, half("layers.2000000000.k", 2, 5, 16)}, nil, ErrMissing, "layers.1.k"},
		"only attn":          {[]safetensors.Entry{half("layers.0.attn", 4, 2, 5)}, nil, ErrMissing, "layers.0.k"},
		"batch of 2":         {[]safetensors.Entry{half("layers.0.k", 2, 2, 5, 16), v}, nil, ErrShape, "layers.0.k"},
		"two dims":           {[]safetensors.Entry{half("layers.0.k", 5, 16), v}, nil, ErrShape, "layers.0.k"},
		"empty":              {[]safetensors.Entry{half("layers.0.k", 2, 0, 16), v}, nil, ErrShape, "layers.0.k"},
		"other T":            {[]safetensors.Entry{k, half("layers.0.v", 2, 6, 16)}, nil, ErrShape, "layers.0.v"},
		"other D":            {[]safetensors.Entry{k, half("layers.0.v", 2, 5, 32)}, nil, ErrShape, "layers.0.v"},
		"other heads":        {[]safetensors.Entry{k, v, half("layers.1.k", 1, 5, 16), half("layers.1.v", 1, 5, 16)}, nil, ErrShape, "layers.1.k"},
		"q of other T":       {[]safetensors.Entry{k, v, half("layers.0.q", 4, 6, 16)}, nil, ErrShape, "layers.0.q"},
		"three q heads":      {[]safetensors.Entry{k, v, half("layers.0.q", 3, 5, 16)}, nil, ErrShape, "layers.0.k"},
		"attn too tall":      {[]safetensors.Entry{k, v, half("layers.0.attn", 4, 6, 5)}, nil, ErrShape, "layers.0.attn"},
		"attn too narrow":    {[]safetensors.Entry{k, v, half("layers.0.attn", 4, 2, 4)}, nil, ErrShape, "layers.0.attn"},
		"attn of other Hq":   {[]safetensors.Entry{k, v, half("layers.0.q", 4, 5, 16), half("layers.0.attn", 2, 2, 5)}, nil, ErrShape, "layers.0.attn"},
		"k of I64":           {[]safetensors.Entry{safetensors.Int64("layers.0.k", make([]int64, 160)), v}, nil, safetensors.ErrConvert, "layers.0.k"},
		"scale no number":    {[]safetensors.Entry{k, v}, map[string]string{"attention_scale": "big"}, ErrMetadata, ""},
		"scale zero":         {[]safetensors.Entry{k, v}, map[string]string{"attention_scale": "0"}, ErrMetadata, ""},
		"scale NaN":          {[]safetensors.Entry{k, v}, map[string]string{"attention_scale": "NaN"}, ErrMetadata, ""},
	} {
		_, err := open(t, c.meta, c.entries...)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
			continue
		}
		if err != nil && (!strings.Contains(err.Error(), "trace.safetensors") || !strings.Contains(err.Error(), c.tensor)) {
			t.Errorf("%s: %v does not name the file and %q", name, err, c.tensor)
		}
	}
}

func TestScaleDefault(t *testing.T) {
	tr, err := open(t, nil, half("layers.0.k", 1, 2, 64), half("layers.0.v", 1, 2, 64))
	if err != nil || tr.Scale != 0.125 || tr.Hq != 0 || tr.HasQ(0) {
		t.Fatalf("%+v %v", tr, err)
	}
	if l, _, err := tr.Layer(0, true); err != nil || l.Q != nil {
		t.Errorf("Q from nowhere: %v %v", l.Q, err)
	}
	if err := tr.MissingQ(0, "scores"); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "layers.0.q") {
		t.Error(err)
	}
}

func TestAttn(t *testing.T) {
	tr, err := open(t, nil, half("layers.0.k", 1, 5, 16), half("layers.0.v", 1, 5, 16), half("layers.0.attn", 2, 3, 5))
	if err != nil || tr.Hq != 2 || tr.AttnRows(0) != 3 {
		t.Fatalf("%+v %v", tr, err)
	}
	got, _, err := tr.Attn(0, 1, 3, 2) // head 1, positions 3 and 4: the last two of its three rows
	if want := []uint16{20, 21, 22, 23, 24, 25, 26, 27, 28, 29}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d %v, want %d", got, err, want)
	}
	for _, c := range [][3]int{{0, 1, 1}, {0, 3, 3}, {2, 3, 1}, {-1, 3, 1}} {
		if _, _, err := tr.Attn(0, c[0], c[1], c[2]); !errors.Is(err, ErrShape) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestCountsConversions(t *testing.T) {
	words := []float32{1, float32(math.Inf(1)), 1e9, float32(math.NaN())}
	f32 := func(name string) safetensors.Entry {
		return safetensors.Entry{Name: name, DType: safetensors.F32, Shape: []int64{1, 1, 4}, Write: func(w io.Writer) error {
			for _, f := range words {
				b := math.Float32bits(f)
				if _, err := w.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)}); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	tr, err := open(t, nil, f32("layers.0.k"), half("layers.0.v", 1, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	l, c, err := tr.Layer(0, false)
	if err != nil || c != (safetensors.Converted{Saturated: 1, NonFinite: 2}) {
		t.Fatalf("%+v %v", c, err)
	}
	if k := l.K[0]; k[0] != 0x3c00 || k[1] != 0x7c00 || k[2] != 0x7bff || !math.IsNaN(fp16.ToFloat64(k[3])) {
		t.Errorf("%#04x", k)
	}
}
