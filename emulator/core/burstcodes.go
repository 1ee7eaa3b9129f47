package core

import "encoding/binary"

// bankLines works out the lines of the bank that is issued, once. It reports that
// no code of theirs is clamped.
func (u *dequantUnit) bankLines() bool {
	b := &u.banks[u.issuing]
	if !b.lined {
		b.lined = true
		b.clamps = !b.lines.Set(u.coder, b.stats[:u.rowBeats*u.lanes])
	}
	return !b.clamps
}

// advance goes on by items of a group.
func (u *dequantUnit) advance(items int) {
	if u.item += items; u.item < u.groupBeats {
		return
	}
	u.item = 0
	if u.perChannel {
		u.banks[u.issuing].busy, u.banks[u.issuing].complete = false, false
		u.issuing ^= 1
	}
}

// unroll moves the code queue to a ring that starts at its first word and has
// room for a burst, and gives the place of that word in the other. roll moves
// what is left back.
func (u *dequantUnit) unroll() (base uint64) {
	if u.flat.ring == nil {
		u.flat.init((burstItems + u.codeDepth + 8) * 16 * u.lanes)
	}
	base = u.bits.read &^ 63
	mask := uint64(len(u.bits.ring) - 1)
	for i := base >> 6; i<<6 < u.bits.write; i++ {
		u.flat.ring[i-base>>6] = u.bits.ring[i&mask]
	}
	u.flat.read, u.flat.write = u.bits.read-base, u.bits.write-base
	u.bits, u.flat = u.flat, u.bits
	return base
}

func (u *dequantUnit) roll(base uint64) {
	u.bits, u.flat = u.flat, u.bits
	u.bits.read, u.bits.write = base+u.flat.read, base+u.flat.write
	mask := uint64(len(u.bits.ring) - 1)
	for i := u.flat.read >> 6; i<<6 < u.flat.write; i++ {
		u.bits.ring[(base>>6+i)&mask] = u.flat.ring[i]
	}
}

// putBeat writes a beat.
func (e *Engine) putBeat(dst []byte, b *Beat) {
	if e.beatBytes == 4 {
		binary.LittleEndian.PutUint32(dst, uint32(b[0]))
		return
	}
	for i := range e.beatBytes / 8 {
		binary.LittleEndian.PutUint64(dst[8*i:], b[i&3])
	}
}

// refill follows front and input slice, which took some beats and stopped.
func (e *Engine) refill(l *Ideal, fed, taken uint64) {
	e.front.expected -= fed
	e.front.taken += uint32(fed)
	e.regs.counters[cntBeatsIn] += uint32(taken)
	l.At += int(taken) * e.beatBytes
	if taken > 0 {
		e.sMid = l.At < len(l.Packet)
	}
	for i := range e.iskid.n {
		at := l.At - (e.iskid.n-i)*e.beatBytes
		e.iskid.q[i] = slot{e.beatAt(l.Packet[at:]), at+e.beatBytes == len(l.Packet)}
	}
}
