package link

import (
	"context"
	"fmt"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// idle is a device that does nothing: it answers every request with the same
// bytes at once. What is left of the time is the driver's.
type idle struct {
	info    driver.Info
	pending int
	answer  []byte
}

func (d *idle) Info() driver.Info { return d.info }

func (d *idle) ReadReg(_ context.Context, addr uint32) (uint32, error) {
	p := d.info.Params
	return map[uint32]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: 1, regmap.RegSpecID: regmap.SpecID, regmap.RegFeatures: 15,
		regmap.RegLanes: uint32(p.Lanes), regmap.RegMaxDim: uint32(p.MaxDim), regmap.RegTileTokens: uint32(p.TileTokens), regmap.RegMaxTokens: uint32(p.MaxTokens),
	}[addr], nil
}

func (d *idle) WriteReg(context.Context, uint32, uint32) error { return nil }
func (d *idle) Reset(context.Context) error                    { d.pending = 0; return nil }
func (d *idle) Close() error                                   { return nil }

func (d *idle) Send(context.Context, []byte) error {
	d.pending++
	return nil
}

func (d *idle) Recv(_ context.Context, dst []byte) ([]byte, error) {
	if d.pending == 0 {
		return dst, driver.ErrProtocol
	}
	d.pending--
	return append(dst, d.answer...), nil
}

// BenchmarkDriver is the cost of commands of a size over link, frames and a pipe in
// memory, with as many in flight, and of the same calls without a link.
func BenchmarkDriver(b *testing.B) {
	for _, size := range []int{64, 4096, 65536} {
		for _, depth := range []int{1, 8} {
			dev := &idle{info: driver.Info{URI: "idle:", Params: regmap.DefaultParams()}, answer: make([]byte, size)}
			for i := range dev.answer {
				dev.answer[i] = uint8(i * 31 >> 2)
			}
			b.Run(fmt.Sprintf("size=%d/depth=%d/bare", size, depth), func(b *testing.B) { commands(b, dev, size, depth) })
			b.Run(fmt.Sprintf("size=%d/depth=%d/link", size, depth), func(b *testing.B) {
				host, device := pipe(nil)
				served := make(chan error, 1)
				go func() { served <- Serve(context.Background(), device, dev, BoardOptions{Window: 64, SendWindow: 64}) }()
				d, err := Open(b.Context(), host, Options{})
				if err != nil {
					b.Fatal(err)
				}
				commands(b, d, size, depth)
				if err := d.Close(); err != nil {
					b.Error(err)
				}
				if err := <-served; err != nil {
					b.Error(err)
				}
			})
		}
	}
}

func commands(b *testing.B, d driver.Device, size, depth int) {
	request := make([]byte, size)
	for i := range request {
		request[i] = uint8(i * 17 >> 1)
	}
	var resp []byte
	flying := 0
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for ; flying < depth; flying++ {
			if err := d.Send(b.Context(), request); err != nil {
				b.Fatal(err)
			}
		}
		var err error
		if resp, err = d.Recv(b.Context(), resp[:0]); err != nil {
			b.Fatal(err)
		}
		flying--
	}
	for ; flying > 0; flying-- {
		if _, err := d.Recv(b.Context(), resp[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
