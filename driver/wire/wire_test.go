package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The table of docs/link.md, section 1.
func TestStuffing(t *testing.T) {
	for _, c := range []struct{ raw, toDevice, toHost string }{
		{"11 22 00 33", "03 11 22 02 33", "11 22 03 33 02"},
		{"00 00 05", "01 01 02 05", "01 01 05 02"},
		{"05 00", "02 05 01", "05 02 01"},
	} {
		for dir, want := range []string{c.toDevice, c.toHost} {
			got := stuff(nil, unhex(t, c.raw), Direction(dir))
			if !bytes.Equal(got, unhex(t, want)) {
				t.Errorf("%s to %d: %x, want %s", c.raw, dir, got, want)
			}
			back, ok := unstuff(got, Direction(dir))
			if !ok || !bytes.Equal(back, unhex(t, c.raw)) {
				t.Errorf("%s back from %d: %x, %v", c.raw, dir, back, ok)
			}
		}
	}
}

// The example of docs/link.md, section 8.
func TestExample(t *testing.T) {
	for _, c := range []struct {
		dir   Direction
		f     Frame
		coded string
	}{
		{ToDevice, Frame{Type: regmap.FrameHello, A: 1, B: regmap.LinkVersion}, "04 01 01 01 05 0f e3 21 81 00"},
		{ToHost, Frame{Type: regmap.FrameHello, A: 1, B: 1, Payload: unhex(t, "10 08 08 e0 02 00 00 00 00 00 00 00")},
			"01 01 01 0c 10 08 08 e0 02 0a 01 01 01 01 01 01 7a 93 82 21 05 00"},
		{ToDevice, Frame{Type: regmap.FrameRead, A: 7, Payload: make([]byte, 6)}, "03 02 07 02 06 01 01 01 01 01 05 b8 e0 ce e0 00"},
		{ToHost, Frame{Type: regmap.FrameAnswer, A: 7, Payload: unhex(t, "43 41 56 4b 00 00")}, "04 07 03 06 43 41 56 4b 06 01 9b ab 26 93 05 00"},
		{ToDevice, Frame{Type: regmap.FrameAck, B: 0x40}, "02 06 02 40 05 c5 cf 56 f4 00"},
	} {
		coded := c.f.Append(nil, c.dir)
		if !bytes.Equal(coded, unhex(t, c.coded)) {
			t.Errorf("%+v: %x, want %s", c.f, coded, c.coded)
		}
		same(t, coded, c.dir, c.f)
	}
}

// same scans one coded frame and wants it back.
func same(t *testing.T, coded []byte, dir Direction, want Frame) {
	t.Helper()
	s := Scanner{Dir: dir}
	s.Scan(coded, func(f Frame, err error) {
		if err != nil || f.Type != want.Type || f.Flags != want.Flags || f.A != want.A || f.B != want.B || !bytes.Equal(f.Payload, want.Payload) {
			t.Errorf("%+v, %v; want %+v", f, err, want)
		}
	})
	if s.Frames != 1 || s.Damaged != 0 {
		t.Errorf("%d whole and %d damaged frames of %+v", s.Frames, s.Damaged, want)
	}
}

func random(rng *rand.Rand) Frame {
	f := Frame{Type: uint8(rng.IntN(16)), Flags: uint8(rng.IntN(16) << 4), A: uint8(rng.IntN(3)), B: uint8(rng.Uint32())}
	f.Payload = make([]byte, rng.IntN(regmap.LinkMaxPayload+1))
	zeros := rng.IntN(4)
	for i := range f.Payload {
		if f.Payload[i] = uint8(rng.Uint32()); rng.IntN(4) < zeros {
			f.Payload[i] = 0
		}
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		f, dir := random(rng), Direction(rng.IntN(2))
		coded := f.Append(nil, dir)
		if len(coded) > MaxCoded+1 || bytes.IndexByte(coded, 0) != len(coded)-1 {
			t.Fatalf("%+v: coded as %x", f, coded)
		}
		same(t, coded, dir, f)
	}
}

// A byte dropped, changed, inserted or repeated costs the frame it is in, or the
// two around a delimiter; every other frame arrives, and none arrives changed.
func TestOneFaultCostsItsFrame(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	lost := 0
	for range 5000 {
		dir := Direction(rng.IntN(2))
		stream := []byte{Delimiter}
		var want []string
		var ends []int
		for i := range 6 {
			f := random(rng)
			f.A, f.B = uint8(i), 0
			stream = f.Append(stream, dir)
			want, ends = append(want, string(f.Payload)), append(ends, len(stream)-1)
		}
		at := 1 + rng.IntN(len(stream)-1)
		hit := map[int]bool{}
		for i, end := range ends {
			if at <= end {
				hit[i] = true
				hit[i+1] = at == end
				break
			}
		}
		switch rng.IntN(4) {
		case 0:
			stream = append(stream[:at:at], stream[at+1:]...)
		case 1:
			stream[at] ^= uint8(1 + rng.IntN(255))
		case 2:
			stream = append(stream[:at:at], append([]byte{uint8(rng.Uint32())}, stream[at:]...)...)
		case 3:
			stream = append(stream[:at:at], append([]byte{stream[at]}, stream[at:]...)...)
		}
		stream = append(stream, Delimiter)
		got := map[int]bool{}
		s := Scanner{Dir: dir}
		s.Scan(stream, func(f Frame, err error) {
			if err != nil {
				return
			}
			if int(f.A) >= len(want) || string(f.Payload) != want[f.A] || f.B != 0 {
				t.Fatalf("a damaged frame was believed: %+v", f)
			}
			got[int(f.A)] = true
		})
		for i := range want {
			if !got[i] && !hit[i] {
				t.Fatalf("frame %d is lost, the fault was at byte %d, frames end at %d", i, at, ends)
			}
			if !got[i] {
				lost++
			}
		}
	}
	if lost < 3000 {
		t.Errorf("only %d frames were lost: the faults do not bite", lost)
	}
}

func TestDamaged(t *testing.T) {
	good := Frame{Type: regmap.FrameAck, A: 9}.Append(nil, ToDevice)
	for _, b := range [][]byte{{1}, {255, 1, 1}, good[:3], good[1 : len(good)-1], bytes.Repeat([]byte{1}, MaxCoded+1), bytes.Repeat([]byte{1}, 1<<20)} {
		if f, err := Decode(bytes.Clone(b), ToDevice); !errors.Is(err, ErrDamaged) {
			t.Errorf("%.20x: %+v, %v", b, f, err)
		}
	}
	s := Scanner{}
	s.Scan(append(bytes.Repeat([]byte{7}, 1<<20), 0), func(_ Frame, err error) {
		if !errors.Is(err, ErrDamaged) {
			t.Error("garbage was believed")
		}
	})
	s.Scan(good, func(_ Frame, err error) {
		if err != nil {
			t.Errorf("not in step after garbage: %v", err)
		}
	})
	if s.Frames != 1 || s.Damaged != 1 || cap(s.part) > 4*MaxCoded {
		t.Errorf("%d whole, %d damaged, %d bytes held", s.Frames, s.Damaged, cap(s.part))
	}
}

// Whatever comes, and however it is cut, the same frames come out, and each is
// what its own coding decodes to.
func FuzzScan(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(random(rng).Append(nil, ToDevice), uint8(0), uint8(3))
		f.Add(random(rng).Append(random(rng).Append(nil, ToHost), ToHost), uint8(1), uint8(50))
	}
	f.Fuzz(func(t *testing.T, data []byte, dir, step uint8) {
		d := Direction(dir & 1)
		var whole, pieces []string
		collect := func(into *[]string) func(Frame, error) {
			return func(fr Frame, err error) {
				if err != nil {
					*into = append(*into, "damaged")
					return
				}
				*into = append(*into, string(fr.Append(nil, d)))
			}
		}
		one := Scanner{Dir: d}
		one.Scan(data, collect(&whole))
		many := Scanner{Dir: d}
		for at := 0; at < len(data); at += 1 + int(step) {
			many.Scan(data[at:min(len(data), at+1+int(step))], collect(&pieces))
		}
		if strings.Join(whole, "|") != strings.Join(pieces, "|") {
			t.Fatalf("in pieces of %d: %x, whole: %x", 1+int(step), pieces, whole)
		}
		if one.Frames+one.Damaged != len(whole) {
			t.Fatalf("%d and %d frames of %d", one.Frames, one.Damaged, len(whole))
		}
		for _, w := range whole {
			if w != "damaged" && !bytes.Contains(append([]byte{0}, data...), append([]byte{0}, w...)) {
				t.Fatalf("%x does not occur in %x", w, data)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	f := random(rand.New(rand.NewPCG(1, 1)))
	f.Payload = make([]byte, regmap.LinkMaxPayload)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range f.Payload {
		f.Payload[i] = uint8(rng.Uint32())
	}
	b.SetBytes(regmap.LinkMaxPayload)
	var buf []byte
	for b.Loop() {
		buf = f.Append(buf[:0], ToDevice)
	}
}

func BenchmarkScan(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	p := make([]byte, regmap.LinkMaxPayload)
	for i := range p {
		p[i] = uint8(rng.Uint32())
	}
	coded := Frame{Type: regmap.FrameData, Payload: p}.Append(nil, ToHost)
	s := Scanner{Dir: ToHost}
	b.SetBytes(regmap.LinkMaxPayload)
	for b.Loop() {
		s.Scan(coded, func(Frame, error) {})
	}
}
