package core

import "encoding/binary"

// mark is where a flow stood in some cycle.
type mark struct {
	flowState
	cycle, taken, fed, issued, moved uint64
	gave                             int
}

// repeat passes over cycles that are like those just passed: if the state is the
// one it was some cycles ago, what happened since happens again and again, until
// something comes to its end.
func (fl *flow) repeat() {
	perChannel := fl.e.dequant.perChannel
	switch {
	case fl.scales || perChannel && fl.item == 0:
		fl.until = 0 // no state is like one before
		return
	case !perChannel && fl.item != 0:
		return
	case fl.until > 0 && fl.same():
		fl.skip()
		return
	}
	if fl.since++; fl.since >= fl.until {
		fl.seen = mark{fl.flowState, fl.cycle, fl.taken, fl.fed, fl.issued, fl.moved, fl.gave}
		fl.since, fl.until = 0, max(8, 2*fl.until)
	}
}

// same reports that the state is the one seen before. The item of a per-channel
// group makes no difference until the group ends.
func (fl *flow) same() bool {
	a, b := &fl.flowState, &fl.seen.flowState
	return a.fill == b.fill && a.fifo == b.fifo && a.waiting == b.waiting && a.pipe == b.pipe && a.slice == b.slice
}

// skip repeats what happened since the cycle seen, as often as it may.
func (fl *flow) skip() {
	e, old := fl.e, &fl.seen
	u := &e.dequant
	cycles, issued, fed, taken := fl.cycle-old.cycle, fl.issued-old.issued, fl.fed-old.fed, fl.taken-old.taken
	moved, gave := fl.moved-old.moved, fl.gave-old.gave
	n := (burstItems - min(fl.cycle, burstItems)) / cycles
	atMost := func(left, each uint64) {
		if each > 0 {
			n = min(n, left/each)
		}
	}
	atMost(fl.mostIssued-fl.issued, issued)
	atMost(uint64(fl.mostGave-fl.gave), uint64(gave))
	atMost(u.queue[0].mark-1-min(fl.moved, u.queue[0].mark-1), moved)
	if fl.feeds {
		atMost(fl.mostFed-fl.fed, fed)
		atMost(fl.mostTaken-1-min(fl.taken, fl.mostTaken-1), taken)
	}
	if u.perChannel {
		atMost(uint64(u.groupBeats-1-fl.item), issued)
		atMost(u.groupCodes-1-u.codesAt, fed)
	}
	if n == 0 {
		return
	}
	write := u.bits.write
	e.loadCodes(fl.next(), int(n*fed))
	if u.perChannel {
		u.codesAt += n * fed
		fl.item += int(n * issued)
	} else {
		n = fl.straightGroups(n, int(issued)/u.groupBeats)
		u.bits.write = write + n*fed*uint64(16*u.lanes)
	}
	fl.cycle += n * cycles
	fl.taken += n * taken
	fl.fed += n * fed
	fl.issued += n * issued
	fl.moved += n * moved
	fl.gave += int(n) * gave
	if gave > 0 {
		fl.last += n * cycles
	}
	fl.until = 0
}

// straightGroups begins the next groups, some in each of n periods. It gives the
// periods without one that a step should take.
func (fl *flow) straightGroups(n uint64, each int) uint64 {
	u := &fl.e.dequant
	from, had := fl.cursor, u.lines.Len()
	begun := fl.begin(int(n) * each)
	whole := begun / each
	fl.groups += whole * each
	u.lines.Cut(had + whole*each)
	fl.cursor = from + (fl.cursor-from)/uint64(max(begun, 1))*uint64(whole*each)
	return uint64(whole)
}

// loadCodes puts n beats of codes into the code queue, which does not wrap.
func (e *Engine) loadCodes(p []byte, n int) {
	q := &e.dequant.bits
	if e.beatBytes == 4 {
		for range n {
			b := e.beatAt(p)
			q.put(&b, 32)
			p = p[4:]
		}
		return
	}
	words := n * e.beatBytes / 8
	for i, dst := 0, q.ring[q.write>>6:]; i < words; i++ {
		dst[i] = binary.LittleEndian.Uint64(p[8*i:])
	}
	q.write += uint64(64 * words)
}
