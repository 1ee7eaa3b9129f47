package emulator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

func open(t testing.TB, uri string) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The conformance suite on one engine; verification/conformance has the others.
func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) driver.Device {
		return open(t, "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512")
	}, drivertest.Options{Oracle: oracle.Engine{}, Seed: 3})
}

func TestInfo(t *testing.T) {
	const uri = "emu:?build-hash=0xdeadbeef&clock=2.5e8&features=5&lanes=16&max-dim=64&max-tokens=256&tile-tokens=32"
	d := open(t, uri)
	want := driver.Info{
		URI: uri, Source: driver.Emulator, Description: "emulator l16-d64-t32-n256",
		ABI: regmap.ABIVersion, SpecID: regmap.SpecID, BuildHash: 0xdeadbeef, Features: 5,
		Params: regmap.Params{Lanes: 16, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, ClockHz: 2.5e8,
	}
	if got := d.Info(); got != want {
		t.Errorf("Info is\n%+v, want\n%+v", got, want)
	}
	// Counters start from 0; a read takes 3 clocks, the value that of the second.
	for i := range uint32(3) {
		if v, err := d.ReadReg(t.Context(), regmap.RegCycles); err != nil || v != 3*i+1 {
			t.Errorf("CYCLES reads %d, %v; want %d", v, err, 3*i+1)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct{ uri, names string }{
		{"emu:board", "board"},
		{"emu:?lane=4", "build-hash, clock, features, lanes, max-dim, max-tokens, tile-tokens"},
		{"emu:?lanes=3", "lanes=3, want a power of two from 2 to 16"},
		{"emu:?lanes=x", "lanes"},
		{"emu:?lanes=4&lanes=8", "lanes is given 2 times"},
		{"emu:?max-dim=1024", "max-dim=1024"},
		{"emu:?tile-tokens=8", "tile-tokens=8"},
		{"emu:?max-tokens=300", "max-tokens=300"},
		{"emu:?features=16", "features"},
		{"emu:?features=-1", "features"},
		{"emu:?build-hash=0x100000000", "build-hash"},
		{"emu:?clock=0", "clock"},
		{"emu:?clock=NaN", "clock"},
		{"emu:?clock=", "clock"},
	} {
		u, err := driver.ParseURI(c.uri)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(t.Context(), u)
		if d != nil || !errors.Is(err, driver.ErrOption) || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: device %v, error %v; want %v naming %q", c.uri, d, err, driver.ErrOption, c.names)
		}
	}
}

// exchange sends requests and gives the answers.
func exchange(t testing.TB, d driver.Device, requests ...[]byte) []packet.Response {
	t.Helper()
	for _, r := range requests {
		if err := d.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var all []packet.Response
	for range requests {
		b, err := d.Recv(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := packet.ParseResponse(b, d.Info().Params)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func echo(t *testing.T, d driver.Device, tag uint16, n int) []byte {
	t.Helper()
	b, err := packet.Request{Opcode: regmap.OpEcho, Tag: tag, Rows: n}.Append(nil, d.Info().Params, make([]byte, n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A soft reset at any moment of a queue drops what was sent before it and
// nothing of what is sent after.
func TestSoftResetDropsQueue(t *testing.T) {
	for _, lanes := range []string{"2", "4", "8", "16"} {
		d := open(t, "emu:?max-dim=32&tile-tokens=16&max-tokens=256&lanes="+lanes)
		for reads := range 40 {
			for i := range 6 {
				if err := d.Send(t.Context(), echo(t, d, uint16(i), 50*(i%3))); err != nil {
					t.Fatal(err)
				}
			}
			for range reads { // 3 clocks each
				if _, err := d.ReadReg(t.Context(), regmap.RegStatus); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.WriteReg(t.Context(), regmap.RegCtrl, 1<<regmap.CtrlSoftReset); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Recv(t.Context(), nil); !errors.Is(err, driver.ErrProtocol) {
				t.Fatalf("lanes %s, after %d reads: Recv after a soft reset: %v, want %v", lanes, reads, err, driver.ErrProtocol)
			}
			for i, r := range exchange(t, d, echo(t, d, 100, 16), echo(t, d, 101, 0)) {
				if r.Tag != uint16(100+i) || r.Status != regmap.StOK {
					t.Fatalf("lanes %s, after %d reads: answer %+v", lanes, reads, r)
				}
			}
		}
	}
}

// Responses that come in during register accesses wait for Recv.
func TestResponsesWait(t *testing.T) {
	d := open(t, "emu:")
	var sent [][]byte
	for i := range 5 {
		sent = append(sent, echo(t, d, uint16(i), 100*i))
		if err := d.Send(t.Context(), sent[i]); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		if _, err := d.ReadReg(t.Context(), regmap.RegScratch); err != nil {
			t.Fatal(err)
		}
	}
	cycles, err := d.ReadReg(t.Context(), regmap.RegCycles)
	if err != nil {
		t.Fatal(err)
	}
	dst := []byte("kept")
	for i := range sent {
		if dst, err = d.Recv(t.Context(), dst[:4]); err != nil || string(dst[:4]) != "kept" {
			t.Fatal(string(dst[:4]), err)
		}
		if r, err := packet.ParseResponse(slices.Clone(dst[4:]), d.Info().Params); err != nil || r.Tag != uint16(i) || len(r.Payload) != 100*i {
			t.Fatalf("answer %d: %+v, %v", i, r, err)
		}
	}
	if again, err := d.ReadReg(t.Context(), regmap.RegCycles); err != nil || again != cycles+3 {
		t.Errorf("CYCLES went from %d to %d, %v: time passed in Recv though all was there", cycles, again, err)
	}
}

// A call whose context ends stops, and the device goes on afterwards.
func TestCancelledRecv(t *testing.T) {
	d := open(t, "emu:")
	b, err := packet.Request{Opcode: regmap.OpSelect, Rows: 100, Dims: 4096, Selection: packet.Selection{TopK: 1}}.Append(nil, d.Info().Params, make([]byte, 100*8192))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	timed, stop := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer stop()
	if _, err := d.Recv(timed, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Recv after the deadline: %v", err)
	}
	looks := 0
	if _, err := d.Recv(countdown{ctx, &looks, cancel}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv cancelled under way: %v", err)
	}
	got, err := d.Recv(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := packet.ParseResponse(got, d.Info().Params); err != nil || r.Status != regmap.StOK || r.StallIn != 0 {
		t.Errorf("answer after a cancelled Recv: %+v, %v", r, err)
	}
}

// countdown is a context that cancels itself when it is looked at the third time.
type countdown struct {
	context.Context
	looks  *int
	cancel func()
}

func (c countdown) Err() error {
	if *c.looks++; *c.looks == 3 {
		c.cancel()
	}
	return c.Context.Err()
}

// Two devices do the same in the same clocks.
func TestDeterminism(t *testing.T) {
	read := func(d driver.Device) (v []uint32) {
		for _, r := range regmap.Registers {
			w, err := d.ReadReg(t.Context(), r.Addr)
			if err != nil {
				t.Fatal(err)
			}
			v = append(v, w)
		}
		return v
	}
	run := func() []uint32 {
		d := open(t, "emu:")
		exchange(t, d, echo(t, d, 1, 1000), echo(t, d, 2, 3), echo(t, d, 3, 0))
		return read(d)
	}
	if a, b := run(), run(); !slices.Equal(a, b) {
		t.Errorf("registers %v, then %v", a, b)
	}
}

// BenchmarkDevice moves tiles through the device: what a session costs.
func BenchmarkDevice(b *testing.B) {
	d := open(b, "emu:")
	r := packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 32, Bits: 4}, Rows: 128, Dims: 128}
	wire, err := r.Append(nil, d.Info().Params, make([]byte, 128*128*2))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wire)))
	var dst []byte
	for b.Loop() {
		if err := d.Send(b.Context(), wire); err != nil {
			b.Fatal(err)
		}
		if dst, err = d.Recv(b.Context(), dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
	cycles, err := d.ReadReg(b.Context(), regmap.RegCycles)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(cycles)/b.Elapsed().Seconds()/1e6, "Mclocks/s")
}
