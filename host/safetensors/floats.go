package safetensors

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// ReadFloat32 reads the whole tensor as float32, which holds every F16, BF16
// and F32 value exactly. Any other dtype fails with ErrConvert.
func (t Tensor) ReadFloat32() ([]float32, error) {
	width := 2
	var one func(raw []byte) float32
	switch t.dtype {
	case F16:
		one = func(raw []byte) float32 { return float32(fp16.ToFloat64(binary.LittleEndian.Uint16(raw))) }
	case BF16:
		one = func(raw []byte) float32 { return float32(fp16.BFloatToFloat64(binary.LittleEndian.Uint16(raw))) }
	case F32:
		width = 4
		one = func(raw []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(raw)) }
	default:
		return nil, t.Fail(ErrConvert, "it is %s, want %s", t.dtype, joinDTypes(F16, BF16, F32))
	}
	out := make([]float32, 0, t.elements)
	err := t.eachChunk(0, t.elements, width, func(raw []byte) {
		for ; len(raw) > 0; raw = raw[width:] {
			out = append(out, one(raw))
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Float32 is an F32 entry with the given values.
func Float32(name string, data []float32, shape ...int64) Entry {
	return Entry{name, F32, shape, func(w io.Writer) error {
		buf := make([]byte, 0, chunkBytes)
		for len(data) > 0 {
			n := min(len(data), chunkBytes/4)
			buf = buf[:0]
			for _, f := range data[:n] {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(f))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
			data = data[n:]
		}
		return nil
	}}
}
