package packet

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/internal/alloc"
)

// response builds what an engine would send.
func response(p regmap.Params, op, tag, status uint32, payload []byte) []byte {
	head, trail := make([]byte, regmap.HeaderBytes), make([]byte, regmap.HeaderBytes)
	regmap.RespOpcode.Put(head, op)
	regmap.RespMagic.Put(head, regmap.MagicResponse)
	regmap.RespTag.Put(head, tag)
	regmap.TrailOpcode.Put(trail, op)
	regmap.TrailMagic.Put(trail, regmap.MagicTrailer)
	regmap.TrailTag.Put(trail, tag)
	regmap.TrailStatus.Put(trail, status)
	regmap.TrailBytesOut.Put(trail, uint32(len(payload)))
	pad := make([]byte, (p.BeatBytes()-len(payload)%p.BeatBytes())%p.BeatBytes())
	return bytes.Join([][]byte{head, payload, pad, trail}, nil)
}

func TestRequestPadsToBeats(t *testing.T) {
	for _, lanes := range []int{2, 4, 8, 16} {
		p := regmap.DefaultParams()
		p.Lanes = lanes
		b, err := Request{Opcode: regmap.OpEcho, Tag: 7, Rows: 5}.Append(nil, p, []byte{1, 2, 3, 4, 5})
		if err != nil || len(b)%p.BeatBytes() != 0 || len(b) < regmap.HeaderBytes+5 || len(b) >= regmap.HeaderBytes+5+p.BeatBytes() {
			t.Errorf("lanes %d: %d bytes, %v", lanes, len(b), err)
		}
		if regmap.ReqTag.Get(b) != 7 || regmap.ReqRows.Get(b) != 5 || regmap.ReqMagic.Get(b) != regmap.MagicRequest {
			t.Errorf("header fields lost: % x", b[:regmap.HeaderBytes])
		}
	}
}

func TestRequestRefusesWhatDoesNotFit(t *testing.T) {
	for _, r := range []Request{
		{Opcode: regmap.OpQuantize, Layout: Layout{Group: 48, Bits: 4}, Rows: 1, Dims: 16},
		{Opcode: regmap.OpSelect, Rows: -1},
		{Opcode: regmap.OpSelect, Selection: Selection{TopK: 1 << 33}},
	} {
		if _, err := r.Header(); !errors.Is(err, ErrRequest) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestParseResponse(t *testing.T) {
	p := regmap.DefaultParams()
	r, err := ParseResponse(response(p, regmap.OpQuantize, 9, regmap.StOK, []byte("seventeen bytes!!")), p)
	if err != nil || r.Tag != 9 || string(r.Payload) != "seventeen bytes!!" || r.Err() != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = ParseResponse(response(p, 77, 9, regmap.StBadOpcode, nil), p)
	if err != nil || !errors.Is(r.Err(), Status(regmap.StBadOpcode)) {
		t.Fatalf("%+v, %v", r.Err(), err)
	}
}

// A response is read where it lies, whatever its trailer claims.
func TestMemoryFollowsThePacket(t *testing.T) {
	p := regmap.DefaultParams()
	b := response(p, regmap.OpEcho, 1, regmap.StOK, make([]byte, 1<<20))
	regmap.TrailBytesOut.Put(b[len(b)-regmap.HeaderBytes:], 0xfffffff0)
	n := alloc.Bytes(func() {
		if _, err := ParseResponse(b, p); !errors.Is(err, ErrResponse) {
			t.Errorf("a payload of 4 GiB claimed: %v", err)
		}
	})
	if n > 1<<16 {
		t.Errorf("a packet of %d bytes took %d of memory", len(b), n)
	}
}

func FuzzParseResponse(f *testing.F) {
	p := regmap.DefaultParams()
	f.Add(response(p, regmap.OpEcho, 1, regmap.StOK, []byte("abc")))
	f.Add(response(p, regmap.OpSelect, 2, regmap.StTruncated, nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseResponse(b, p)
		if err != nil {
			if !errors.Is(err, ErrResponse) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if len(r.Payload) > len(b)-2*regmap.HeaderBytes {
			t.Fatalf("payload of %d bytes from a packet of %d", len(r.Payload), len(b))
		}
	})
}
