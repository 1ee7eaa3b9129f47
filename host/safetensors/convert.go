package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/kvaccel/kvaccel/internal/fp16"
)

// chunkBytes bounds the raw bytes held while a tensor is converted.
const chunkBytes = 1 << 16

// eachChunk reads count elements of width bytes from element first on, a chunk
// at a time.
func (t Tensor) eachChunk(first, count int64, width int, do func(raw []byte)) error {
	if first < 0 || count < 0 || first > t.elements-count {
		return t.Fail(ErrShape, "elements %d to %d asked for, it has %d", first, first+count, t.elements)
	}
	r := t.Reader()
	at, end := first*int64(width), (first+count)*int64(width)
	buf := make([]byte, min(chunkBytes, end-at))
	for at < end {
		raw := buf[:min(int64(len(buf)), end-at)]
		if n, err := r.ReadAt(raw, at); n < len(raw) {
			if err == io.EOF {
				return t.Fail(ErrTruncated, "the file ended at byte %d of the tensor: it changed while it was read", at+int64(n))
			}
			return fmt.Errorf("%s: tensor %q: %w", t.file.name, t.name, err)
		}
		do(raw)
		at += int64(len(raw))
	}
	return nil
}

// Converted counts what a conversion to 16 bits met.
type Converted struct {
	Saturated int64 // finite values beyond the range, taken as the largest finite
	NonFinite int64 // NaN and infinities, passed on as they are
}

// Add adds the counts of o.
func (c *Converted) Add(o Converted) {
	c.Saturated += o.Saturated
	c.NonFinite += o.NonFinite
}

// ReadFP16 reads count elements from element first on as binary16 bits. F16
// comes as it stands; BF16 and F32 are rounded once, half to even. Any other
// dtype fails with ErrConvert.
func (t Tensor) ReadFP16(first, count int64) ([]uint16, Converted, error) {
	var (
		width int
		one   func(raw []byte) uint16
		stats Converted
	)
	switch t.dtype {
	case F16:
		width, one = 2, func(raw []byte) uint16 {
			h := binary.LittleEndian.Uint16(raw)
			if h&0x7c00 == 0x7c00 {
				stats.NonFinite++
			}
			return h
		}
	case BF16:
		width, one = 2, func(raw []byte) uint16 {
			return toHalf(fp16.BFloatToFloat64(binary.LittleEndian.Uint16(raw)), &stats)
		}
	case F32:
		width, one = 4, func(raw []byte) uint16 {
			return toHalf(float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), &stats)
		}
	default:
		return nil, stats, t.Fail(ErrConvert, "it is %s, want %s", t.dtype, joinDTypes(F16, BF16, F32))
	}
	out, err := t.readWords(first, count, width, one)
	return out, stats, err
}

// ReadBF16 is ReadFP16 for bfloat16: BF16 comes as it stands, F16 and F32 are
// rounded.
func (t Tensor) ReadBF16(first, count int64) ([]uint16, Converted, error) {
	var (
		width = 2
		one   func(raw []byte) uint16
		stats Converted
	)
	switch t.dtype {
	case BF16:
		one = func(raw []byte) uint16 {
			b := binary.LittleEndian.Uint16(raw)
			if b&0x7f80 == 0x7f80 {
				stats.NonFinite++
			}
			return b
		}
	case F16:
		one = func(raw []byte) uint16 { return toBFloat(fp16.ToFloat64(binary.LittleEndian.Uint16(raw)), &stats) }
	case F32:
		width = 4
		one = func(raw []byte) uint16 {
			return toBFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), &stats)
		}
	default:
		return nil, stats, t.Fail(ErrConvert, "it is %s, want %s", t.dtype, joinDTypes(F16, BF16, F32))
	}
	out, err := t.readWords(first, count, width, one)
	return out, stats, err
}

// readWords reads count elements of width bytes from element first on as one
// makes them.
func (t Tensor) readWords(first, count int64, width int, one func(raw []byte) uint16) ([]uint16, error) {
	if count < 0 || count > t.elements {
		return nil, t.Fail(ErrShape, "%d elements asked for, it has %d", count, t.elements)
	}
	out := make([]uint16, 0, count)
	err := t.eachChunk(first, count, width, func(raw []byte) {
		for ; len(raw) > 0; raw = raw[width:] {
			out = append(out, one(raw))
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// toBFloat rounds once to bfloat16; finite values stay finite.
func toBFloat(f float64, stats *Converted) uint16 {
	b := fp16.BFloatFromFloat64(f)
	if b&0x7f80 != 0x7f80 {
		return b
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		stats.NonFinite++
		return b
	}
	stats.Saturated++
	return b&0x8000 | 0x7f7f
}

// toHalf rounds once to binary16; finite values stay finite.
func toHalf(f float64, stats *Converted) uint16 {
	h := fp16.FromFloat64(f)
	if h&0x7c00 != 0x7c00 {
		return h
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		stats.NonFinite++
		return h
	}
	stats.Saturated++
	return h&0x8000 | 0x7bff
}

// ReadInt64 reads the whole tensor, which must be I64.
func (t Tensor) ReadInt64() ([]int64, error) {
	if t.dtype != I64 {
		return nil, t.Fail(ErrConvert, "it is %s, want %s", t.dtype, I64)
	}
	out := make([]int64, 0, t.elements)
	err := t.eachChunk(0, t.elements, 8, func(raw []byte) {
		for ; len(raw) > 0; raw = raw[8:] {
			out = append(out, int64(binary.LittleEndian.Uint64(raw)))
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ReadBytes reads the whole tensor, which must be U8.
func (t Tensor) ReadBytes() ([]byte, error) {
	if t.dtype != U8 {
		return nil, t.Fail(ErrConvert, "it is %s, want %s", t.dtype, U8)
	}
	out := make([]byte, 0, t.bytes)
	if err := t.eachChunk(0, t.elements, 1, func(raw []byte) { out = append(out, raw...) }); err != nil {
		return nil, err
	}
	return out, nil
}
