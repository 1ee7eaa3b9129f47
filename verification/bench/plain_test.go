package bench

// plainLayout is one of the layouts compared: 128 dims, groups of 32.
type plainLayout struct {
	name       string
	bits       int
	perChannel bool
	symmetric  bool
}

// The shape of a tile.
const (
	plainDims  = 128
	plainRows  = 128
	plainGroup = 32
)

// plainOut is what plain code leaves: a scale and a minimum per group, codes
// packed lowest bits first.
type plainOut struct {
	scales, minima []float32
	codes          []byte
}

// plainQuantize quantizes a tile in float32 the obvious way: the range of each
// group, a reciprocal, a multiplication and a rounding per element.
func plainQuantize(x []float32, l plainLayout, out *plainOut) {
	out.scales, out.minima, out.codes = out.scales[:0], out.minima[:0], out.codes[:0]
	if l.perChannel {
		for ; len(x) > 0; x = x[plainGroup*plainDims:] {
			plainChannels(x[:plainGroup*plainDims], l, out)
		}
		return
	}
	var acc uint64
	var n int
	for ; len(x) > 0; x = x[plainGroup:] {
		group := x[:plainGroup]
		low, high := group[0], group[0]
		for _, v := range group {
			low, high = min(low, v), max(high, v)
		}
		scale, origin := plainScale(low, high, l)
		out.scales, out.minima = append(out.scales, scale), append(out.minima, origin)
		inv := plainInverse(scale)
		for _, v := range group {
			acc |= plainCode(v, origin, inv, l) << n
			if n += l.bits; n >= 32 {
				out.codes = append(out.codes, byte(acc), byte(acc>>8), byte(acc>>16), byte(acc>>24))
				acc, n = acc>>32, n-32
			}
		}
	}
}

// plainChannels quantizes the rows of one group per channel.
func plainChannels(x []float32, l plainLayout, out *plainOut) {
	var low, high, origin, inv [plainDims]float32
	copy(low[:], x)
	copy(high[:], x)
	for row := x; len(row) > 0; row = row[plainDims:] {
		for c, v := range row[:plainDims] {
			low[c], high[c] = min(low[c], v), max(high[c], v)
		}
	}
	for c := range low {
		scale, o := plainScale(low[c], high[c], l)
		out.scales, out.minima = append(out.scales, scale), append(out.minima, o)
		origin[c], inv[c] = o, plainInverse(scale)
	}
	var acc uint64
	var n int
	for row := x; len(row) > 0; row = row[plainDims:] {
		for c, v := range row[:plainDims] {
			acc |= plainCode(v, origin[c], inv[c], l) << n
			if n += l.bits; n >= 32 {
				out.codes = append(out.codes, byte(acc), byte(acc>>8), byte(acc>>16), byte(acc>>24))
				acc, n = acc>>32, n-32
			}
		}
	}
}

func plainScale(low, high float32, l plainLayout) (scale, origin float32) {
	if l.symmetric {
		return max(-low, high) / float32(int(1)<<(l.bits-1)-1), 0
	}
	return (high - low) / float32(int(1)<<l.bits-1), low
}

func plainInverse(scale float32) float32 {
	if scale == 0 {
		return 0
	}
	return 1 / scale
}

// plainCode rounds half up: what is truncated is never negative.
func plainCode(v, origin, inv float32, l plainLayout) uint64 {
	if l.symmetric {
		top := 1<<(l.bits-1) - 1
		q := int(v*inv+float32(top)+0.5) - top
		return uint64(max(-top, min(top, q))) & (1<<l.bits - 1)
	}
	return uint64(min(1<<l.bits-1, int((v-origin)*inv+0.5)))
}
