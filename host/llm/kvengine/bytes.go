package kvengine

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
)

// Bytes counts what the cache takes as it stands: [cache.Bytes] and the state
// of the scores.
type Bytes struct {
	cache.Bytes
	Scores int64 `json:"scores"`
}

// Total is the sum.
func (b Bytes) Total() int64 { return b.Bytes.Total() + b.Scores }

// Add adds the counts of o.
func (b *Bytes) Add(o Bytes) {
	b.Bytes.Add(o.Bytes)
	b.Scores += o.Scores
}

// A kept position takes 2 bytes, its tier under a ceiling 1, a score of the past the engine's 40 bits.
const (
	positionBytes = 2
	tierBytes     = 1
	scoreBytes    = regmap.ScoreBits / 8
)

// Bytes counts codes, scales and minima (those of dropped rows too, as long as
// rows they share scales with are held), fp16 rows, positions kept if the policy
// evicts, scores of the past, and attention rows that a Compress after next more positions
// will need again.
func (c *Cache) Bytes(next int) Bytes {
	var b Bytes
	for l := range c.layers {
		for i := range c.layers[l].heads {
			h, p := &c.layers[l].heads[i], c.plan[l][i]
			k, _ := p.KLayout(c.cfg.HeadDim)
			v, _ := p.VLayout(c.cfg.HeadDim)
			if c.ladder != nil {
				c.ladder.bytes(h, c.cfg.HeadDim, &b.Bytes)
				b.Positions += (positionBytes + tierBytes) * int64(len(h.pos))
				b.Scores += scoreBytes * int64(len(h.pos))
				continue
			}
			h.k.bytes(k, c.cfg.HeadDim, &b.Bytes)
			h.v.bytes(v, c.cfg.HeadDim, &b.Bytes)
			if p.Evicts() {
				b.Positions += positionBytes * int64(len(h.pos))
			}
			b.Scores += scoreBytes * int64(len(h.sums))
			for _, rows := range h.rows {
				for _, r := range rows[max(0, len(rows)-max(0, h.record-next)):] {
					b.Scores += 2 * int64(len(r))
				}
			}
		}
	}
	return b
}

// RowBytes is what a position takes until it is compressed, all layers and
// heads together.
func (c *Cache) RowBytes() Bytes {
	var b Bytes
	for _, heads := range c.plan {
		for _, p := range heads {
			b.Residual += 4 * int64(c.cfg.HeadDim)
			if p.Evicts() {
				b.Positions += positionBytes
			}
			if c.ladder != nil {
				b.Positions += positionBytes + tierBytes
				b.Scores += scoreBytes
			}
		}
	}
	return b
}
