package link

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

// engine opens an emulator that is closed with the test.
func engine(t testing.TB, uri string) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := emulator.Open(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

// dial puts an emulator behind a link and opens that.
func dial(t testing.TB, uri string, o Options, b BoardOptions, hurt func() func([]byte) []byte) *Device {
	t.Helper()
	dev := engine(t, uri)
	host, device := pipe(hurt)
	served := make(chan error, 1)
	go func() { served <- Serve(context.Background(), device, dev, b) }()
	t.Cleanup(func() {
		host.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		dev.Close()
	})
	d, err := Open(t.Context(), host, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// small is an engine whose conformance runs are short.
const small = "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512"

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		b    BoardOptions
		hurt func() func([]byte) []byte
	}{
		{"clean", BoardOptions{}, nil},
		{"narrow", BoardOptions{Window: 2, SendWindow: 2}, nil},
		{"noisy", BoardOptions{Retry: 3 * time.Millisecond}, noise(1, 3000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) driver.Device {
				return dial(t, small, Options{URI: "test:", Retry: 3 * time.Millisecond}, c.b, c.hurt)
			}, drivertest.Options{Oracle: oracle.Engine{}, Seed: 5, Live: true})
		})
	}
}

// echo sends n commands of random sizes, some at once, and judges every answer.
func echo(t *testing.T, d *Device, rng *rand.Rand, n int) {
	t.Helper()
	p := d.Info().Params
	for done := 0; done < n; {
		var want [][]byte
		for range 1 + rng.IntN(6) {
			b := make([]byte, rng.IntN(2000))
			for i := range b {
				b[i] = uint8(rng.Uint32() & rng.Uint32())
			}
			wire, err := packet.Request{Opcode: regmap.OpEcho, Tag: uint16(done), Rows: len(b)}.Append(nil, p, b)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Send(t.Context(), wire); err != nil {
				t.Fatalf("Send %d: %v", done, err)
			}
			want = append(want, b)
			done++
		}
		for i, b := range want {
			raw, err := d.Recv(t.Context(), nil)
			if err != nil {
				t.Fatalf("Recv: %v, %+v", err, d.Stats())
			}
			r, err := packet.ParseResponse(raw, p)
			if err != nil || !bytes.Equal(r.Payload, b) || int(r.Tag) != done-len(want)+i {
				t.Fatalf("a wrong result: %+v, %v; want %x", r, err, b)
			}
		}
		if err := d.WriteReg(t.Context(), regmap.RegScratch, uint32(done)); err != nil {
			t.Fatal(err)
		}
		if v, err := d.ReadReg(t.Context(), regmap.RegScratch); err != nil || v != uint32(done) {
			t.Fatalf("SCRATCH reads %d, %v; want %d", v, err, done)
		}
	}
}

// Lines from good to hardly usable: every result is right, and the losses are
// seen by both sides.
func TestNoise(t *testing.T) {
	for _, n := range []int{100000, 5000, 700} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			o := Options{URI: "test:", Retry: 2 * time.Millisecond, Patience: 20 * time.Second}
			d := dial(t, small, o, BoardOptions{Retry: 2 * time.Millisecond}, noise(uint64(n), n))
			echo(t, d, rand.New(rand.NewPCG(9, uint64(n))), 200)
			s := d.Stats()
			t.Logf("one fault in %d bytes: %+v", n, s)
			if n <= 5000 && (s.Damaged == 0 || s.DevDamaged == 0) {
				t.Errorf("no frame was damaged: the noise does not bite: %+v", s)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A queue of commands takes the same cycles behind a link that gathers as it does
// on the engine itself.
func TestGather(t *testing.T) {
	direct := engine(t, small)
	defer direct.Close()
	behind := dial(t, small, Options{}, BoardOptions{Gather: time.Second}, nil)
	defer behind.Close()
	p := direct.Info().Params
	cycles := func(d driver.Device) (list []uint32) {
		r := packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 16, Bits: 3}, Rows: p.TileTokens, Dims: p.MaxDim}
		request, err := r.Append(nil, p, make([]byte, 2*r.Rows*r.Dims))
		if err != nil {
			t.Fatal(err)
		}
		const n, ahead = 30, 12
		for i := range n + ahead {
			if i < n {
				if err := d.Send(t.Context(), request); err != nil {
					t.Fatal(err)
				}
			}
			if i < ahead {
				continue
			}
			raw, err := d.Recv(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := packet.ParseResponse(raw, p)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, resp.Cycles)
		}
		v, err := d.ReadReg(t.Context(), regmap.RegActive)
		if err != nil {
			t.Fatal(err)
		}
		return append(list, v)
	}
	if want, got := cycles(direct), cycles(behind); !slices.Equal(got, want) {
		t.Errorf("behind a link: cycles and ACTIVE\n%d, without\n%d", got, want)
	}
}

// What a link leaves behind: nothing.
func TestLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 30 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			d := dial(t, small, Options{Retry: time.Millisecond}, BoardOptions{}, nil)
			echo(t, d, rand.New(rand.NewPCG(1, uint64(i))), 3)
			if i%2 == 0 {
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for wait := time.Millisecond; runtime.NumGoroutine() > before; wait *= 2 {
		if wait > time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(wait)
	}
}

// A host that takes its time between calls, longer than its patience with the
// device, loses nothing.
func TestPauses(t *testing.T) {
	const patience = 60 * time.Millisecond
	for _, gather := range []time.Duration{0, time.Second} {
		d := dial(t, small, Options{Retry: time.Millisecond, Patience: patience}, BoardOptions{Gather: gather}, nil)
		request, err := packet.Request{Opcode: regmap.OpEcho, Rows: 700}.Append(nil, d.Info().Params, make([]byte, 700))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for range 3 {
				if err := d.Send(t.Context(), request); err != nil {
					t.Fatal(err)
				}
				time.Sleep(patience * 3 / 2)
			}
			for range 3 {
				if _, err := d.Recv(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				time.Sleep(patience * 3 / 2)
			}
			if _, err := d.ReadReg(t.Context(), regmap.RegMagic); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
