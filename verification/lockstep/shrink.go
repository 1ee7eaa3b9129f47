package lockstep

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// Sequence is a run as its input pins, one record a clock, the first clocks with
// rst_i. Any part of one is a run again, since the engine must stand any pins: that
// is what makes it easy to shorten.
type Sequence struct {
	Set       Set
	BuildHash uint32
	Pins      []byte // encoded simulation.PinsIn
}

// Clocks is its length.
func (s Sequence) Clocks() int { return len(s.Pins) / simulation.PinsInSize }

// Record gives the pins of a run's first clocks.
func Record(c Config, buildHash uint32, clocks int) (Sequence, error) {
	e, err := newEmulation(c, buildHash)
	if err != nil {
		return Sequence{}, err
	}
	s := Sequence{Set: c.Set, BuildHash: buildHash}
	for n := 0; n < clocks; n += chunk {
		e.run(min(chunk, clocks-n))
		s.Pins = append(s.Pins, e.in...)
	}
	return s, nil
}

// Differs plays the sequence on an emulator and on m, both fresh, and gives the
// clock of the first difference, -1 if there is none.
func (s Sequence) Differs(ctx context.Context, m Machine) (int, error) {
	e, err := core.New(s.Set.Params, s.Set.Features, s.BuildHash)
	if err != nil {
		return -1, err
	}
	const in, out = simulation.PinsInSize, simulation.PinsOutSize
	var want []byte
	for at := 0; at < s.Clocks(); at += chunk {
		part := s.Pins[at*in : min(len(s.Pins), (at+chunk)*in)]
		want = want[:0]
		for i := 0; i < len(part); i += in {
			o := e.Outputs()
			po := pinsOut(&o, e.Taps())
			want = po.Append(want)
			var pi simulation.PinsIn
			pi.Decode(part[i:])
			ci := coreInputs(&pi)
			e.Step(&ci)
		}
		got, err := m.Replay(ctx, part)
		if err != nil {
			return -1, err
		}
		if at == 0 && len(want) > 0 {
			copy(got, want[:out]) // undefined before the first reset
		}
		if !bytes.Equal(got, want) {
			return at + firstDifference(got, want), nil
		}
	}
	return -1, nil
}

// Shrink gives the shortest sequence it finds that still differs, trying at most so
// many. fresh starts a machine for one try; its second result ends it. The sequence
// must differ.
//
// It is delta debugging (Zeller, Hildebrandt 2002) over clocks, ends first, and then
// over what each clock does beside the data streams.
func Shrink(ctx context.Context, s Sequence, tries int, fresh func() (Machine, func(), error)) (Sequence, error) {
	k := shrinker{ctx: ctx, best: s, tries: tries, fresh: fresh}
	if ok, err := k.try(s); err != nil || !ok {
		return s, fmt.Errorf("the sequence to shorten does not differ (%v)", err)
	}
	k.tail()
	for before := -1; before != k.best.Clocks() && k.err == nil; {
		before = k.best.Clocks()
		for size := before / 2; size > 0; size /= 2 {
			k.remove(size)
		}
	}
	k.calm()
	return k.best, k.err
}

type shrinker struct {
	ctx   context.Context
	best  Sequence // the shortest that differs
	tries int
	fresh func() (Machine, func(), error)
	err   error
}

// resetClocks start every sequence.
const resetClocks = 2

// try plays a sequence and keeps it, up to its difference, if there is one.
func (k *shrinker) try(s Sequence) (bool, error) {
	if k.tries <= 0 || k.err != nil {
		return false, k.err
	}
	k.tries--
	m, end, err := k.fresh()
	if err != nil {
		k.err = err
		return false, err
	}
	defer end()
	at, err := s.Differs(k.ctx, m)
	if err != nil {
		k.err = err
		return false, err
	}
	if at < 0 {
		return false, nil
	}
	s.Pins = s.Pins[:min(len(s.Pins), (at+1)*simulation.PinsInSize)]
	k.best = s
	return true, nil
}

// without is the best sequence less the clocks from to to.
func (k *shrinker) without(from, to int) Sequence {
	const n = simulation.PinsInSize
	s := k.best
	s.Pins = append(append([]byte(nil), k.best.Pins[:from*n]...), k.best.Pins[to*n:]...)
	return s
}

// tail looks for a difference that shows soon after a reset.
func (k *shrinker) tail() {
	total := k.best.Clocks()
	for keep := 16; keep < total-resetClocks && k.tries > 0 && k.err == nil; keep *= 2 {
		if ok, _ := k.try(k.without(resetClocks, total-keep)); ok {
			return
		}
	}
}

// remove tries to leave out each stretch of size clocks, from the end.
func (k *shrinker) remove(size int) {
	for to := k.best.Clocks() - 1; to-size >= resetClocks && k.tries > 0 && k.err == nil; {
		if ok, _ := k.try(k.without(to-size, to)); ok {
			to = min(to-size, k.best.Clocks()-1)
		} else {
			to -= size
		}
	}
}

// calm tries to do without register traffic, stalls of the output, and noise.
func (k *shrinker) calm() {
	for _, f := range []func(*simulation.PinsIn){
		func(p *simulation.PinsIn) { p.Flags &^= simulation.InAWValid | simulation.InWValid },
		func(p *simulation.PinsIn) { p.Flags &^= simulation.InARValid },
		func(p *simulation.PinsIn) { p.Flags |= simulation.InMReady | simulation.InBReady | simulation.InRReady },
		func(p *simulation.PinsIn) {
			if p.Flags&simulation.InSValid == 0 {
				p.Data, p.Flags = [4]uint64{}, p.Flags&^simulation.InSLast
			}
			if p.Flags&(simulation.InAWValid|simulation.InWValid|simulation.InARValid) == 0 {
				p.WData, p.AWAddr, p.ARAddr = 0, 0, 0
			}
		},
	} {
		s := k.best
		s.Pins = nil
		for i := 0; i < len(k.best.Pins); i += simulation.PinsInSize {
			var p simulation.PinsIn
			p.Decode(k.best.Pins[i:])
			if p.Flags&simulation.InReset == 0 {
				f(&p)
			}
			s.Pins = p.Append(s.Pins)
		}
		if _, err := k.try(s); err != nil {
			return
		}
	}
}

// Describe lists what the sequence does: packets as far as they are handed over,
// register accesses, resets.
func (s Sequence) Describe() (string, error) {
	e, err := core.New(s.Set.Params, s.Set.Features, s.BuildHash)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var beats []byte
	start := 0
	for at := 0; at < s.Clocks(); at++ {
		var p simulation.PinsIn
		p.Decode(s.Pins[at*simulation.PinsInSize:])
		in, out := coreInputs(&p), e.Outputs()
		switch {
		case in.Reset:
			fmt.Fprintf(&b, "clock %d: rst_i\n", at)
		case in.SValid && out.SReady:
			if len(beats) == 0 {
				start = at
			}
			for i := range s.Set.Params.BeatBytes() {
				beats = append(beats, byte(p.Data[i/8]>>(i%8*8)))
			}
			if in.SLast {
				fmt.Fprintf(&b, "clock %d to %d: %s\n", start, at, describePacket(beats))
				beats = beats[:0]
			}
		}
		if in.AWValid && out.AWReady || in.WValid && out.WReady {
			fmt.Fprintf(&b, "clock %d: write, address %#x data %#x strobe %#x\n", at, in.AWAddr, in.WData, in.WStrb)
		}
		if in.ARValid && out.ARReady {
			fmt.Fprintf(&b, "clock %d: read of %#x\n", at, in.ARAddr)
		}
		e.Step(&in)
	}
	if len(beats) > 0 {
		fmt.Fprintf(&b, "clock %d on: %s, unfinished\n", start, describePacket(beats))
	}
	fmt.Fprintf(&b, "%d clocks", s.Clocks())
	return b.String(), nil
}

func describePacket(b []byte) string {
	if len(b) < regmap.HeaderBytes {
		return fmt.Sprintf("packet of %d bytes", len(b))
	}
	return fmt.Sprintf("%s, header %x, %d bytes", packet.OpcodeName(regmap.ReqOpcode.Get(b)), b[:regmap.HeaderBytes], len(b))
}

// coreInputs undoes pinsIn.
func coreInputs(p *simulation.PinsIn) core.Inputs {
	f := func(bit uint16) bool { return p.Flags&bit != 0 }
	return core.Inputs{
		Reset: f(simulation.InReset), SValid: f(simulation.InSValid), SLast: f(simulation.InSLast), SData: p.Data,
		MReady: f(simulation.InMReady), AWValid: f(simulation.InAWValid), AWAddr: p.AWAddr, WValid: f(simulation.InWValid),
		WData: p.WData, WStrb: uint8(p.Flags >> simulation.InStrobeShift), BReady: f(simulation.InBReady),
		ARValid: f(simulation.InARValid), ARAddr: p.ARAddr, RReady: f(simulation.InRReady),
	}
}
