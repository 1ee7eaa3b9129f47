package core

import (
	"math"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// pattern gives the beats of a pseudo-random stream.
type pattern struct {
	stream model.Stream
	left   int    // bytes
	half   uint64 // the second half of a word, for the next beat of 2 lanes
	odd    bool
}

// next gives the next beat, zero beyond the end of the stream, and its bytes.
func (p *pattern) next(beatBytes int) (b Beat, bytes int) {
	bytes = min(p.left, beatBytes)
	p.left -= bytes
	if beatBytes == 4 {
		if p.odd = !p.odd; p.odd {
			w := p.stream.Next()
			b[0], p.half = w&0xffffffff, w>>32
		} else {
			b[0] = p.half
		}
	} else {
		for i := range beatBytes / 8 {
			b[i&3] = p.stream.Next()
		}
	}
	if bytes < beatBytes {
		b.cut(bytes)
	}
	return b, bytes
}

// cut zeroes what a beat holds beyond so many bytes.
func (b *Beat) cut(bytes int) {
	for i := range b {
		keep := min(max(bytes-8*i, 0), 8)
		b[i] &= 1<<(8*keep) - 1
	}
}

// sourceUnit gives a pseudo-random stream.
type sourceUnit struct {
	pattern
	from uint64 // the first cycle in which a beat may be pushed
}

func (e *Engine) startSource(c *command) {
	e.source = sourceUnit{pattern{stream: model.NewStream(c.seed), left: c.rows}, e.now + regmap.LatSource}
}

// stepSource is one enabled cycle with bytes left; waiting is the payload FIFO's
// count.
func (e *Engine) stepSource(waiting int) {
	u := &e.source
	if e.now < u.from || waiting > e.depth-4 {
		return
	}
	data, bytes := u.next(e.beatBytes)
	var flags uint8
	if u.left == 0 {
		flags = entLast
	}
	e.payload.schedule(e.now, bytes, flags).data = data
}

// sinkUnit checks a pseudo-random stream.
type sinkUnit struct {
	pattern
	beats uint32 // taken
	wrong uint32 // of them
	first uint32 // wrong one
}

func (u *sinkUnit) start(c *command) {
	*u = sinkUnit{pattern: pattern{stream: model.NewStream(c.seed), left: c.rows}, first: math.MaxUint32}
}

// feedSink takes a beat; after the last the result is given.
func (e *Engine) feedSink(data *Beat, last bool) {
	u := &e.sink
	want, bytes := u.next(e.beatBytes)
	got := *data
	if bytes < e.beatBytes {
		got.cut(bytes)
	}
	if got != want {
		if u.wrong == 0 {
			u.first = u.beats
		}
		u.wrong++
	}
	u.beats++
	if !last {
		return
	}
	at := e.now + regmap.LatSink
	if e.beatBytes == 4 {
		e.payload.schedule(at, 4, 0).data = Beat{uint64(u.wrong)}
		e.payload.schedule(at+1, 4, entLast).data = Beat{uint64(u.first)}
		return
	}
	e.payload.schedule(at, 8, entLast).data = Beat{uint64(u.wrong) | uint64(u.first)<<32}
}
