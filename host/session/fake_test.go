package session

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// fake is a device whose answers can be spoilt, which no engine's can. A group
// is "quantized" to the low byte of its first element, repeated; a row of
// restored values repeats the first byte of its codes.
type fake struct {
	params   regmap.Params
	lacks    uint32 // features
	headers  [][]byte
	payloads [][]byte
	queue    [][]byte
	most     int // requests that ever waited at once
	requests []packet.Request
	active   uint32
	reply    []byte                          // what SELECT and COMPRESS answer; nil: a list
	spoil    func(i int, resp []byte) []byte // changes the answer to request i
	recvErr  error
	answered int
}

func newFake() *fake { return &fake{params: regmap.DefaultParams(), active: 1<<32 - 50} }

func (f *fake) Info() driver.Info {
	return driver.Info{URI: "fake:", Source: driver.Emulator, Features: driver.AllFeatures() &^ f.lacks, Params: f.params}
}

func (f *fake) ReadReg(_ context.Context, addr uint32) (uint32, error) {
	switch addr {
	case regmap.RegActive:
		return f.active, nil
	case regmap.RegStallIn:
		return 7 * uint32(f.answered), nil
	case regmap.RegStallOut:
		return 2 * uint32(f.answered), nil
	}
	return 0, nil
}

func (f *fake) WriteReg(context.Context, uint32, uint32) error { return driver.ErrBadRegister }
func (f *fake) Close() error                                   { return nil }

func (f *fake) Send(ctx context.Context, b []byte) error {
	if len(b)%f.params.BeatBytes() != 0 {
		return driver.ErrBadPacket
	}
	f.queue = append(f.queue, append([]byte(nil), b...))
	f.most = max(f.most, len(f.queue))
	return ctx.Err()
}

func (f *fake) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return dst, err
	}
	if f.recvErr != nil {
		return dst, f.recvErr
	}
	if len(f.queue) == 0 {
		return dst, driver.ErrProtocol
	}
	req := f.queue[0]
	f.queue = f.queue[1:]
	f.active += 100
	resp := f.answer(req)
	if f.spoil != nil {
		resp = f.spoil(f.answered, resp)
	}
	f.answered++
	return append(dst, resp...), nil
}

func (f *fake) answer(b []byte) []byte {
	h, payload := b[:regmap.HeaderBytes], b[regmap.HeaderBytes:]
	group := map[uint32]int{regmap.Group16: 16, regmap.Group32: 32, regmap.Group64: 64, regmap.Group128: 128}[regmap.ReqGroup.Get(h)]
	r := packet.Request{
		Opcode: regmap.ReqOpcode.Get(h), Tag: uint16(regmap.ReqTag.Get(h)), Rows: int(regmap.ReqRows.Get(h)), Dims: int(regmap.ReqDims.Get(h)),
		Selection: packet.Selection{Sinks: int(regmap.ReqSinks.Get(h)), Recent: int(regmap.ReqRecent.Get(h)), TopK: int(regmap.ReqTopK.Get(h))},
		Layout:    packet.Layout{Scheme: regmap.ReqScheme.Get(h), Axis: regmap.ReqAxis.Get(h), Bits: int(regmap.ReqBits.Get(h)), Group: group},
	}
	f.requests = append(f.requests, r)
	f.headers = append(f.headers, h)
	f.payloads = append(f.payloads, payload)
	var out []byte
	switch r.Opcode {
	case regmap.OpQuantize:
		rows, size := 1, r.QuantizedBytes(1, r.Dims)
		if r.Axis == regmap.AxisChannel {
			rows, size = group, r.QuantizedBytes(group, r.Dims)
		}
		for i := 0; i < r.Rows; i += rows {
			for range size {
				out = append(out, payload[i*r.Dims*2])
			}
		}
	case regmap.OpDequantize:
		for i := range r.Rows {
			for range r.Dims {
				out = append(out, payload[i*r.QuantizedBytes(1, r.Dims)], 0)
			}
		}
	case regmap.OpSelect, regmap.OpCompress:
		if f.reply != nil {
			out = f.reply
			break
		}
		for j := range r.Dims { // the first ones
			if j < min(r.Dims, r.Sinks+r.Recent+r.TopK) {
				out = binary.LittleEndian.AppendUint16(out, uint16(j))
			}
		}
	}
	return respond(r, out, f.params)
}

func respond(r packet.Request, out []byte, p regmap.Params) []byte {
	resp := make([]byte, regmap.HeaderBytes)
	regmap.RespOpcode.Put(resp, r.Opcode)
	regmap.RespMagic.Put(resp, regmap.MagicResponse)
	regmap.RespTag.Put(resp, uint32(r.Tag))
	n := len(out)
	resp = append(resp, out...)
	resp = append(resp, make([]byte, (p.BeatBytes()-n%p.BeatBytes())%p.BeatBytes())...)
	trail := make([]byte, regmap.HeaderBytes)
	regmap.TrailOpcode.Put(trail, r.Opcode)
	regmap.TrailMagic.Put(trail, regmap.MagicTrailer)
	regmap.TrailTag.Put(trail, uint32(r.Tag))
	regmap.TrailBytesOut.Put(trail, uint32(n))
	regmap.TrailCycles.Put(trail, 170)
	return append(resp, trail...)
}

// ramp gives rows of dims elements, each holding the number of its row.
func ramp(rows, dims int) []uint16 {
	data := make([]uint16, rows*dims)
	for i := range data {
		data[i] = uint16(i / dims)
	}
	return data
}

func open(t *testing.T) (*fake, *Session) {
	t.Helper()
	f := newFake()
	return f, New(f)
}
