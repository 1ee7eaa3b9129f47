package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	hostlink "github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/oracle"
	"github.com/kvaccel/kvaccel/verification/rtltest"
)

// Small engines: what is tested here is the way to them.
const engine = "4 64 32 512"

// Every phy; windows from the smallest to the largest.
var builds = []Build{
	{Phy: "bytes", Engine: engine},
	{Phy: "uart", Engine: engine, More: []string{"RX_SLOTS=4", "TX_SLOTS=2"}},
	{Phy: "ft245", Engine: engine, More: []string{"RX_SLOTS=16", "TX_SLOTS=64"}},
	{Phy: "ft600", Engine: "2 64 32 512"},
	{Phy: "ft601", Engine: "16 64 32 512"},
}

// open starts a board and opens it as the driver would. The seed also says how often
// the chip stalls (up to 69 %).
// every is how many bytes have one fault; 0: none.
func open(t *testing.T, b Build, seed uint64, every int, args ...string) (*hostlink.Device, *Noise) {
	t.Helper()
	rtltest.Verilator(t)
	path, err := b.Make()
	if err != nil {
		t.Fatal(err)
	}
	board, err := Start(path, append([]string{fmt.Sprintf("--seed=%d", seed), fmt.Sprintf("--stall=%d", seed*13%70)}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := board.Close(); err != nil {
			t.Error(err)
		}
	})
	var pipe hostlink.Pipe = board
	var noise *Noise
	if every > 0 {
		noise = NewNoise(board, seed, every)
		pipe = noise
	}
	dev, err := hostlink.Open(context.Background(), pipe, hostlink.Options{
		URI: "test:", Retry: 20 * time.Millisecond, Patience: 20 * time.Second, LinkID: uint8(seed),
	})
	if err != nil {
		t.Fatal(err)
	}
	return dev, noise
}

// The conformance suite, over the pins of an FT245 (the others differ in width and
// pace, see TestSoak).
func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(t *testing.T) driver.Device {
		dev, _ := open(t, builds[2], 1, 0)
		return dev
	}, drivertest.Options{Oracle: oracle.Engine{}, Seed: 3, Live: true})
}

// command is a request and the answer that it has to bring.
type command struct {
	request  []byte
	payload  []byte
	register bool
	v        uint32
}

// makeCommand draws one; the emulator says what is right.
func makeCommand(t *testing.T, rng *rand.Rand, ref driver.Device, tag uint16) command {
	t.Helper()
	p := ref.Info().Params
	if rng.IntN(4) == 0 {
		return command{register: true, v: rng.Uint32()}
	}
	r := packet.Request{Opcode: regmap.OpEcho, Tag: tag, Rows: rng.IntN(900)}
	n := r.Rows
	if rng.IntN(3) == 0 {
		r = packet.Request{Opcode: regmap.OpQuantize, Tag: tag, Rows: 1 + rng.IntN(4), Dims: 16 << rng.IntN(3), Layout: packet.Layout{Bits: 4, Group: regmap.Group16}}
		n = 2 * r.Rows * r.Dims
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = uint8(rng.Uint32() & rng.Uint32())
	}
	wire, err := r.Append(nil, p, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := ref.Send(t.Context(), wire); err != nil {
		t.Fatal(err)
	}
	raw, err := ref.Recv(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := packet.ParseResponse(raw, p)
	if err != nil {
		t.Fatal(err)
	}
	return command{request: wire, payload: answer.Payload}
}

// soak sends commands until so many are done, and judges every answer. A command
// may be reported as failed; then the device is reset.
func soak(t *testing.T, dev *hostlink.Device, rng *rand.Rand, commands int) (right, failed int) {
	t.Helper()
	p := dev.Info().Params
	uri, err := driver.ParseURI(fmt.Sprintf("emu:?lanes=%d&max-dim=%d&tile-tokens=%d&max-tokens=%d", p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := emulator.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	for right+failed < commands {
		var batch []command
		for i := range 1 + rng.IntN(5) {
			batch = append(batch, makeCommand(t, rng, ref, uint16(right+failed+i)))
		}
		done, err := attempt(t, dev, batch)
		right += done
		if err != nil {
			if !errors.Is(err, driver.ErrTimeout) && !errors.Is(err, driver.ErrProtocol) {
				t.Fatalf("after %d commands: %v", right, err)
			}
			failed += len(batch) - done
			if err := dev.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return right, failed
}

// attempt sends all commands, then takes the answers.
func attempt(t *testing.T, dev *hostlink.Device, batch []command) (done int, err error) {
	t.Helper()
	for _, c := range batch {
		if c.register {
			err = dev.WriteReg(t.Context(), regmap.RegScratch, c.v)
		} else {
			err = dev.Send(t.Context(), c.request)
		}
		if err != nil {
			return done, err
		}
	}
	var last *command
	for i, c := range batch {
		if c.register {
			last = &batch[i]
			done++
			continue
		}
		raw, err := dev.Recv(t.Context(), nil)
		if err != nil {
			return done, err
		}
		r, err := packet.ParseResponse(raw, dev.Info().Params)
		if err != nil || r.Status != regmap.StOK || !bytes.Equal(r.Payload, c.payload) || r.Tag != uint16(c.request[2])|uint16(c.request[3])<<8 {
			t.Fatalf("a wrong result: %+v, %v", r, err)
		}
		done++
	}
	if last != nil {
		v, err := dev.ReadReg(t.Context(), regmap.RegScratch)
		if err != nil {
			return done, err
		}
		if v != last.v {
			t.Fatalf("SCRATCH reads %#x, want %#x", v, last.v)
		}
	}
	return done, nil
}

// A UART whose clock is off by 2 % either way, at 4.2 cycles a bit, is heard without a fault.
func TestSkew(t *testing.T) {
	for _, skew := range []int{-20, 20} {
		dev, _ := open(t, builds[1], 5, 0, fmt.Sprintf("--skew=%d", skew), "--stall=0")
		soak(t, dev, rand.New(rand.NewPCG(5, 5)), 15)
		if s := dev.Stats(); s.Damaged != 0 || s.DevDamaged != 0 {
			t.Errorf("%d per mille: %+v", skew, s)
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Commands over bad lines: each result is right or reported as failed. It is 10,000 of
// them with KVACCEL_SOAK=1, a fifth of that otherwise.
func TestSoak(t *testing.T) {
	t.Parallel()
	share := 5
	if os.Getenv("KVACCEL_SOAK") == "1" {
		share = 1
	}
	var total atomic.Int64
	t.Cleanup(func() {
		if n := total.Load(); n < int64(10000/share) && !t.Failed() {
			t.Errorf("%d commands, want %d", n, 10000/share)
		}
	})
	for i, s := range []struct {
		phy, every, commands int
	}{
		{0, 2000, 8200},
		{0, 300, 300},
		{1, 3000, 200},
		{2, 3000, 500},
		{3, 5000, 400},
		{4, 5000, 400},
	} {
		b := builds[s.phy]
		t.Run(fmt.Sprintf("%s-%d", b.Phy, s.every), func(t *testing.T) {
			t.Parallel()
			dev, noise := open(t, b, uint64(i+1), s.every)
			right, failed := soak(t, dev, rand.New(rand.NewPCG(uint64(i), 6)), s.commands/share)
			stats := dev.Stats()
			if err := dev.Close(); err != nil {
				t.Error(err)
			}
			to, from := noise.Faults()
			t.Logf("%d right, %d reported as failed; %d faults to the board, %d from it; %+v", right, failed, to, from, stats)
			if to == 0 || from == 0 || stats.Damaged == 0 {
				t.Error("the noise does not bite")
			}
			if failed*10 > right {
				t.Errorf("%d of %d commands failed: repetition does not do its work", failed, right+failed)
			}
			total.Add(int64(right + failed))
		})
	}
}
