package bench

import (
	"errors"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl"
)

// BenchmarkVerilated streams the same tiles through emu: and rtl: in turn, both as a
// driver.Device, and tells the engine cycles a second of each and their ratio.
// The Verilated engine looks at no pin but those of its link; scripts/build-rtl.sh
// has its options. It needs `make rtl`.
func BenchmarkVerilated(b *testing.B) {
	emu := openEmulator(b)
	for _, l := range plainLayouts {
		b.Run("quantize/"+l.name, func(b *testing.B) { benchBoth(b, emu, l.request()) })
		r := l.request()
		r.Opcode = regmap.OpDequantize
		b.Run("dequantize/"+l.name, func(b *testing.B) { benchBoth(b, emu, r) })
	}
}

func benchBoth(b *testing.B, emu driver.Device, r packet.Request) {
	sim, err := rtl.Open(b.Context(), driver.URI{Scheme: "rtl"})
	if errors.Is(err, driver.ErrNotFound) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer sim.Close()
	const count = 8
	set := newWorkingSet(count)
	wires := make([][]byte, count)
	for i := range wires {
		payload := set.bytes[i*2*tileElements:][:2*tileElements]
		if r.Opcode == regmap.OpDequantize {
			q := r
			q.Opcode = regmap.OpQuantize
			raw := stream(b, emu, 1, func(int) []byte { return wire(b, emu.Info().Params, q, payload) })
			resp, err := packet.ParseResponse(raw, emu.Info().Params)
			if err != nil {
				b.Fatal(err)
			}
			payload = resp.Payload
		}
		wires[i] = wire(b, emu.Info().Params, r, payload)
	}
	var spent [2]time.Duration
	var cycles [2]float64
	for b.Loop() {
		for i, dev := range []driver.Device{emu, sim} {
			before, start := register(b, dev, regmap.RegCycles), time.Now()
			stream(b, dev, count, func(i int) []byte { return wires[i] })
			spent[i] += time.Since(start)
			cycles[i] += float64(register(b, dev, regmap.RegCycles) - before)
		}
	}
	speed := func(i int) float64 { return cycles[i] / spent[i].Seconds() / 1e6 }
	b.ReportMetric(speed(0), "emu-Mcycles/s")
	b.ReportMetric(speed(1), "rtl-Mcycles/s")
	b.ReportMetric(speed(0)/speed(1), "times")
}
