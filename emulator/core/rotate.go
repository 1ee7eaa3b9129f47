package core

import (
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/model"
)

// rotateUnit gathers a block of a row and rotates it. Its beats leave one a
// cycle; the cycles are known when the block is complete.
type rotateUnit struct {
	lanes     int
	size      int  // elements of a block; 0: there is no rotation
	exponent  uint // the sums are scaled by 2^-exponent
	beats     int  // of the block that have come
	flags     uint8
	words     [model.MaxRotate / 4]uint64
	saturated [model.MaxRotate / 2]uint8 // elements of each beat
}

func (u *rotateUnit) init(p regmap.Params) { u.lanes = p.Lanes }

func (u *rotateUnit) reset() { u.beats, u.flags = 0, 0 }

// start sets the unit up for a command. Blocks of the one before may still be
// coming: it is of the same kind then.
func (u *rotateUnit) start(c *command) {
	switch u.size = c.rotate; {
	case u.size == 0:
	case c.opcode == regmap.OpQuantize:
		u.exponent = model.RotateIn(u.size)
	default:
		u.exponent = model.RotateOut(u.size)
	}
}

// blockBeats is the number of beats of a block.
func (u *rotateUnit) blockBeats() int { return u.size / u.lanes }

// put takes a beat. With the last of a block it rotates it, and reports so.
func (u *rotateUnit) put(data *[4]uint64) bool {
	putBeat(u.words[:], u.beats, u.lanes, data)
	u.beats++
	if u.beats < u.blockBeats() {
		return false
	}
	clear(u.saturated[:u.beats])
	u.beats = 0
	model.Rotate(u.words[:u.size/4], u.exponent, u.lanes, u.saturated[:])
	return true
}

// beat gives beat i of the block.
func (u *rotateUnit) beat(i int) (data [4]uint64) {
	if u.lanes == 2 {
		data[0] = u.words[i/2] >> (i % 2 * 32) & 0xffffffff
		return data
	}
	copy(data[:], u.words[i*u.lanes/4:(i+1)*u.lanes/4])
	return data
}

// putBeat puts a beat into its place among words.
func putBeat(words []uint64, i, lanes int, data *[4]uint64) {
	if lanes == 2 {
		shift := i % 2 * 32
		words[i/2] = words[i/2]&^(0xffffffff<<shift) | data[0]<<shift
		return
	}
	copy(words[i*lanes/4:(i+1)*lanes/4], data[:])
}

// rotateIn takes a beat of cleaned elements for QUANTIZE. Its block goes on when
// it is complete.
func (e *Engine) rotateIn(data *[4]uint64, last bool) {
	r, u := &e.rot, &e.quant
	if !r.put(data) {
		return
	}
	n := r.blockBeats()
	for i := range n {
		at := e.now + regmap.LatRotate + uint64(n+i)
		if sat := r.saturated[i]; sat > 0 {
			e.events.insert(event{at: at, saturations: uint16(sat)})
			u.flags |= entSaturated
		}
		beat := r.beat(i)
		putBeat(u.words, u.beats, u.lanes, &beat)
		e.gather(at, last && i == n-1)
	}
}

// rotateOut takes an item of DEQUANTIZE, which was issued now, its flags and the
// number of its clamped elements. Its block is scheduled when it is complete.
func (e *Engine) rotateOut(data *[4]uint64, flags uint8, saturated int) {
	r := &e.rot
	at := e.now + regmap.LatDequantPipe
	if saturated > 0 {
		e.events.insert(event{at: at, saturations: uint16(saturated)})
	}
	r.flags |= flags
	if !r.put(data) {
		return
	}
	n := r.blockBeats()
	for i := range n {
		en := e.payload.schedule(at+regmap.LatRotate+uint64(n+i), e.beatBytes, r.flags&^entLast)
		en.data, en.sat = r.beat(i), r.saturated[i]
		if en.sat > 0 {
			en.flags |= entSaturated
		}
		if i == n-1 {
			en.flags |= r.flags
		}
	}
	r.flags = 0
}
