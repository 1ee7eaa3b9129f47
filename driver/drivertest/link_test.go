package drivertest_test

import (
	"encoding/binary"
	"math/bits"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// stream is a shift register: bit k of the state is the bit of 31-k steps ago.
func (k kernels) stream(seed uint32, n int) (b []byte) {
	state := seed
	if k.is("seed reversed") {
		state = bits.Reverse32(seed) >> 1
	}
	for range n {
		v := byte(0)
		for i := range 8 {
			next := (state ^ state>>3) & 1
			if k.is("PRBS-23") {
				next = (state>>8 ^ state>>13) & 1
			}
			state = state>>1 | next<<30
			if k.is("first bit highest") {
				i = 7 - i
			}
			v |= byte(next) << i
		}
		b = append(b, v)
	}
	return b
}

// giveStream is SOURCE.
func (r *reference) giveStream(refuse func(packet.Status) work, stray uint32, fits bool, n int, seed uint32, body []byte) work {
	switch {
	case stray != 0 && !r.is("reserved bits ignored"):
		return refuse(regmap.StBadOption)
	case !fits:
		return refuse(regmap.StBadGeometry)
	case len(body) > 0:
		return refuse(regmap.StOverlong)
	}
	if beat := r.info.Params.BeatBytes(); r.is("stream in whole beats") {
		n = (n + beat - 1) / beat * beat
	}
	return work{payload: r.kernels.stream(seed, n)}
}

// checkStream is SINK.
func (r *reference) checkStream(w work, got []byte, seed uint32) work {
	if w.status == regmap.StTruncated && !r.is("check of a cut SINK") || len(got) == 0 {
		return w
	}
	want, beat := r.kernels.stream(seed, len(got)), r.info.Params.BeatBytes()
	wrong, first := map[int]bool{}, -1
	for i := range got {
		at := i / beat
		if r.is("bytes counted for beats") {
			at = i
		}
		if got[i] != want[i] {
			if first < 0 || r.is("last wrong beat told") {
				first = at
			}
			wrong[at] = true
		}
	}
	if r.is("no wrong beat is beat 0") {
		first = max(first, 0)
	}
	if r.is("last beat unchecked") {
		delete(wrong, (len(got)-1)/beat)
	}
	w.payload = binary.LittleEndian.AppendUint32(nil, uint32(len(wrong)))
	w.payload = binary.LittleEndian.AppendUint32(w.payload, uint32(first))
	return w
}
