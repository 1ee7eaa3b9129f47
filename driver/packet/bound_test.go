package packet

import (
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

func TestBounds(t *testing.T) {
	p := regmap.Params{Lanes: 16, MaxDim: 64, TileTokens: 32, MaxTokens: 512}
	const frame = 2 * regmap.HeaderBytes
	for _, c := range []struct {
		r     Request
		least int
	}{
		{Request{Opcode: regmap.OpEcho, Rows: regmap.MaxEchoBytes}, frame + regmap.MaxEchoBytes},
		{Request{Opcode: regmap.OpSource, Rows: 100, Seed: 1}, frame + 128},
		{Request{Opcode: regmap.OpSource, Rows: regmap.MaxLinkBytes, Seed: 1}, frame + regmap.MaxLinkBytes},
		{Request{Opcode: regmap.OpCompress, Layout: Layout{Group: 16}, Rows: 1, Dims: 512, RowDims: 64, ValueGroup: 16}, frame + 4*512*64},
	} {
		request, err := c.r.Append(nil, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ResponseBound(request, p)
		if got < c.least || c.r.Opcode == regmap.OpSource && got != c.least {
			t.Errorf("%+v: %d bytes, want %d", c.r, got, c.least)
		}
	}
	big := regmap.Params{Lanes: 2, MaxDim: 512, TileTokens: 256, MaxTokens: 65536}
	if got := MaxResponse(big); got < frame+4*65536*512+8*65536+65536/2 {
		t.Errorf("%d bytes: a COMPRESS of everything gives more", got)
	}
	if got := ResponseBound([]byte{regmap.OpSource}, p); got != MaxResponse(p) {
		t.Errorf("half a header: %d bytes", got)
	}
}
