package drivertest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// reference is a Device without a clock that answers each packet at once. With
// a fault named it is wrong in that one way.
type reference struct {
	info      driver.Info
	kernels   kernels
	regs      map[uint32]uint32
	waiting   [][]byte // requests sent
	served    int      // requests answered since the device was opened
	closed    bool
	lastSlice []byte // what the last Recv gave
	cutKeys   bool   // the last QUANTIZE broke off in a group of channels
}

func newReference(fault string, p regmap.Params, features uint32) *reference {
	r := &reference{kernels: kernels{fault}, info: driver.Info{
		URI: "reference:", Source: driver.Emulator, Description: "reference device of the suite's own tests", ABI: regmap.ABIVersion,
		SpecID: regmap.SpecID, Features: features, Params: p, ClockHz: 1,
	}}
	r.reset()
	return r
}

func (r *reference) is(fault string) bool { return r.kernels.fault == fault }

func (r *reference) reset() {
	p := r.info.Params
	r.regs = map[uint32]uint32{}
	for addr, v := range map[uint32]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: regmap.ABIVersion, regmap.RegSpecID: regmap.SpecID, regmap.RegFeatures: r.info.Features,
		regmap.RegLanes: uint32(p.Lanes), regmap.RegMaxDim: uint32(p.MaxDim), regmap.RegTileTokens: uint32(p.TileTokens), regmap.RegMaxTokens: uint32(p.MaxTokens),
	} {
		r.regs[addr] = v
	}
	r.waiting = nil
}

func (r *reference) Info() driver.Info { return r.info }

// usable says why a call cannot be made.
func (r *reference) usable(ctx context.Context) error {
	if r.closed && !r.is("use after close") {
		return driver.ErrClosed
	}
	if r.is("context ignored") {
		return nil
	}
	return ctx.Err()
}

func access(addr uint32) string {
	for _, r := range regmap.Registers {
		if r.Addr == addr {
			return r.Access
		}
	}
	return ""
}

func (r *reference) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	if err := r.usable(ctx); err != nil {
		return 0, err
	}
	if r.is("address aliases") {
		addr &= 0xfff
	}
	if access(addr) == "" && !r.is("unmapped reads") {
		return 0, driver.ErrBadRegister
	}
	r.regs[regmap.RegCycles] += 3
	if addr == regmap.RegStatus && r.served == 0 && r.is("busy before the first command") {
		return 1, nil
	}
	return r.regs[addr], nil
}

func (r *reference) WriteReg(ctx context.Context, addr, v uint32) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	switch kind := access(addr); {
	case kind == "RW":
		r.regs[addr] = v
	case kind == "W1C" && r.is("W1C clears all"):
		r.regs[addr] = 0
	case kind == "W1C":
		r.regs[addr] &^= v
	case addr == regmap.RegCtrl:
		if v>>regmap.CtrlClear&1 != 0 {
			for a := uint32(regmap.RegCycles); a <= regmap.RegNonFinite; a += 4 {
				if a != regmap.RegGroups || !r.is("clear forgets a counter") {
					r.regs[a] = 0
				}
			}
			r.regs[regmap.RegErrors], r.regs[regmap.RegIrqStatus] = 0, 0
		}
		if v>>regmap.CtrlSoftReset&1 != 0 {
			if !r.is("soft reset keeps the queue") {
				r.waiting = nil
			}
			if r.is("soft reset zeroes counters") {
				r.regs[regmap.RegPackets] = 0
			}
		}
	case kind == "RO" && r.is("RO write accepted"):
	default:
		return driver.ErrBadRegister
	}
	return nil
}

func (r *reference) Send(ctx context.Context, b []byte) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	if (len(b) == 0 || len(b)%r.info.Params.BeatBytes() != 0) && !r.is("partial beats taken") {
		return driver.ErrBadPacket
	}
	if !r.is("Send keeps the slice") {
		b = slices.Clone(b)
	}
	if n := len(r.waiting); n > 0 && r.is("scores behind a search lost") && selects(r.waiting[n-1]) && selects(b) {
		clear(b[regmap.HeaderBytes:][:r.info.Params.BeatBytes()])
	}
	r.waiting = append(r.waiting, b)
	return nil
}

// selects says whether a request is a SELECT with attention.
func selects(wire []byte) bool {
	return len(wire) > regmap.HeaderBytes && regmap.ReqOpcode.Get(wire) == regmap.OpSelect
}

func (r *reference) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	if len(r.waiting) == 0 {
		return nil, fmt.Errorf("%w: nothing outstanding", driver.ErrProtocol)
	}
	next := 0
	if r.is("answers out of order") && len(r.waiting) > 8 {
		next = 1
	}
	wire := r.waiting[next]
	r.waiting = slices.Delete(r.waiting, next, next+1)
	if r.is("Recv drops what dst held") {
		dst = dst[:0]
	}
	if r.is("Recv reuses its slice") && dst == nil {
		dst = r.lastSlice[:0]
	}
	dst = append(dst, r.serve(wire)...)
	r.lastSlice = dst
	return dst, nil
}

func (r *reference) Reset(ctx context.Context) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	waiting := r.waiting
	if r.reset(); r.is("reset keeps the queue") {
		r.waiting = waiting
	}
	return nil
}

func (r *reference) Close() error {
	if r.closed {
		return driver.ErrClosed
	}
	r.closed = true
	return nil
}

// work is what became of one request.
type work struct {
	refused              bool
	status               packet.Status
	payload              []byte
	bytesIn              int
	nonFinite, saturated int
	rows, groups         int
}

// serve answers one request and counts.
func (r *reference) serve(wire []byte) []byte {
	p := r.info.Params
	var h [regmap.HeaderBytes]byte
	body := wire[copy(h[:], wire):]
	w := r.do(h[:], wire, body)
	if w.status == regmap.StTruncated && r.is("truncation unnoticed") {
		w.status = regmap.StOK
	}
	if regmap.ReqOpcode.Get(h[:]) == regmap.OpQuantize && r.is("value row taken for a key") {
		if r.cutKeys {
			w.payload, w.rows = nil, 0
		}
		r.cutKeys = w.status == regmap.StTruncated
	}
	out := r.frame(h[:], w)
	r.regs[regmap.RegBeatsIn] += uint32(len(wire) / p.BeatBytes())
	r.regs[regmap.RegBeatsOut] += uint32(len(out) / p.BeatBytes())
	r.regs[regmap.RegPackets]++
	r.regs[regmap.RegTokens] += uint32(w.rows)
	r.regs[regmap.RegGroups] += uint32(w.groups)
	r.regs[regmap.RegSaturations] += uint32(w.saturated)
	r.regs[regmap.RegNonFinite] += uint32(w.nonFinite)
	if r.is("non-finite counted once a packet") {
		r.regs[regmap.RegNonFinite] -= uint32(max(w.nonFinite-1, 0))
	}
	if r.is("dropped beats not counted") && w.status == regmap.StOverlong {
		r.regs[regmap.RegBeatsIn] = 0
	}
	busy := uint32(len(wire)+len(out)) / uint32(p.BeatBytes())
	r.regs[regmap.RegCycles] += busy + 10
	r.regs[regmap.RegActive] += busy
	r.regs[regmap.RegErrors] |= 1 << w.status &^ 1
	r.regs[regmap.RegIrqStatus] |= 1 << regmap.IrqDone
	if w.status != regmap.StOK {
		r.regs[regmap.RegIrqStatus] |= 1 << regmap.IrqError
	}
	r.served++
	return out
}

func (r *reference) frame(h []byte, w work) []byte {
	p := r.info.Params
	head, trail := make([]byte, regmap.HeaderBytes), make([]byte, regmap.HeaderBytes)
	tag := regmap.ReqTag.Get(h)
	if r.is("wrong tag") && r.served%50 == 49 {
		tag ^= 0x100
	}
	regmap.RespOpcode.Put(head, regmap.ReqOpcode.Get(h))
	regmap.RespMagic.Put(head, regmap.MagicResponse)
	regmap.RespTag.Put(head, tag)
	if w.refused && !r.is("status in the trailer alone") {
		regmap.RespStatus.Put(head, uint32(w.status))
	}
	payload := w.payload
	if r.is("a beat lost") && len(payload) > 4000 {
		payload = slices.Delete(slices.Clone(payload), 2048, 2048+p.BeatBytes())
	}
	if r.is("a bit flipped") && len(payload) > 4000 {
		payload = slices.Clone(payload)
		payload[len(payload)-1] ^= 0x80
	}
	var flags uint32
	if w.nonFinite > 0 {
		flags |= 1 << regmap.FlagNonFinite
	}
	if w.saturated > 0 && !r.is("saturation not flagged") {
		flags |= 1 << regmap.FlagSaturated
	}
	for i, v := range []uint32{0, uint32(w.status) | flags<<8, uint32(w.bytesIn), uint32(len(payload)), 0} {
		binary.LittleEndian.PutUint32(trail[4*i:], v)
	}
	regmap.TrailOpcode.Put(trail, regmap.ReqOpcode.Get(h))
	regmap.TrailMagic.Put(trail, regmap.MagicTrailer)
	regmap.TrailTag.Put(trail, tag)
	out := append(head, payload...)
	for len(out)%p.BeatBytes() != 0 {
		out = append(out, 0)
		if r.is("padding not zero") {
			out[len(out)-1] = 0xaa
		}
	}
	cycles := 2*(len(out)+w.bytesIn)/p.BeatBytes() + 100 + w.rows*64
	if r.is("cycles depend on history") {
		cycles += r.served % 2
	}
	if r.is("too few cycles") {
		cycles /= 8
	}
	regmap.TrailCycles.Put(trail, uint32(cycles))
	if r.is("stalls on an ideal link") {
		regmap.TrailStallIn.Put(trail, 1)
	}
	return append(out, trail...)
}
