package lockstep

import (
	"fmt"
	"strings"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl/simulation"
)

// Difference is the first clock in which the two sides do not agree.
type Difference struct {
	Config    Config
	BuildHash uint32
	Cycle     int
	Fields    []Field
	Window    []string // the cycles around it, one line each, of the emulator; of the RTL from Cycle on
	UnderWay  []string // the packets that the engine is busy with
	Waveform  string   // the RTL's; "" if none could be made
	Shortest  string   // the shortest sequence found that leads to a difference
}

// Field is a pin or register that differs.
type Field struct {
	Name          string
	Emulator, RTL string
}

func (d *Difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "emulator and RTL differ: %s, features %#x, seed %d, cycle %d\n", d.Config.Name(), d.Config.Features, d.Config.Seed, d.Cycle)
	for _, f := range d.Fields {
		fmt.Fprintf(&b, "  %-22s emulator %s, RTL %s\n", f.Name, f.Emulator, f.RTL)
	}
	fmt.Fprintln(&b, "  under way:")
	for _, s := range d.UnderWay {
		fmt.Fprintln(&b, "   ", s)
	}
	fmt.Fprintln(&b, "   ", windowHead)
	for _, s := range d.Window {
		fmt.Fprintln(&b, "   ", s)
	}
	if d.Waveform != "" {
		fmt.Fprintln(&b, "  waveform of the RTL:", d.Waveform)
	}
	if d.Shortest != "" {
		fmt.Fprintf(&b, "  shortened:\n%s\n", d.Shortest)
	}
	c := d.Config
	c.Cycles = d.Cycle + 50
	fmt.Fprint(&b, "  again: ", c.Command())
	return b.String()
}

// Cycles shown before and after the difference.
const (
	windowBefore = 14
	windowAfter  = 6
)

// explain runs the emulator again up to a difference and describes it. got holds
// the RTL's records from the differing cycle on.
func explain(c Config, buildHash uint32, cycle int, got []byte) (*Difference, error) {
	e, err := newEmulation(c, buildHash)
	if err != nil {
		return nil, err
	}
	d := &Difference{Config: c, BuildHash: buildHash, Cycle: cycle}
	first := max(0, cycle-windowBefore)
	e.skip(first)
	for t := first; t <= cycle+windowAfter; t++ {
		e.run(1)
		var in simulation.PinsIn
		var want simulation.PinsOut
		in.Decode(e.in)
		want.Decode(e.want)
		mark := " "
		if t == cycle {
			mark = ">"
			d.UnderWay = e.stimulus.underWay()
		}
		d.Window = append(d.Window, mark+windowLine(t, "emu", &in, &want, c.Params))
		if i := t - cycle; i >= 0 && (i+1)*simulation.PinsOutSize <= len(got) {
			var have simulation.PinsOut
			have.Decode(got[i*simulation.PinsOutSize:])
			d.Window = append(d.Window, " "+windowLine(t, "rtl", &in, &have, c.Params))
			if i == 0 {
				d.Fields = compare(&want, &have)
			}
		}
	}
	return d, nil
}

var flagNames = []string{"s_axis_tready", "m_axis_tvalid", "m_axis_tlast", "s_axil_awready", "s_axil_wready", "s_axil_bvalid", "s_axil_arready", "s_axil_rvalid", "irq_o"}

// tapNames are the counters and the registers behind them.
func tapNames() []string {
	var s []string
	for _, r := range regmap.Registers {
		if r.Addr >= regmap.RegCycles {
			s = append(s, r.Name)
		}
	}
	return append(s, "ERRORS", "IRQ_STATUS", "IRQ_ENABLE", "SCRATCH", "STATUS")
}

// compare lists the fields that differ.
func compare(want, have *simulation.PinsOut) []Field {
	var fs []Field
	add := func(name, format string, a, b any) {
		if a != b {
			fs = append(fs, Field{name, fmt.Sprintf(format, a), fmt.Sprintf(format, b)})
		}
	}
	for i, n := range flagNames {
		add(n, "%d", want.Flags>>i&1, have.Flags>>i&1)
	}
	add("s_axil_bresp", "%d", want.Flags>>simulation.OutBRespShift&3, have.Flags>>simulation.OutBRespShift&3)
	add("s_axil_rresp", "%d", want.Flags>>simulation.OutRRespShift, have.Flags>>simulation.OutRRespShift)
	add("s_axil_rdata", "%#x", want.RData, have.RData)
	add("m_axis_tdata", "%s", data(want.Data, 16), data(have.Data, 16))
	for i, n := range tapNames() {
		add(n, "%#x", want.Taps[i], have.Taps[i])
	}
	return fs
}

// data is a beat in hexadecimal, highest lane first.
func data(d [4]uint64, lanes int) string {
	s := fmt.Sprintf("%016x%016x%016x%016x", d[3], d[2], d[1], d[0])
	return s[64-4*lanes:]
}

const windowHead = "      cycle side | rst s:vrl tdata | m:vrl tdata | aw w b ar r (valid ready) | in flight, STATUS | STALL_IN STALL_OUT TOKENS GROUPS SATUR NONFIN"

func windowLine(t int, side string, in *simulation.PinsIn, out *simulation.PinsOut, p regmap.Params) string {
	i := func(bit uint16) uint16 { return min(1, in.Flags&bit) }
	o := func(bit uint16) uint16 { return min(1, out.Flags&bit) }
	st := out.Taps[15]
	return fmt.Sprintf("%10d %s | %d %d%d%d %s | %d%d%d %s | %d%d %d%d %d%d %d%d %d%d | %d %02x | %d %d %d %d %d %d", t, side,
		i(simulation.InReset), i(simulation.InSValid), o(simulation.OutSReady), i(simulation.InSLast), data(in.Data, p.Lanes),
		o(simulation.OutMValid), i(simulation.InMReady), o(simulation.OutMLast), data(out.Data, p.Lanes),
		i(simulation.InAWValid), o(simulation.OutAWReady), i(simulation.InWValid), o(simulation.OutWReady),
		o(simulation.OutBValid), i(simulation.InBReady), i(simulation.InARValid), o(simulation.OutARReady),
		o(simulation.OutRValid), i(simulation.InRReady), st>>regmap.StatInFlight&0xF, st&0xF,
		out.Taps[2], out.Taps[3], out.Taps[7], out.Taps[8], out.Taps[9], out.Taps[10])
}
