package drivertest

import (
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// mixed is a queue of n commands of all kinds, about one in six malformed, with
// runs of one kind, which the engine works on at once.
func (s *session) mixed(n int) (list []command) {
	shapes := append(s.shapes(), slices.Concat(s.rotated(), s.wideShapes())...)
	shapes = slices.DeleteFunc(shapes, func(sh shape) bool { return sh.rows*sh.dims > 4096 })
	for len(list) < n {
		var c command
		switch op := commands[s.rng.IntN(len(commands))]; op {
		case regmap.OpEcho:
			size := s.rng.IntN(300)
			c = s.command(packet.Request{Opcode: op, Rows: size}, s.randomBytes(size))
		case regmap.OpSelect:
			p := 1 + s.rng.IntN(150)
			q := s.budget(options[s.rng.IntN(len(options))], p, 1+s.rng.IntN(3))
			c = s.choice(q, weightKinds[s.rng.IntN(len(weightKinds))])
		case regmap.OpCompress:
			keys := s.keyLayouts(32)
			q := s.compression(keys[s.rng.IntN(len(keys))], 16*s.rng.IntN(3), 1+s.rng.IntN(40), 32, options[s.rng.IntN(len(options))])
			c = s.choice(q, weightKinds[s.rng.IntN(len(weightKinds))])
		case regmap.OpSource:
			c = s.source(s.rng.IntN(300), 1+s.rng.Uint32N(1000))
		case regmap.OpSink:
			size := 1 + s.rng.IntN(300)
			c = s.sink(size, 1+s.rng.Uint32N(1000), s.rng.IntN(size))
		default:
			sh := shapes[s.rng.IntN(len(shapes))]
			payload := s.foreignTile(sh)
			if op == regmap.OpQuantize {
				payload = pack(s.tile(sh.Layout, sh.rows, sh.dims))
			}
			c = s.command(sh.request(op), payload)
		}
		for range 1 + s.rng.IntN(3) {
			list = append(list, s.again(c))
		}
		if s.rng.IntN(3) == 0 {
			bad := s.malformed(regmap.ReqOpcode.Get(c.wire))
			list = append(list, bad[s.rng.IntN(len(bad))])
		}
	}
	return list[:n]
}

// testQueue: long queues without a look at the answers, then with a window.
func testQueue(s *session) {
	s.run(s.mixed(60)...)
	const window = 9
	cmds := s.mixed(120)
	for i, c := range cmds {
		s.send(c)
		if i >= window {
			s.receive(cmds[i-window])
		}
	}
	for _, c := range cmds[len(cmds)-window:] {
		s.receive(c)
	}
	s.nothingOutstanding()
}

// tally is what the counters must read.
type tally map[uint32]uint32

func (t tally) add(c command) {
	a := c.want
	for addr, n := range map[uint32]int{
		regmap.RegBeatsIn: a.beatsIn, regmap.RegBeatsOut: a.beatsOut, regmap.RegPackets: 1,
		regmap.RegTokens: a.rows, regmap.RegGroups: a.groups,
		regmap.RegSaturations: a.saturated, regmap.RegNonFinite: a.nonFinite,
	} {
		t[addr] += uint32(n)
	}
}

// check compares every counter that is told by the packets alone, once the
// engine is done: what it drops of a packet may come in after the answer.
func (s *session) check(when string, want tally) {
	s.t.Helper()
	for s.read(regmap.RegStatus)>>regmap.StatBusy&1 != 0 {
		if err := s.ctx.Err(); err != nil {
			s.t.Fatalf("%s: still busy: %v", when, err)
		}
	}
	for _, r := range regmap.Registers {
		if n, ok := want[r.Addr]; ok {
			if v := s.read(r.Addr); v != n {
				s.t.Fatalf("%s: %s reads %d, want %d", when, r.Name, v, n)
			}
		}
	}
}

// testCounters: after every command, and after a queue.
func testCounters(s *session) {
	want := tally{}
	for _, c := range append(s.varied(), s.mixed(60)...) {
		s.run(c)
		want.add(c)
		s.check("after "+c.name, want)
	}
	queue := s.mixed(40)
	s.run(queue...)
	for _, c := range queue {
		want.add(c)
	}
	s.check("after a queue", want)
	cycles, active := s.read(regmap.RegCycles), s.read(regmap.RegActive)
	if least := max(want[regmap.RegBeatsIn], want[regmap.RegBeatsOut]); active < least || cycles < active {
		s.t.Errorf("%d cycles, %d of them active, for %d beats in and %d out", cycles, active, want[regmap.RegBeatsIn], want[regmap.RegBeatsOut])
	}
	if in, out := s.read(regmap.RegStallIn), s.read(regmap.RegStallOut); !s.opts.Live && (in != 0 || out != 0) {
		s.t.Errorf("%d and %d cycles stalled on an ideal link", in, out)
	}
	before := s.read(regmap.RegActive)
	s.read(regmap.RegStatus)
	if after := s.read(regmap.RegActive); after != before {
		s.t.Errorf("ACTIVE goes from %d to %d in an idle engine", before, after)
	}
}

// testClear: CtrlClear zeroes counters, errors and interrupts, and nothing else.
func testClear(s *session) {
	s.write(regmap.RegScratch, 0xfeedf00d)
	s.write(regmap.RegIrqEnable, 1<<regmap.IrqError)
	for _, op := range commands {
		s.run(s.small(op))
		s.run(s.malformed(op)...)
	}
	s.run(s.selection(20, 3, 0, 0, 5, weightKinds[3]), s.selection(20, 3, 0, 0, 5, weightKinds[7]))
	s.settle("before a clear")
	before := s.read(regmap.RegCycles)
	s.write(regmap.RegCtrl, 1<<regmap.CtrlClear)
	want := tally{regmap.RegErrors: 0, regmap.RegIrqStatus: 0, regmap.RegActive: 0, regmap.RegStallIn: 0, regmap.RegStallOut: 0}
	want.add(command{})
	want[regmap.RegPackets] = 0
	s.check("after a clear", want)
	if after := s.read(regmap.RegCycles); after >= before && !s.opts.Live {
		s.t.Errorf("CYCLES reads %d after a clear, %d before", after, before)
	}
	if v := s.read(regmap.RegScratch); v != 0xfeedf00d {
		s.t.Errorf("SCRATCH reads %#x after a clear", v)
	}
	if v := s.read(regmap.RegIrqEnable); v != 1<<regmap.IrqError {
		s.t.Errorf("IRQ_ENABLE reads %#x after a clear", v)
	}
	delete(want, regmap.RegActive)
	delete(want, regmap.RegStallIn)
	delete(want, regmap.RegStallOut)
	want[regmap.RegIrqStatus] = 1 << regmap.IrqDone
	for _, op := range commands {
		c := s.small(op)
		s.run(c)
		want.add(c)
		if c.want.status != regmap.StOK {
			want[regmap.RegErrors] |= 1 << c.want.status
			want[regmap.RegIrqStatus] |= 1 << regmap.IrqError
		}
		s.check("after a clear and "+c.name, want)
	}
}

// settle waits until STATUS reads 0.
func (s *session) settle(when string) {
	s.t.Helper()
	const reads = 1 << 20
	for range reads {
		if s.read(regmap.RegStatus) == 0 {
			return
		}
	}
	s.t.Fatalf("%s: STATUS still reads %#x after %d reads", when, s.read(regmap.RegStatus), reads)
}

// testSoftReset: of an idle engine it changes no register and no answer; of a
// busy one it drops all work, and the next command is right.
func testSoftReset(s *session) {
	want := tally{}
	s.write(regmap.RegScratch, 0x600df00d)
	for round := range 3 {
		for _, op := range commands {
			cmds := append(s.malformed(op), s.small(op))
			s.run(cmds...)
			for _, c := range cmds {
				want.add(c)
			}
			s.write(regmap.RegCtrl, 1<<regmap.CtrlSoftReset)
			s.settle("after a soft reset")
			s.check("after a soft reset", want)
			s.nothingOutstanding()
		}
		if v := s.read(regmap.RegScratch); v != 0x600df00d {
			s.t.Fatalf("SCRATCH reads %#x after soft reset %d", v, round)
		}
	}
	s.run(s.mixed(20)...)
	// Amid work, as far on as a few more register reads let it come: all of it
	// is dropped, what was answered and not yet received too.
	for reads := range 40 {
		cmds := s.mixed(5)
		for _, c := range cmds {
			s.send(c)
		}
		for range reads % 3 {
			s.receive(cmds[0])
			cmds = cmds[1:]
		}
		for range reads {
			s.read(regmap.RegStatus)
		}
		s.write(regmap.RegCtrl, 1<<regmap.CtrlSoftReset)
		s.settle("after a soft reset amid work")
		s.nothingOutstanding()
		s.run(s.mixed(2)...)
	}
}

// testReset: from outside, everything starts anew.
func testReset(s *session) {
	r, ok := s.dev.(driver.Resetter)
	if ok == s.opts.NoReset {
		s.t.Fatalf("the device is a driver.Resetter: %v; Options.NoReset is %v", ok, s.opts.NoReset)
	}
	if !ok {
		return
	}
	for range 2 {
		s.run(s.mixed(12)...)
		s.write(regmap.RegScratch, 1)
		s.write(regmap.RegIrqEnable, 3)
		if err := r.Reset(s.ctx); err != nil {
			s.t.Fatalf("Reset: %v", err)
		}
		want := tally{regmap.RegScratch: 0, regmap.RegIrqEnable: 0, regmap.RegErrors: 0, regmap.RegIrqStatus: 0, regmap.RegStatus: 0, regmap.RegActive: 0}
		want.add(command{})
		want[regmap.RegPackets] = 0
		s.check("after a reset", want)
		s.nothingOutstanding()
	}
	// With work queued, begun and answered in part: nothing of it is left.
	for _, c := range s.varied() {
		for range 4 {
			s.send(c)
		}
		s.receive(c)
		if err := r.Reset(s.ctx); err != nil {
			s.t.Fatalf("Reset amid %s: %v", c.name, err)
		}
		s.nothingOutstanding()
		s.run(s.again(c))
	}
	s.run(s.mixed(12)...)
}

// testSameCycles: one command takes the same number of cycles whenever it is
// sent to an idle engine, and a queue on every fresh device.
func testSameCycles(s *session) {
	for _, c := range append(s.varied(), s.malformed(regmap.OpQuantize)...) {
		first := s.run(c)[0]
		for range 3 {
			s.run(s.mixed(2)...)
			if n := s.run(s.again(c))[0]; n != first {
				s.t.Fatalf("%s: %d cycles, %d before", c.name, n, first)
			}
		}
	}
	if s.opts.Live {
		return
	}
	queue := s.mixed(40)
	s.reopen()
	first := s.run(queue...)
	s.reopen()
	if second := s.run(queue...); !slices.Equal(first, second) {
		s.t.Errorf("a queue took\n%d, the second time\n%d cycles", first, second)
	}
}
