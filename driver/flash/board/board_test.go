package board

import (
	"errors"
	"testing"

	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
)

func TestTable(t *testing.T) {
	for _, b := range Boards {
		if got, err := Lookup(b.Name); err != nil || got.Name != b.Name {
			t.Errorf("%s: %v", b.Name, err)
		}
		if len(b.Parts) == 0 || len(b.Methods) == 0 || b.Recover == "" || b.Format == bitstream.ECP5 && b.IDCODE == 0 {
			t.Errorf("%s: an entry lacks something", b.Name)
		}
		if err := b.CheckPlace(b.Offset, 1); err != nil {
			t.Errorf("%s: its own place: %v", b.Name, err)
		}
		for _, m := range b.Methods {
			if m.Kind == DFU && (m.Size <= 0 || b.CheckPlace(m.Base, m.Size) != nil) || m.Kind == Loader && m.Name == "" {
				t.Errorf("%s: method %+v", b.Name, m)
			}
		}
	}
	if _, err := Lookup("de10"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestCheckPart(t *testing.T) {
	crab, _ := Lookup("orangecrab-25f")
	ice, _ := Lookup("icebreaker")
	small := bitstream.Bitstream{Format: bitstream.ECP5, Part: "LFE5U-25F", IDCODE: 0x41111043}
	large := bitstream.Bitstream{Format: bitstream.ECP5, Part: "LFE5U-85F", IDCODE: 0x41113043}
	twelve := bitstream.Bitstream{Format: bitstream.ECP5, Part: "LFE5U-12F", IDCODE: 0x21111043}
	up5k := bitstream.Bitstream{Format: bitstream.ICE40, Part: "iCE40UP5K/U4K"}
	hx8k := bitstream.Bitstream{Format: bitstream.ICE40, Part: "iCE40LP8K/HX8K"}
	for _, c := range []struct {
		board Board
		file  bitstream.Bitstream
		ok    bool
	}{{crab, small, true}, {crab, large, false}, {crab, twelve, false}, {crab, up5k, false}, {ice, up5k, true}, {ice, hx8k, false}, {ice, small, false}} {
		if err := c.board.CheckPart(c.file); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s for %s: %v", c.file.Part, c.board.Name, err)
		}
	}
}

func TestCheckPlace(t *testing.T) {
	b, _ := Lookup("orangecrab-25f")
	for _, c := range []struct {
		at, n int64
		ok    bool
	}{{0x80000, 1000, true}, {0, 1, false}, {0x7ffff, 1, false}, {0x7ffff, 2, false}, {16*mega - 1, 1, true}, {16*mega - 1, 2, false}, {-1, 1, false}, {1 << 62, 1 << 62, false}} {
		if err := b.CheckPlace(c.at, c.n); (err == nil) != c.ok {
			t.Errorf("%d bytes at %#x: %v", c.n, c.at, err)
		}
	}
}

func TestMethod(t *testing.T) {
	b, _ := Lookup("ulx3s-85f")
	if m, err := b.Method(""); err != nil || m.Kind != Loader {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err := b.Method(DFU); err != nil || m.Product != 0x614b {
		t.Errorf("%+v, %v", m, err)
	}
	b, _ = Lookup("icebreaker")
	if _, err := b.Method(DFU); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}
