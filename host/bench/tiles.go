package bench

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

var (
	allBits   = []int{2, 3, 4, 5, 6, 8}
	allGroups = []int{16, 32, 64, 128, 0} // 0 is the whole row
)

// layouts lists what a tile of rows x dims can be quantized to.
func layouts(rows, dims int, quick bool) (all []packet.Layout) {
	bits, groups := allBits, allGroups
	if quick {
		bits, groups = []int{2, 5, 8}, []int{16, 128, 0}
	}
	for _, axis := range []uint32{regmap.AxisToken, regmap.AxisChannel} {
		for _, scheme := range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
			for _, group := range groups {
				if axis == regmap.AxisToken && group > 0 && dims%group != 0 ||
					axis == regmap.AxisChannel && (group == 0 || rows%group != 0) {
					continue
				}
				for _, n := range bits {
					all = append(all, packet.Layout{Scheme: scheme, Axis: axis, Group: group, Bits: n})
				}
			}
		}
	}
	return all
}

// turned lists layouts with rotations and of bfloat16, as far as the device has them:
// every width, scheme and axis, in groups of 32 (16 where these do not fit).
func turned(info driver.Info, rows, dims int, quick bool) (all []packet.Layout) {
	var forms []packet.Layout
	for _, size := range []int{32, 64, 128} {
		if info.Has(1<<regmap.FeatRotate) && dims%size == 0 {
			forms = append(forms, packet.Layout{Rotate: size})
		}
	}
	if info.Has(1 << regmap.FeatBF16) {
		forms = append(forms, packet.Layout{Format: regmap.FormatBF16})
	}
	bits := allBits
	if quick {
		bits = []int{2, 8}
	}
	for _, l := range forms {
		for _, l.Axis = range []uint32{regmap.AxisToken, regmap.AxisChannel} {
			along := dims
			if l.Axis == regmap.AxisChannel {
				along = rows
			}
			if l.Group = 32; along%32 != 0 {
				l.Group = 16
			}
			for _, l.Scheme = range []uint32{regmap.SchemeAsym, regmap.SchemeSym} {
				for _, l.Bits = range bits {
					if along%l.Group == 0 {
						all = append(all, l)
					}
				}
			}
		}
	}
	return all
}

// layoutSettings names a layout in words of the command line.
func layoutSettings(l packet.Layout) Settings {
	axis, scheme := "token", "asym"
	if l.Axis == regmap.AxisChannel {
		axis = "channel"
	}
	if l.Scheme == regmap.SchemeSym {
		scheme = "sym"
	}
	var group any = l.Group
	if l.Group == 0 {
		group = "row"
	}
	s := Settings{{"axis", axis}, {"scheme", scheme}, {"group", group}, {"bits", l.Bits}}
	if l.Rotate > 0 {
		s = append(s, Setting{"rotate", l.Rotate})
	}
	if l.Format == regmap.FormatBF16 {
		s = append(s, Setting{"format", "bf16"})
	}
	return s
}

// queue is the number of tiles by which two queues differ: beyond the commands
// that an engine has in flight, and more of small ones, that the end of a queue
// may not count for much.
func queue(beats int) int { return max(regmap.MaxInFlight, min(64, 4096/beats)) }

// tiles measures what a tile costs in a long queue of its kind: the beats of
// rows of some tiles, by the difference in busy cycles between twice as many tiles
// and just as many. So what it takes to fill the engine, once, is left out, and
// every cycle of a further tile is in: header, checks, payload, trailer.
func (b *bench) tiles(op uint32) error {
	rows, dims := b.opt.Rows, b.opt.Dims
	rng := rand.New(rand.NewPCG(1, uint64(op)))
	values := normal(rng, rows*dims)
	codes := make([]byte, 2*rows*dims) // no quantized tile is larger
	for i := range codes {
		codes[i] = byte(rng.IntN(0x3c)) // every scale and minimum is finite
	}
	beats := rows * dims / b.p.Lanes
	tiles := queue(beats)
	for _, l := range append(layouts(rows, dims, b.opt.Quick), turned(b.dev.Info(), rows, dims, b.opt.Quick)...) {
		payload, size := values, l.QuantizedBytes(rows, dims)
		if op == regmap.OpDequantize {
			payload, size = codes[:size], 2*rows*dims
		}
		r := packet.Request{Opcode: op, Layout: l, Rows: rows, Dims: dims}
		var spent [2]uint32
		for i, count := range []int{tiles, 2 * tiles} {
			before, err := b.busy()
			if err != nil {
				return err
			}
			if _, err := b.exchange(r, payload, count, size); err != nil {
				return err
			}
			after, err := b.busy()
			if err != nil {
				return err
			}
			spent[i] = after - before
		}
		s := append(layoutSettings(l), Setting{"rows", rows}, Setting{"dims", dims})
		if err := b.rate(tiles*beats, int(int32(spent[1]-spent[0])), s); err != nil {
			return err
		}
	}
	return nil
}

func quantizeTiles(b *bench) error   { return b.tiles(regmap.OpQuantize) }
func dequantizeTiles(b *bench) error { return b.tiles(regmap.OpDequantize) }

// tokenLatency measures how long an element of a per-token row is under way
// beyond the fill of its group. Elements leave in the order they came, a beat a
// cycle, so the row's last beat shows it: from the cycle in which it is taken on
// s_axis to the one in which the last codes are given on m_axis, less the g/Lanes
// cycles of a group. A response's cycles are a header, the checks, the row, this,
// and a trailer, so
//
//	latency = Cycles - 2 HB - LatCheck - dims/Lanes - g/Lanes
func tokenLatency(b *bench) error {
	dims := b.opt.Dims
	for name, row := range latencyRows(dims) {
		for _, l := range layouts(1, dims, b.opt.Quick) {
			if l.Axis != regmap.AxisToken {
				continue
			}
			fill := l.Group
			if fill == 0 {
				fill = dims
			}
			r := packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: 1, Dims: dims}
			resp, err := b.exchange(r, row, 1, l.QuantizedBytes(1, dims))
			if err != nil {
				return err
			}
			latency := int(resp.Cycles) - 2*b.p.HeaderBeats() - regmap.LatCheck - (dims+fill)/b.p.Lanes
			if latency < 0 {
				return tooSoon(resp.Cycles)
			}
			b.point(float64(latency), 0, append(layoutSettings(l), Setting{"dims", dims}, Setting{"data", name}))
		}
	}
	return nil
}

// latencyRows are rows of all kinds of data, by name.
func latencyRows(dims int) func(yield func(string, []byte) bool) {
	rng := rand.New(rand.NewPCG(2, 2))
	each := func(f func(i int) uint16) (b []byte) {
		for i := range dims {
			b = binary.LittleEndian.AppendUint16(b, f(i))
		}
		return b
	}
	return func(yield func(string, []byte) bool) {
		_ = yield("normal", normal(rng, dims)) &&
			yield("zero", each(func(int) uint16 { return 0 })) &&
			yield("equal", each(func(int) uint16 { return 0x3c00 })) &&
			yield("extremes", each(func(i int) uint16 { return 0x7bff | uint16(i&1)<<15 })) &&
			yield("subnormal", each(func(i int) uint16 { return uint16(i & 0x3ff) })) &&
			yield("non-finite", each(func(i int) uint16 { return 0x7c00 | uint16(i&3)<<14 | uint16(i>>2&1) }))
	}
}

// normal gives n normally distributed elements.
func normal(rng *rand.Rand, n int) (b []byte) {
	for range n {
		b = binary.LittleEndian.AppendUint16(b, fp16.FromFloat64(rng.NormFloat64()))
	}
	return b
}
