package session

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

var (
	perToken   = packet.Layout{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 32, Bits: 4}
	perChannel = packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 32, Bits: 2}
)

// Any number of rows comes back in order, whatever the tile size.
func TestTiles(t *testing.T) {
	for _, tile := range []int{32, 128, 256} {
		f, s := open(t)
		f.params.TileTokens, s.info.Params.TileTokens = tile, tile
		jobs := []Rows{
			{perToken, 64, ramp(250, 64)}, {perToken, 64, nil}, {perChannel, 32, ramp(192, 32)}, {perToken, 64, ramp(1, 64)},
		}
		got, err := s.Quantize(t.Context(), jobs)
		if err != nil {
			t.Fatal(err)
		}
		for i, j := range jobs {
			rows, step := len(j.Data)/j.Dims, 1
			if j.Axis == regmap.AxisChannel {
				step = j.Group
			}
			var want []byte
			for r := 0; r < rows; r += step {
				want = append(want, bytes.Repeat([]byte{byte(r)}, j.QuantizedBytes(step, j.Dims))...)
			}
			if !bytes.Equal(got[i].Data, want) || got[i].Rows != rows || got[i].Dims != j.Dims || got[i].Layout != j.Layout {
				t.Errorf("tile %d, job %d: %d rows, %d bytes, want %d rows, %d bytes (or other content)", tile, i, got[i].Rows, len(got[i].Data), rows, len(want))
			}
		}
		for _, r := range f.requests {
			if r.Rows > tile || r.Rows < 1 {
				t.Errorf("tile %d: a packet of %d rows", tile, r.Rows)
			}
		}
		back, err := s.Dequantize(t.Context(), []Coded{got[0], got[1]})
		if err != nil || !reflect.DeepEqual(back[0], ramp(250, 64)) || len(back[1]) != 0 {
			t.Errorf("tile %d: restored %d and %d elements, or others (%v)", tile, len(back[0]), len(back[1]), err)
		}
	}
}

func TestPipelinesAndCounts(t *testing.T) {
	f, s := open(t)
	if _, err := s.Quantize(t.Context(), []Rows{{perToken, 64, ramp(128*20, 64)}}); err != nil {
		t.Fatal(err)
	}
	if f.most != maxPackets {
		t.Errorf("%d packets were in flight at most, want %d", f.most, maxPackets)
	}
	tags := map[uint16]bool{}
	for _, r := range f.requests {
		tags[r.Tag] = true
	}
	if len(tags) != 20 {
		t.Errorf("20 packets had %d tags", len(tags))
	}
	// The fake's ACTIVE advances by 100 a command, stalls of 7 and 2 included,
	// and wraps during the first.
	want := Stats{Commands: 20, BytesOut: uint64(20 * perToken.QuantizedBytes(128, 64)), CommandCycles: 20 * 170, Cycles: 20 * 91, StallIn: 20 * 7, StallOut: 20 * 2}
	if got := s.Stats()[regmap.OpQuantize]; got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestSelect(t *testing.T) {
	f, s := open(t)
	var rows int
	got, err := s.Select(t.Context(), 3, func(i int) (Selection, error) {
		sel := Selection{N: 11, Sinks: 2, Recent: 1, TopK: i}
		if i == 2 {
			sel = Selection{N: 11, Sinks: 11, TopK: 11, Weights: ramp(3, 11)}
			rows = 3
		}
		return sel, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]int{{0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}} {
		if !reflect.DeepEqual(got[i], Selected{Positions: want}) {
			t.Errorf("kept %+v, want %d", got[i], want)
		}
	}
	if f.requests[0].Rows != 1 || f.requests[2].Rows != rows || f.requests[2].Sinks != 11 || f.requests[2].TopK != 11 {
		t.Errorf("requests %+v", f.requests)
	}
}

func TestAttentionRowsArePadded(t *testing.T) {
	_, s := open(t)
	c := s.selectCommand(Selection{N: 9, Weights: ramp(2, 9)}, nil)
	want := append(append(make([]byte, 32), bytes.Repeat([]byte{1, 0}, 9)...), make([]byte, 14)...)
	if !bytes.Equal(c.payload, want) {
		t.Errorf("payload %v, want %v", c.payload, want)
	}
}

func TestRefusesBeforeSending(t *testing.T) {
	wide := packet.Layout{Axis: regmap.AxisToken, Group: 0, Bits: 4}
	chan128 := packet.Layout{Axis: regmap.AxisChannel, Group: 128, Bits: 4}
	f, s := open(t)
	s.info.Params = regmap.Params{Lanes: 8, MaxDim: 128, TileTokens: 64, MaxTokens: 1024}
	for name, c := range map[string]struct {
		do   func() error
		word string
	}{
		"dims 40":       {func() error { _, err := s.Quantize(t.Context(), []Rows{{wide, 40, ramp(1, 40)}}); return err }, "multiple of 16"},
		"dims 0":        {func() error { _, err := s.Quantize(t.Context(), []Rows{{wide, 0, nil}}); return err }, "multiple of 16"},
		"dims 192":      {func() error { _, err := s.Quantize(t.Context(), []Rows{{wide, 192, ramp(1, 192)}}); return err }, "-d 'emu:?max-dim=256'"},
		"dims 528":      {func() error { _, err := s.Quantize(t.Context(), []Rows{{wide, 528, ramp(1, 528)}}); return err }, "largest engine that can be built takes 512"},
		"group 32 of48": {func() error { return s.CheckTile(perToken, 48) }, "do not divide"},
		"group 48":      {func() error { return s.CheckTile(packet.Layout{Group: 48, Bits: 4}, 96) }, "group of 48"},
		"row, channel":  {func() error { return s.CheckTile(packet.Layout{Axis: regmap.AxisChannel, Bits: 4}, 64) }, "per token only"},
		"group 128":     {func() error { return s.CheckTile(chan128, 64) }, "-d 'emu:?tile-tokens=128'"},
		"part of group": {func() error { _, err := s.Quantize(t.Context(), []Rows{{perChannel, 32, ramp(33, 32)}}); return err }, "multiple of the group"},
		"ragged": {func() error {
			_, err := s.Quantize(t.Context(), []Rows{{perToken, 32, make([]uint16, 33)}})
			return err
		}, "33 were given"},
		"codes short": {func() error {
			_, err := s.Dequantize(t.Context(), []Coded{{perToken, 2, 32, make([]byte, 5)}})
			return err
		}, "5 were given"},
		"n 0":        {func() error { return s.CheckSelect(0) }, "among 0"},
		"n 1025":     {func() error { return s.CheckSelect(1025) }, "-d 'emu:?max-tokens=2048'"},
		"n 65537":    {func() error { return s.CheckSelect(65537) }, "takes 65536"},
		"weights":    {func() error { return s.checkSelection(Selection{N: 4, Weights: make([]uint16, 7)}) }, "whole rows"},
		"negative k": {func() error { return s.checkSelection(Selection{N: 4, TopK: -1}) }, "topk is -1"},
	} {
		if err := c.do(); !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want %q", name, err, c.word)
		}
	}
	if len(f.requests)+len(f.queue) != 0 {
		t.Error("something was sent")
	}
	// The session is still good, and the largest legal shapes pass.
	if err := s.CheckTile(perChannel, 128); err != nil {
		t.Error(err)
	}
	if _, err := s.Quantize(t.Context(), []Rows{{perToken, 32, ramp(3, 32)}}); err != nil {
		t.Error(err)
	}
	s.info.Features = 0
	if _, err := s.Quantize(t.Context(), nil); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("without the feature: %v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(i int, b []byte) []byte
		want  error
	}{
		"wrong tag": {func(i int, b []byte) []byte { return retag(b, i, 3) }, driver.ErrProtocol},
		"no magic":  {func(i int, b []byte) []byte { b[1] = 0; return b }, packet.ErrResponse},
		"cut short": {func(i int, b []byte) []byte { return b[:48] }, packet.ErrResponse},
		"status":    {func(i int, b []byte) []byte { regmap.TrailStatus.Put(b[len(b)-32:], regmap.StBadGeometry); return b }, packet.Status(regmap.StBadGeometry)},
		"less payload": {func(i int, b []byte) []byte {
			regmap.TrailBytesOut.Put(b[len(b)-32:], regmap.TrailBytesOut.Get(b[len(b)-32:])-1)
			return b
		}, driver.ErrProtocol},
	} {
		f, s := open(t)
		f.spoil = func(i int, b []byte) []byte {
			if i == 3 {
				return c.spoil(i, b)
			}
			return b
		}
		if _, err := s.Quantize(t.Context(), []Rows{{perToken, 64, ramp(128*20, 64)}}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if _, err := s.Quantize(t.Context(), []Rows{{perToken, 64, ramp(1, 64)}}); !errors.Is(err, c.want) {
			t.Errorf("%s: the session went on with answers outstanding: %v", name, err)
		}
	}
}

func retag(b []byte, i, by int) []byte {
	for _, h := range [][]byte{b[:32], b[len(b)-32:]} {
		regmap.RespTag.Put(h, regmap.RespTag.Get(h)+uint32(by))
	}
	return b
}

func TestBadPositions(t *testing.T) {
	for _, b := range [][]byte{{0, 0, 0, 0}, {2, 0, 1, 0}, {4, 0}, {255, 255}} {
		if _, err := kept(b, 4); !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("%v: got %v", b, err)
		}
	}
	if got, err := kept([]byte{0, 0, 3, 0}, 4); err != nil || !reflect.DeepEqual(got, []int{0, 3}) {
		t.Errorf("got %v %v", got, err)
	}
}

func TestCancelAndDisconnect(t *testing.T) {
	_, s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Select(ctx, 10, func(i int) (Selection, error) {
		if i == 5 {
			cancel()
		}
		return Selection{N: 4, Recent: 1}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	f, s := open(t)
	f.recvErr = driver.ErrDisconnected
	if _, err := s.Quantize(t.Context(), []Rows{{perToken, 64, ramp(1, 64)}}); !errors.Is(err, driver.ErrDisconnected) {
		t.Errorf("unplugged: %v", err)
	}
	boom := errors.New("boom")
	_, s = open(t)
	if _, err := s.Select(t.Context(), 2, func(i int) (Selection, error) { return Selection{N: 1, Sinks: 1}, map[int]error{1: boom}[i] }); !errors.Is(err, boom) {
		t.Errorf("failing job: %v", err)
	}
	if _, err := s.Select(t.Context(), 1, func(int) (Selection, error) { return Selection{N: 1, Sinks: 1}, nil }); err != nil {
		t.Errorf("a failed job spoilt the session: %v", err)
	}
}
