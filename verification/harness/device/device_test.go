// Package device tests the Verilated engine and its harness as a device.
package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/rtl"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/lockstep"
	"github.com/kvaccel/kvaccel/verification/oracle"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// sets are the engines used here: small, so that limits are near.
var sets = []lockstep.Set{lockstep.Sets()[1], lockstep.Sets()[2]}

// build makes the sets' programs and points rtl: at them.
func build(t *testing.T) {
	t.Helper()
	rtltest.Verilator(t)
	dir, err := filepath.Abs("../../../build")
	if err != nil {
		t.Fatal(err)
	}
	if err := lockstep.Build(t.Context(), sets, filepath.Join(dir, "rtl"), false); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KVACCEL_BUILD", dir)
}

// options is the part of a URI that asks for a set.
func options(s lockstep.Set) string {
	return fmt.Sprintf("?lanes=%d&max-dim=%d&tile-tokens=%d&max-tokens=%d", s.Params.Lanes, s.Params.MaxDim, s.Params.TileTokens, s.Params.MaxTokens)
}

func registry() *driver.Registry {
	var r driver.Registry
	r.Register("rtl", rtl.Open)
	r.Register("emu", emulator.Open)
	return &r
}

func open(t *testing.T, uri string) driver.Device {
	t.Helper()
	d, err := registry().Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// The RTL passes the suite that every device passes.
func TestConformance(t *testing.T) {
	build(t)
	for _, s := range sets {
		t.Run(s.Name(), func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) driver.Device { return open(t, "rtl:"+options(s)) }, drivertest.Options{Oracle: oracle.Engine{}})
		})
	}
}

// pair is the same calls on emulator and RTL.
type pair struct {
	t        *testing.T
	emu, rtl driver.Device
	log      []string
}

func (p *pair) both(what string, call func(driver.Device) ([]byte, error)) {
	p.t.Helper()
	p.log = append(p.log[max(0, len(p.log)-20):], what)
	a, errA := call(p.emu)
	b, errB := call(p.rtl)
	if !bytes.Equal(a, b) {
		p.t.Fatalf("emulator gives %x, RTL %x, after %v", a, b, p.log)
	}
	if (errA == nil) != (errB == nil) {
		p.t.Fatalf("emulator gives error %v, RTL %v, after %v", errA, errB, p.log)
	}
	for _, e := range []error{driver.ErrProtocol, driver.ErrBadRegister, driver.ErrBadPacket} {
		if errors.Is(errA, e) != errors.Is(errB, e) {
			p.t.Fatalf("emulator gives error %v, RTL %v, after %v", errA, errB, p.log)
		}
	}
}

// Whatever is called in whatever order, emulator and RTL give the same bytes, the
// same errors and, as CYCLES and the trailers show, take the same clocks for it.
func TestSameCallsSameCycles(t *testing.T) {
	build(t)
	for _, s := range sets {
		t.Run(s.Name(), func(t *testing.T) {
			p := &pair{t: t, rtl: open(t, "rtl:"+options(s))}
			p.emu = open(t, fmt.Sprintf("emu:%s&build-hash=%#x", options(s), p.rtl.Info().BuildHash))
			r := rand.New(rand.NewPCG(11, uint64(s.Params.Lanes)))
			for range 6000 {
				p.step(r, s.Params)
			}
		})
	}
}

func (p *pair) step(r *rand.Rand, params regmap.Params) {
	ctx := context.Background()
	reg := regmap.Registers[r.IntN(len(regmap.Registers))]
	read := func(d driver.Device) ([]byte, error) {
		v, err := d.ReadReg(ctx, reg.Addr)
		return fmt.Appendf(nil, "%08x", v), err
	}
	switch k := r.IntN(100); {
	case k < 35:
		req := request(r, params)
		p.both(fmt.Sprintf("send of %d bytes", len(req)), func(d driver.Device) ([]byte, error) { return nil, d.Send(ctx, req) })
	case k < 65:
		p.both("recv", func(d driver.Device) ([]byte, error) { return d.Recv(ctx, nil) })
	case k < 85:
		p.both("read "+reg.Name, read)
	case k < 95:
		v := r.Uint32()
		p.both(fmt.Sprintf("write %s %#x", reg.Name, v), func(d driver.Device) ([]byte, error) {
			// Only the explicit soft reset below may drop the packets.
			if reg.Addr == regmap.RegCtrl {
				v &^= 1 << regmap.CtrlSoftReset
			}
			return nil, d.WriteReg(ctx, reg.Addr, v)
		})
	case k < 99:
		p.both("soft reset", func(d driver.Device) ([]byte, error) {
			return nil, d.WriteReg(ctx, regmap.RegCtrl, 1<<regmap.CtrlSoftReset)
		})
	default:
		p.both("reset", func(d driver.Device) ([]byte, error) { return nil, d.(driver.Resetter).Reset(ctx) })
	}
}

// request is a small packet, mostly legal.
func request(r *rand.Rand, params regmap.Params) []byte {
	q := packet.Request{Opcode: 1 + r.Uint32N(4), Tag: uint16(r.Uint32())}
	n := 0
	switch q.Opcode {
	case regmap.OpEcho:
		q.Rows = r.IntN(500)
		n = q.Rows
	case regmap.OpSelect:
		q.Rows, q.Dims, q.Sinks, q.Recent, q.TopK = 1+r.IntN(3), 1+r.IntN(params.MaxTokens), r.IntN(4), r.IntN(4), r.IntN(40)
		n = q.Rows * (q.Dims + params.Lanes - 1) / params.Lanes * params.BeatBytes()
	default:
		q.Rows, q.Dims = 1+r.IntN(params.TileTokens), 16*(1+r.IntN(params.MaxDim/16))
		q.Layout = packet.Layout{Scheme: r.Uint32N(2), Axis: r.Uint32N(2), Group: 16, Bits: []int{2, 3, 4, 5, 6, 8}[r.IntN(6)]}
		if q.Dims%32 == 0 && r.IntN(4) == 0 {
			q.Layout = packet.Layout{Scheme: regmap.SchemeOffset, Group: 32, Bits: 4, Block: true}
		}
		n = 2 * q.Rows * q.Dims
		if q.Opcode == regmap.OpDequantize {
			n = q.QuantizedBytes(q.Rows, q.Dims)
		}
	}
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	b, err := q.Append(nil, params, body)
	if err != nil {
		panic(err) // these fields fit
	}
	if r.IntN(6) == 0 {
		b = b[:params.BeatBytes()*(1+r.IntN(len(b)/params.BeatBytes()))]
	}
	return b
}

// A traced simulation leaves a waveform that is complete once it is closed.
func TestTrace(t *testing.T) {
	build(t)
	s := sets[0]
	if err := lockstep.Build(t.Context(), sets[:1], filepath.Join(os.Getenv("KVACCEL_BUILD"), "rtl"), true); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "wave.fst")
	d := open(t, "rtl:"+options(s)+"&trace="+file)
	if err := d.Send(t.Context(), request(rand.New(rand.NewPCG(1, 1)), s.Params)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Recv(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() < 1000 {
		t.Errorf("the waveform: %v, %v", info, err)
	}
}
