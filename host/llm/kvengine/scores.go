package kvengine

import (
	"math/rand/v2"

	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

// weights gives the rows that rank the positions of some heads, which hold the
// same ones.
func (c *Cache) weights(l, h int, heads []head) []uint16 {
	pos := heads[0].pos
	if c.pol.Scorer == policy.Random {
		return randomRows(c.seed, l, h, pos)
	}
	var out []uint16
	for i := range heads {
		out = appendSums(out, heads[i].sums, len(pos))
		for _, rows := range heads[i].rows {
			for _, r := range rows {
				out = append(out, r...)
				out = append(out, make([]uint16, len(pos)-len(r))...)
			}
		}
	}
	return out
}

// digitBits is how many bits of a sum one binary16 weight carries exactly.
const digitBits = 11

// appendSums appends scores of the past as rows whose sum they are, exactly:
// each row has 11 bits of every score.
func appendSums(out []uint16, sums []uint64, n int) []uint16 {
	most := uint64(0)
	for _, s := range sums {
		most |= s
	}
	for shift := 0; most>>shift != 0; shift += digitBits {
		at := len(out)
		out = append(out, make([]uint16, n)...)
		for j, s := range sums {
			digit := s >> shift & (1<<digitBits - 1)
			out[at+j] = fp16.FromFloat64(float64(digit<<shift) * 0x1p-24)
		}
	}
	return out
}

// randomRows gives two rows whose sum ranks positions at random: the upper ten
// bits of a uniform number in [0, 1) and the next ten. A position has the same
// number whenever it is ranked, so that what stays is a random sample.
func randomRows(seed uint64, l, h int, pos []int) []uint16 {
	rng := rand.New(rand.NewPCG(seed<<32+uint64(l), uint64(h)))
	n := len(pos)
	rows := make([]uint16, 2*n)
	for i, at := 0, 0; i < n; at++ {
		high, low := rng.IntN(1<<10), rng.IntN(1<<10)
		if pos[i] != at {
			continue
		}
		rows[i] = fp16.FromFloat64(float64(high) * 0x1p-10)
		rows[n+i] = fp16.FromFloat64(float64(low) * 0x1p-20)
		i++
	}
	return rows
}

// settleScores adds the recorded rows to the sums if the policy scores by all
// queries.
func (c *Cache) settleScores() {
	if c.record != RecordAll {
		return
	}
	for l := range c.layers {
		for h := range c.layers[l].heads {
			x := &c.layers[l].heads[h]
			x.sums = append(x.sums, make([]uint64, len(x.pos)-len(x.sums))...)
			for g, rows := range x.rows {
				for _, r := range rows {
					for j, w := range r {
						x.sums[j] += units(w)
					}
				}
				x.rows[g] = nil
			}
		}
	}
}
