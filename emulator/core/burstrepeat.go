package core

// mark is where a flow stood in some cycle.
type mark struct {
	flowState
	cycle, taken, fed, issued, moved uint64
	gave                             int
}

// flowState decides, with what cannot run out soon, on all cycles to come.
type flowState struct {
	fifo, fill, item, waiting, slice int
	pipe                             uint64
}

// repeat passes over cycles that are like those just passed: if the state is the
// one it was some cycles ago, what happened since happens again and again, until
// something comes to its end.
func (fl *flow) repeat() {
	u := &fl.e.dequant
	switch {
	case u.perChannel && u.prefixAt < u.prefix && fl.feeds:
		fl.until = 0 // no state is like one before
		return
	case u.perChannel && fl.item == 0, !u.perChannel && fl.item != 0:
		return
	}
	now := fl.mark()
	if fl.until > 0 && now.flowState == fl.seen.flowState {
		if fl.skip(&now) {
			fl.until = 0
		}
		return
	}
	if fl.since++; fl.since >= fl.until {
		fl.seen, fl.since = now, 0
		fl.until = max(8, 2*fl.until)
	}
}

func (fl *flow) mark() mark {
	u := &fl.e.dequant
	m := mark{flowState{u.fifo, u.fill, 0, fl.waiting, fl.slice, fl.pipe}, fl.cycle, fl.taken, fl.fed, fl.issued, u.moved, fl.gave}
	if !u.perChannel {
		m.item = fl.item
	}
	return m
}

// skip repeats what happened since the cycle seen. It reports whether that was
// once at least.
func (fl *flow) skip(now *mark) bool {
	e, old := fl.e, &fl.seen
	u := &e.dequant
	cycles, issued, fed := now.cycle-old.cycle, now.issued-old.issued, now.fed-old.fed
	n := (burstItems - now.cycle) / cycles
	atMost := func(left, each uint64) {
		if each > 0 {
			n = min(n, left/each)
		}
	}
	atMost(fl.mostIssued-fl.issued, issued)
	atMost(uint64(fl.mostGave-fl.gave), uint64(now.gave-old.gave))
	atMost(u.queue[0].mark-1-min(u.moved, u.queue[0].mark-1), now.moved-old.moved)
	if fl.feeds {
		atMost(fl.mostFed-fl.fed, fed)
		atMost(fl.mostTaken-1-min(fl.taken, fl.mostTaken-1), now.taken-old.taken)
	}
	if u.perChannel {
		atMost(uint64(u.groupBeats-1-fl.item), issued)
		atMost(u.groupCodes-1-u.codesAt, fed)
	}
	if n == 0 {
		return false
	}
	bits := uint64(16 * u.lanes)
	write := u.bits.write
	e.loadCodes(fl.next(), int(n*fed))
	if !u.perChannel {
		n = fl.straightGroups(n, int(issued)/u.groupBeats)
		u.bits.write = write + n*fed*bits
	} else {
		u.codesAt += n * fed
		fl.item += int(n * issued)
		fl.cursor += n * issued * uint64(u.lanes) * uint64(u.coder.Bits)
	}
	fl.cycle += n * cycles
	fl.taken += n * (now.taken - old.taken)
	fl.fed += n * fed
	fl.issued += n * issued
	u.moved += n * (now.moved - old.moved)
	if k := now.gave - old.gave; k > 0 {
		fl.gave += int(n) * k
		fl.last += n * cycles
	}
	rows := fl.rowAt + int(n*issued)
	fl.rowAt = rows % u.rowBeats
	e.regs.counters[cntTokens] += uint32(rows / u.rowBeats)
	return n > 0
}

// straightGroups reads scale and minimum of the next groups, some in each of n
// periods, and counts them. It gives the periods without one that a step should
// take.
func (fl *flow) straightGroups(n uint64, each int) uint64 {
	u := &fl.e.dequant
	size := uint64(u.headUnits*u.lanes) + uint64(u.groupBeats*u.lanes)*uint64(u.coder.Bits)
	from := fl.cursor
	for i := range n {
		for k := range each {
			if !fl.straight() {
				u.lines.cut(k)
				fl.cursor = from + i*uint64(each)*size
				return i
			}
			fl.cursor += size
		}
		fl.e.regs.counters[cntGroups] += uint32(each)
	}
	return n
}

// loadCodes puts n beats of codes into the code queue.
func (e *Engine) loadCodes(p []byte, n int) {
	for range n {
		b := e.beatAt(p)
		e.dequant.bits.put(&b, 16*e.dequant.lanes)
		p = p[e.beatBytes:]
	}
}
