package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// job is a command and the payload that it must answer.
type job struct {
	request packet.Request
	payload []byte
	want    []byte
}

// jobs are commands of all kinds with the answers of an engine that nobody spoils.
func jobs(t *testing.T, rng *rand.Rand) (list []job) {
	t.Helper()
	d := engine(t)
	defer d.Close()
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = uint8(rng.Uint32() & 0x3f)
		}
		return b
	}
	for i := range 40 {
		var j job
		rows, dims := 1+rng.IntN(32), 16*(1+rng.IntN(4))
		switch i % 4 {
		case 0:
			j.request = packet.Request{Opcode: regmap.OpEcho, Rows: rng.IntN(4000)}
			j.payload = random(j.request.Rows)
		case 1:
			j.request = packet.Request{Opcode: regmap.OpQuantize, Layout: packet.Layout{Group: 16, Bits: 4}, Rows: rows, Dims: dims}
			j.payload = random(2 * rows * dims)
		case 2:
			j.request = packet.Request{Opcode: regmap.OpDequantize, Layout: packet.Layout{Group: 16, Bits: 8}, Rows: rows, Dims: dims}
			j.payload = random(j.request.QuantizedBytes(rows, dims))
		case 3:
			n := 4 * (1 + rng.IntN(100))
			j.request = packet.Request{Opcode: regmap.OpSelect, Rows: rows, Dims: n, Selection: packet.Selection{TopK: n / 3}}
			j.payload = random(2 * rows * n)
		}
		got, err := do(t, d, j, uint16(i))
		if err != nil {
			t.Fatalf("%+v: %v", j.request, err)
		}
		j.want = bytes.Clone(got)
		list = append(list, j)
	}
	return list
}

// do has one job done and gives the payload of its answer.
func do(t *testing.T, d driver.Device, j job, tag uint16) ([]byte, error) {
	t.Helper()
	j.request.Tag = tag
	request, err := j.request.Append(nil, d.Info().Params, j.payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(t.Context(), request); err != nil {
		return nil, err
	}
	raw, err := d.Recv(t.Context(), nil)
	if err != nil {
		return nil, err
	}
	r, err := packet.ParseResponse(raw, d.Info().Params)
	if err != nil {
		return nil, err
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if r.Tag != tag {
		return nil, fmt.Errorf("%w: tag %d answers %d", driver.ErrProtocol, r.Tag, tag)
	}
	return r.Payload, nil
}

// board is one that can be unplugged and plugged in again.
type board struct {
	t      *testing.T
	dev    driver.Device
	pipes  chan net.Conn
	served sync.WaitGroup
}

func newBoard(t *testing.T) *board {
	b := &board{t: t, dev: engine(t), pipes: make(chan net.Conn)}
	b.served.Go(func() {
		for p := range b.pipes {
			if err := link.Serve(context.Background(), p, b.dev, link.BoardOptions{Retry: 2 * time.Millisecond}); err != nil {
				t.Errorf("Serve: %v", err)
			}
		}
	})
	return b
}

// plug opens the board with both layers of faults.
func (b *board) plug(onPipe, onDevice *Script) (driver.Device, error) {
	host, far := net.Pipe()
	b.pipes <- far
	onPipe.Reconnect()
	onDevice.Reconnect()
	d, err := link.Open(b.t.Context(), Pipe(host, onPipe), link.Options{URI: "soak:", Retry: 2 * time.Millisecond, Patience: 500 * time.Millisecond, Timeout: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	return Device(d, onDevice), nil
}

// Ten thousand commands over a link whose bytes are lost, changed, doubled and
// held up, that is unplugged now and then, behind a device that fails by itself:
// every result is right or reported as failed.
func TestSoak(t *testing.T) {
	const commands = 10000
	rng := rand.New(rand.NewPCG(12, 12))
	list := jobs(t, rng)
	onPipe := script(t, `
		in chance 0.003 flip; in chance 0.003 drop; in chance 0.002 repeat; in chance 0.002 insert; in chance 0.002 short
		out chance 0.003 flip; out chance 0.003 drop; out chance 0.002 repeat; out chance 0.002 insert; out chance 0.002 short
		any chance 0.001 delay 3ms; out every 3001 disconnect; in every 4999 disconnect; out every 2503 error timeout`)
	onDevice := script(t, `
		send every 397 error timeout; recv every 503 error protocol; send every 599 short; recv every 701 short
		any chance 0.0005 delay 2ms; send every 2003 disconnect`)
	b := newBoard(t)
	runtime.GC()
	before := runtime.NumGoroutine()
	var memory [2]runtime.MemStats
	right, failed, plugged, kinds := 0, 0, 0, map[string]int{}
	var d driver.Device
	for n := 0; n < commands; n++ {
		if n == commands/4 {
			runtime.GC()
			runtime.ReadMemStats(&memory[0])
		}
		for d == nil {
			var err error
			if d, err = b.plug(onPipe, onDevice); err != nil && !typed(err) {
				t.Fatalf("opening: %v", err)
			}
			plugged++
		}
		j := list[rng.IntN(len(list))]
		got, err := do(t, d, j, uint16(n))
		if err == nil {
			if !bytes.Equal(got, j.want) {
				t.Fatalf("command %d, %+v: a wrong result that nobody reported", n, j.request)
			}
			right++
			continue
		}
		if !typed(err) {
			t.Fatalf("command %d: %v is no typed error", n, err)
		}
		failed++
		kinds[kind(err)]++
		if r, ok := d.(driver.Resetter); ok && n%2 == 0 && r.Reset(t.Context()) == nil {
			continue
		}
		d.Close()
		d = nil
	}
	if d != nil {
		d.Close()
	}
	runtime.GC()
	runtime.ReadMemStats(&memory[1])
	t.Logf("%d right, %d reported as failed %v, opened %d times", right, failed, kinds, plugged)
	t.Logf("faults on the pipe %v, on the device %v", onPipe.Injected(), onDevice.Injected())
	for wait := time.Millisecond; runtime.NumGoroutine() > before; wait *= 2 {
		if wait > time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(wait)
	}
	t.Logf("%d goroutines before, %d after; heap %d KB at a quarter, %d KB at the end", before, runtime.NumGoroutine(), memory[0].HeapAlloc>>10, memory[1].HeapAlloc>>10)
	if right+failed != commands || failed < 50 || right < commands*9/10 {
		t.Errorf("%d right and %d failed of %d", right, failed, commands)
	}
	if memory[1].HeapAlloc > memory[0].HeapAlloc+4<<20 {
		t.Errorf("the heap grows from %d to %d bytes", memory[0].HeapAlloc, memory[1].HeapAlloc)
	}
	close(b.pipes)
	b.served.Wait()
	if err := b.dev.Close(); err != nil {
		t.Error(err)
	}
}

func typed(err error) bool { return kind(err) != "" }

func kind(err error) string {
	for name, e := range map[string]error{
		"timeout": driver.ErrTimeout, "disconnected": driver.ErrDisconnected, "protocol": driver.ErrProtocol, "closed": driver.ErrClosed, "malformed": packet.ErrResponse,
	} {
		if errors.Is(err, e) {
			return name
		}
	}
	var refused *packet.CommandError
	if errors.As(err, &refused) {
		return "refused"
	}
	return ""
}
