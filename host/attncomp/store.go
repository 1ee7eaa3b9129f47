package attncomp

import (
	"context"
	"errors"

	"gonum.org/v1/gonum/mat"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/parallel"
	"github.com/kvaccel/kvaccel/host/quality"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// group is how many numbers share a scale and a minimum.
const group = 32

func (p part) layout(bits int) packet.Layout {
	l := packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: group, Bits: bits}
	if p.perChannel {
		l.Axis = regmap.AxisChannel
	}
	return l
}

// variant stores parts at a row's width, brings them back and measures them.
func (r *run) variant(ctx context.Context, b *block, parts []part, v *variant) error {
	if v.Skipped != "" {
		return nil
	}
	stored := make([][]uint16, len(parts))
	for i, p := range parts {
		stored[i] = bits(p.rows)
	}
	rowBytes, err := r.quantize(ctx, parts, stored, v.Bits)
	if errors.Is(err, session.ErrGeometry) || errors.Is(err, driver.ErrUnsupported) {
		v.Skipped, v.RowBytes, v.MapBytes = err.Error(), 0, 0
		return nil
	}
	if err != nil {
		return err
	}
	v.RowBytes += rowBytes
	back, mapBytes := r.restore(b, parts, stored)
	v.MapBytes += mapBytes
	return r.measure(ctx, b, back, v)
}

// quantize sends rows through the engine and back, in place, and gives their bytes.
// Rows per channel that fill no group stay binary16.
func (r *run) quantize(ctx context.Context, parts []part, stored [][]uint16, width int) (bytes int64, err error) {
	var jobs []session.Rows
	for i, p := range parts {
		_, w := p.rows.Dims()
		coded := 0
		if width != FP16 {
			if err := r.s.CheckTile(p.layout(width), w); err != nil {
				return 0, err
			}
			if coded = r.n; p.perChannel {
				coded -= r.n % group
			}
		}
		jobs = append(jobs, session.Rows{Layout: p.layout(width), Dims: w, Data: stored[i][:coded*w]})
		bytes += int64(2 * (r.n - coded) * w)
	}
	if width == FP16 {
		return bytes, nil
	}
	codes, err := r.s.Quantize(ctx, jobs)
	if err != nil {
		return 0, err
	}
	for _, c := range codes {
		bytes += int64(len(c.Data))
	}
	rows, err := r.s.Dequantize(ctx, codes)
	if err != nil {
		return 0, err
	}
	for i := range rows {
		copy(stored[i], rows[i])
	}
	return bytes, nil
}

// restored is keys and values of the block's heads as binary16, by layer and head.
type restored [2][][][]uint16

// restore applies the maps, rounded to binary16 as they are stored, and gives their bytes.
func (r *run) restore(b *block, parts []part, stored [][]uint16) (out restored, mapBytes int64) {
	for kind := range out {
		for range b.layers {
			out[kind] = append(out[kind], make([][]uint16, r.t.Hkv))
		}
	}
	for i, p := range parts {
		_, w := p.rows.Dims()
		rows := mat.NewDense(r.n, w, attention.Floats(stored[i]))
		for _, u := range p.users {
			dst := &out[u.kind][u.layer][u.head]
			if u.back == nil {
				*dst = stored[i]
				continue
			}
			back := mat.NewDense(w, b.dims, attention.Floats(bits(u.back)))
			var x mat.Dense
			x.Mul(rows, back)
			*dst = bits(&x)
			mapBytes += int64(2 * w * b.dims)
		}
	}
	return out, mapBytes
}

// bits rounds a matrix to binary16, row by row; what is too large becomes the largest.
func bits(x *mat.Dense) []uint16 {
	n, m := x.Dims()
	out := make([]uint16, 0, n*m)
	for i := range n {
		for _, f := range x.RawRowView(i) {
			out = append(out, fp16.FromFloat64(max(-fp16.MaxFinite, min(fp16.MaxFinite, f))))
		}
	}
	return out
}

// measure measures all heads of a block.
func (r *run) measure(ctx context.Context, b *block, back restored, v *variant) error {
	all := make([]int, r.n)
	for i := range all {
		all[i] = i
	}
	samples := make([]quality.Samples, len(b.layers)*r.t.Hkv)
	err := parallel.Each(ctx, len(samples), func(i int) (err error) {
		l, h := i/r.t.Hkv, i%r.t.Hkv
		x := b.layers[l]
		samples[i], err = quality.Head{
			Scale: r.t.Scale, Prefix: r.n, T: r.t.T, D: b.dims, K: x.K[h], V: x.V[h], Q: r.group(x, h),
			Positions: all, KeptK: back[keys][l][h], KeptV: back[values][l][h],
		}.Measure(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for i, s := range samples {
		v.quality.Add(b.first+i/r.t.Hkv, i%r.t.Hkv, s)
	}
	return nil
}
