package core

import "math"

// never is later than any cycle.
const never = math.MaxUint64

// Flags of an entry of the payload FIFO.
const (
	entLast = 1 << iota
	entPrefix
	entNonFinite
	entSaturated
)

// entry is a place of the payload FIFO.
type entry struct {
	data  Beat
	at    uint64 // the cycle it is pushed in
	bytes uint16 // valid bytes
	flags uint8
	sat   uint8 // elements clamped in it
}

// payloadFIFO holds the entries that are in the FIFO (head to seen) and those
// that will be pushed in a cycle to come (seen to tail).
type payloadFIFO struct {
	ring             []entry // a power of two
	head, seen, tail uint32  // run freely
	next             uint64  // at of the entry at seen
}

func (f *payloadFIFO) reset() {
	if f.ring == nil {
		f.ring = make([]entry, 256)
	}
	f.head, f.seen, f.tail, f.next = 0, 0, 0, never
}

// count is how many entries the FIFO holds at the start of the cycle.
func (f *payloadFIFO) count() int { return int(f.seen - f.head) }

func (f *payloadFIFO) first() *entry { return &f.ring[int(f.head)&(len(f.ring)-1)] }

// schedule adds an entry to be pushed at a cycle later than those of all
// entries before it and not before the present one. The caller fills in its
// data.
func (f *payloadFIFO) schedule(at uint64, bytes int, flags uint8) *entry {
	if int(f.tail-f.head) == len(f.ring) {
		f.grow()
	}
	en := &f.ring[int(f.tail)&(len(f.ring)-1)]
	en.at, en.bytes, en.flags, en.sat = at, uint16(bytes), flags, 0
	if f.seen == f.tail {
		f.next = at
	}
	f.tail++
	return en
}

func (f *payloadFIFO) grow() {
	ring := make([]entry, 2*len(f.ring))
	for i := f.head; i != f.tail; i++ {
		ring[int(i)&(len(ring)-1)] = f.ring[int(i)&(len(f.ring)-1)]
	}
	f.ring = ring
}

// publish pushes the next entry and gives the number of elements clamped in it.
func (f *payloadFIFO) publish() uint32 {
	mask := len(f.ring) - 1
	sat := f.ring[int(f.seen)&mask].sat
	f.seen++
	f.next = never
	if f.seen != f.tail {
		f.next = f.ring[int(f.seen)&mask].at
	}
	return uint32(sat)
}

// beatQueue is a queue of beats without time: the scales that the back sends.
type beatQueue struct {
	ring       []Beat
	head, tail uint32
}

func (q *beatQueue) reset() { q.head, q.tail = 0, 0 }

func (q *beatQueue) push(b *Beat) {
	if int(q.tail-q.head) == len(q.ring) {
		ring := make([]Beat, max(64, 2*len(q.ring)))
		for i := q.head; i != q.tail; i++ {
			ring[int(i)&(len(ring)-1)] = q.ring[int(i)&(len(q.ring)-1)]
		}
		q.ring = ring
	}
	q.ring[int(q.tail)&(len(q.ring)-1)] = *b
	q.tail++
}

func (q *beatQueue) pop() *Beat {
	b := &q.ring[int(q.head)&(len(q.ring)-1)]
	q.head++
	return b
}

// event adds to counters in a cycle to come.
type event struct {
	at             uint64
	tokens, groups uint16
	saturations    uint16
}

// eventQueue holds events by time, several of one cycle allowed.
type eventQueue struct {
	ring       []event
	head, tail uint32
	next       uint64 // at of the first
}

func (q *eventQueue) reset() { q.head, q.tail, q.next = 0, 0, never }

func (q *eventQueue) add(v event) {
	if int(q.tail-q.head) == len(q.ring) {
		ring := make([]event, max(64, 2*len(q.ring)))
		for i := q.head; i != q.tail; i++ {
			ring[int(i)&(len(ring)-1)] = q.ring[int(i)&(len(q.ring)-1)]
		}
		q.ring = ring
	}
	if q.head == q.tail {
		q.next = v.at
	}
	q.ring[int(q.tail)&(len(q.ring)-1)] = v
	q.tail++
}

// insert adds an event that may come before others.
func (q *eventQueue) insert(v event) {
	q.add(v)
	mask := len(q.ring) - 1
	for i := q.tail - 1; i != q.head && q.ring[int(i-1)&mask].at > v.at; i-- {
		q.ring[int(i)&mask], q.ring[int(i-1)&mask] = q.ring[int(i-1)&mask], v
	}
	q.next = q.ring[int(q.head)&mask].at
}

// fire counts the events of a cycle.
func (q *eventQueue) fire(now uint64, c *counters) {
	for q.next == now {
		v := &q.ring[int(q.head)&(len(q.ring)-1)]
		c[cntTokens] += uint32(v.tokens)
		c[cntGroups] += uint32(v.groups)
		c[cntSaturations] += uint32(v.saturations)
		q.head++
		q.next = never
		if q.head != q.tail {
			q.next = q.ring[int(q.head)&(len(q.ring)-1)].at
		}
	}
}
