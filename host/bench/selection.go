package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// words is the number of beats of an attention row.
func (b *bench) words(n int) int { return (n + b.p.Lanes - 1) / b.p.Lanes }

// sizes lists how many positions to choose among: from 256 to as many as the
// engine takes, powers of two and one number that fills no whole beats.
func (b *bench) sizes() (all []int) {
	for n := 256; n <= b.p.MaxTokens; n *= 2 {
		all = append(all, n)
	}
	if b.opt.Quick && len(all) > 2 {
		all = []int{all[0], all[len(all)-1]}
	}
	return slices.Insert(all, len(all)-1, all[len(all)-1]-3)
}

// choose sends one SELECT of rows of n weights and gives the cycles it took.
func (b *bench) choose(rows [][]uint16, n, sinks, recent, k int) (int, error) {
	payload := make([]byte, 0, len(rows)*b.words(n)*b.p.BeatBytes())
	for i, row := range rows {
		for _, w := range row[:n] {
			payload = binary.LittleEndian.AppendUint16(payload, w)
		}
		payload = append(payload, make([]byte, (i+1)*b.words(n)*b.p.BeatBytes()-len(payload))...)
	}
	r := packet.Request{Opcode: regmap.OpSelect, Rows: len(rows), Dims: n, Selection: packet.Selection{Sinks: sinks, Recent: recent, TopK: k}}
	resp, err := b.exchange(r, payload, 1, 2*min(n, sinks+recent+k))
	return int(resp.Cycles), err
}

// search measures the cycles after the one in which the last beat of the last
// row is taken on s_axis, up to and with the one in which the last beat of the
// keep list is given on m_axis. A response's cycles are a header, the checks, the
// rows, this, and a trailer, so
//
//	search = Cycles - 2 HB - LatCheck - (rows-1) max(W, LatSelectRow) - W,  W = ceil(n/Lanes)
func (b *bench) search(rows [][]uint16, n, sinks, recent, k int) (int, error) {
	cycles, err := b.choose(rows, n, sinks, recent, k)
	if err != nil {
		return 0, err
	}
	w := b.words(n)
	spent := cycles - 2*b.p.HeaderBeats() - regmap.LatCheck - (len(rows)-1)*max(w, regmap.LatSelectRow) - w
	if spent < 0 {
		return 0, tooSoon(uint32(cycles))
	}
	return spent, nil
}

// selectRows measures attention rows: the beats of count rows, by the difference
// between a SELECT of 2 x count rows and one of count. Neither keeps anything, so
// there is no search that could depend on the scores.
func selectRows(b *bench) error {
	const count = 16
	rng := rand.New(rand.NewPCG(3, 3))
	for _, n := range b.sizes() {
		rows := make([][]uint16, 2*count)
		for i := range rows {
			rows[i] = each(n, func(int) uint16 { return uint16(rng.IntN(one)) })
		}
		some, err := b.choose(rows[:count], n, 0, 0, 0)
		if err != nil {
			return err
		}
		twice, err := b.choose(rows, n, 0, 0, 0)
		if err != nil {
			return err
		}
		if err := b.rate(count*b.words(n), twice-some, Settings{{"n", n}}); err != nil {
			return err
		}
	}
	return nil
}

// Bits of some weights.
const (
	one     = 0x3c00
	largest = 0x7bff // 65504
)

func each(n int, f func(j int) uint16) []uint16 {
	row := make([]uint16, n)
	for j := range row {
		row[j] = f(j)
	}
	return row
}

// adversary is a set of attention rows meant to make a search long.
type adversary struct {
	name string
	rows func(n int) [][]uint16
}

var adversaries = []adversary{
	{"random", func(n int) [][]uint16 {
		rng := rand.New(rand.NewPCG(4, uint64(n)))
		return [][]uint16{each(n, func(int) uint16 { return uint16(rng.IntN(largest + 1)) })}
	}},
	{"equal", func(n int) [][]uint16 { return [][]uint16{each(n, func(int) uint16 { return one })} }},
	// Two rows of the largest weight clamp every score.
	{"saturated", func(n int) [][]uint16 {
		row := each(n, func(int) uint16 { return largest })
		return [][]uint16{row, row}
	}},
	// All digits but the last are the same: no pass before it tells anything.
	{"one-bin", func(n int) [][]uint16 {
		return [][]uint16{each(n, func(int) uint16 { return largest }), each(n, func(j int) uint16 { return uint16(j & 15) })}
	}},
	{"ascending", func(n int) [][]uint16 {
		return [][]uint16{each(n, func(j int) uint16 { return uint16(j * largest / max(n-1, 1)) })}
	}},
	{"descending", func(n int) [][]uint16 {
		return [][]uint16{each(n, func(j int) uint16 { return uint16((n - 1 - j) * largest / max(n-1, 1)) })}
	}},
	{"zero", func(n int) [][]uint16 { return [][]uint16{make([]uint16, n)} }},
}

// selectSearch measures the search of adversarial scores.
func selectSearch(b *bench) error {
	for _, n := range b.sizes() {
		ks := []int{0, 1, n / 16, n / 4, n / 2, n - 1, n}
		if b.opt.Quick {
			ks = []int{1, n / 4, n - 1}
		}
		for _, a := range adversaries {
			rows := a.rows(n)
			for _, k := range ks {
				for _, protect := range [][2]int{{0, 0}, {4, 64}} {
					if b.opt.Quick && protect[0] > 0 {
						continue
					}
					spent, err := b.search(rows, n, protect[0], protect[1], k)
					if err != nil {
						return fmt.Errorf("%s scores, top %d of %d: %w", a.name, k, n, err)
					}
					b.point(float64(spent), b.words(n), Settings{{"scores", a.name}, {"n", n}, {"k", k}, {"sinks", protect[0]}, {"recent", protect[1]}})
				}
			}
		}
	}
	return nil
}
