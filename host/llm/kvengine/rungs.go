package kvengine

import (
	"context"
	"slices"

	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/session"
)

// rung is what the heads of a cache under a ceiling have besides.
type rung struct {
	tiers     []uint8     // of the rows held at the last Compress
	codes     [2][][]byte // of keys and values, nil as fp16
	protected int         // tier of what is always kept
}

// own takes a copy of the rows.
func (h *head) own() {
	for _, p := range []*part{&h.k, &h.v} {
		p.fp16, p.floats = slices.Clone(p.fp16), slices.Clone(p.floats)
	}
}

// recode sends the lowered rows of each head, as they are, through QUANTIZE at the
// width of their tier.
func (c *Cache) recode(ctx context.Context, sets []set, lowered [][]int) error {
	d := c.cfg.HeadDim
	var jobs []session.Rows
	var put []func(session.Coded)
	for i, s := range sets {
		h := &s.heads[0]
		for t := uint8(1); t < tierCount; t++ {
			var rows []int
			for _, j := range lowered[i] {
				if h.tiers[j] == t {
					rows = append(rows, j)
				}
			}
			if len(rows) == 0 {
				continue
			}
			for kind, p := range []*part{&h.k, &h.v} {
				job := session.Rows{Layout: c.ladder.at(t), Dims: d}
				for _, j := range rows {
					job.Data = append(job.Data, p.fp16[j*d:][:d]...)
				}
				jobs = append(jobs, job)
				codes := h.codes[kind]
				put = append(put, func(coded session.Coded) {
					step := len(coded.Data) / len(rows)
					for i, j := range rows {
						codes[j] = coded.Data[i*step:][:step:step]
					}
				})
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	done, err := c.s.Quantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i := range done {
		put[i](done[i])
	}
	return nil
}

// restoreTiers sends every coded row through DEQUANTIZE, a head's tier at a time.
func (c *Cache) restoreTiers(ctx context.Context) error {
	d := c.cfg.HeadDim
	var jobs []session.Coded
	var put []func(rows []uint16)
	for _, s := range c.sets() {
		h := &s.heads[0]
		for t := uint8(1); t < tierCount; t++ {
			for kind, p := range []*part{&h.k, &h.v} {
				job := session.Coded{Layout: c.ladder.at(t), Dims: d}
				var at []int
				for j, tier := range h.tiers {
					if tier == t {
						at, job.Data = append(at, j), append(job.Data, h.codes[kind][j]...)
					}
				}
				if job.Rows = len(at); job.Rows == 0 {
					continue
				}
				jobs = append(jobs, job)
				put = append(put, func(rows []uint16) {
					for i, j := range at {
						copy(p.fp16[j*d:][:d], rows[i*d:][:d])
						copy(p.floats[j*d:][:d], p.appendFloats(nil, rows[i*d:][:d]))
					}
				})
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	done, err := c.s.Dequantize(ctx, jobs)
	if err != nil {
		return err
	}
	for i := range done {
		put[i](done[i])
	}
	return nil
}

// bytes adds what the rows take.
func (x *ladder) bytes(h *head, dim int, b *cache.Bytes) {
	for j := range h.pos {
		t := uint8(0)
		if j < len(h.tiers) {
			t = h.tiers[j]
		}
		row := 2 * int64(session.RowBytes(x.layout, dim, t))
		if t == 0 {
			b.Residual += row
			continue
		}
		codes := 2 * int64(dim) * int64(session.TierBits[t]) / 8
		b.Codes += codes
		b.Scales += row - codes
	}
}

// keep drops all but the rows at places.
func (x *rung) keep(places []int) {
	if x.tiers == nil {
		return
	}
	old := *x
	x.tiers, x.codes = make([]uint8, len(places)), [2][][]byte{}
	for i, at := range places {
		x.tiers[i] = old.tiers[at]
	}
	for kind := range x.codes {
		for _, at := range places {
			x.codes[kind] = append(x.codes[kind], old.codes[kind][at])
		}
	}
}
