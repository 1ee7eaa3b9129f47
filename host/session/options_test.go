package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// one asks for one selection.
func one(t *testing.T, s *Session, sel Selection) (Selected, error) {
	t.Helper()
	got, err := s.Select(t.Context(), 1, func(int) (Selection, error) { return sel, nil })
	if err != nil {
		return Selected{}, err
	}
	return got[0], nil
}

// Every option goes into its field of the header, and the payload has scores
// before rows, both in whole beats.
func TestOptionsAreSent(t *testing.T) {
	f, s := open(t)
	f.reply = append(append(make([]byte, 5), make([]byte, 11)...), make([]byte, 2*64)...)
	f.reply[0], f.reply[1], f.reply[2], f.reply[3], f.reply[4] = 0x13, 0x44, 0x24, 0x44, 0x3 // tiers 3 1 4 4 4 2 4 4 3
	for j := range 9 {
		binary.LittleEndian.PutUint64(f.reply[16+8*j:], uint64(100+j))
	}
	got, err := one(t, s, Selection{
		N: 9, Sinks: 1, Recent: 1, TopK: 2, Weights: ramp(4, 9), ScoresIn: []uint64{1 << 40, 1, 2, 3, 4, 5, 6, 7, 8}, ScoresOut: true,
		StepRows: 2, Lambda: 0x8000, Form: regmap.ResultTiers, Rank: [3]int{0, 1, 2}, ProtTier: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Selected{Positions: []int{0, 1, 5, 8}, Tiers: []uint8{3, 1, 4, 4, 4, 2, 4, 4, 3}, Scores: []uint64{100, 101, 102, 103, 104, 105, 106, 107, 108}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	h := f.headers[0]
	for _, c := range []struct {
		field regmap.Field
		want  uint32
	}{
		{regmap.ReqRows, 4}, {regmap.ReqDims, 9}, {regmap.ReqRowDims, 0}, {regmap.ReqSinks, 1}, {regmap.ReqRecent, 1}, {regmap.ReqTopK, 2},
		{regmap.ReqPoolHalf, 0}, {regmap.ReqStepRows, 2}, {regmap.ReqLambda, 0x8000}, {regmap.ReqScoresIn, 1}, {regmap.ReqScoresOut, 1},
		{regmap.ReqKeyNorm, 0}, {regmap.ReqResult, regmap.ResultTiers}, {regmap.ReqRank0, 0}, {regmap.ReqRank1, 1}, {regmap.ReqRank2, 2}, {regmap.ReqProtTier, 3},
	} {
		if got := c.field.Get(h); got != c.want {
			t.Errorf("%+v is %d, want %d", c.field, got, c.want)
		}
	}
	p := f.payloads[0]
	if len(p) != 2*64+4*32 || binary.LittleEndian.Uint64(p) != 1<<40 || binary.LittleEndian.Uint64(p[64:]) != 8 ||
		!bytes.Equal(p[72:128], make([]byte, 56)) || !bytes.Equal(p[128+32:128+50], bytes.Repeat([]byte{1, 0}, 9)) {
		t.Errorf("payload of %d bytes: %v", len(p), p)
	}
}

func TestPoolingAndKeyNorms(t *testing.T) {
	f, s := open(t)
	f.reply = []byte{0b101, 1}
	got, err := one(t, s, Selection{N: 9, TopK: 3, Pool: 5, PoolMax: true, KeyRows: ramp(9, 16), RowDims: 16, Form: regmap.ResultBitmap})
	if err != nil || !reflect.DeepEqual(got.Positions, []int{0, 2, 8}) {
		t.Fatalf("%+v %v", got, err)
	}
	h := f.headers[0]
	if regmap.ReqPoolHalf.Get(h) != 2 || regmap.ReqPoolMax.Get(h) != 1 || regmap.ReqKeyNorm.Get(h) != 1 || regmap.ReqRowDims.Get(h) != 16 || regmap.ReqRows.Get(h) != 0 {
		t.Errorf("header %x", h)
	}
	if len(f.payloads[0]) != 9*32 {
		t.Errorf("%d bytes of key rows", len(f.payloads[0]))
	}
	// Scores alone: no row is sent.
	f.reply = []byte{1, 0}
	if _, err := one(t, s, Selection{N: 3, TopK: 1, ScoresIn: make([]uint64, 3)}); err != nil {
		t.Fatal(err)
	}
	if h := f.headers[1]; regmap.ReqRows.Get(h) != 0 || len(f.payloads[1]) != 64 {
		t.Errorf("header %x, %d bytes", h, len(f.payloads[1]))
	}
}

func TestRefusesSelections(t *testing.T) {
	f, s := open(t)
	keys := ramp(8, 16)
	for name, c := range map[string]struct {
		sel  Selection
		word string
	}{
		"sinks":          {Selection{N: 8, Sinks: 9}, "sinks is 9, want 0 to 8"},
		"recent":         {Selection{N: 8, Recent: 9}, "recent is 9"},
		"topk":           {Selection{N: 8, TopK: 1 << 40}, "topk"},
		"window of 16":   {Selection{N: 8, Pool: 16}, "odd one of up to 15"},
		"window of 17":   {Selection{N: 8, Pool: 17}, "odd one of up to 15"},
		"window of 2":    {Selection{N: 8, Pool: 2}, "odd"},
		"negative":       {Selection{N: 8, Pool: -3}, "odd"},
		"max of one":     {Selection{N: 8, PoolMax: true}, "window of 3"},
		"pooled scores":  {Selection{N: 8, Pool: 3, ScoresOut: true}, "without pooling"},
		"scores":         {Selection{N: 8, ScoresIn: make([]uint64, 7)}, "7 scores"},
		"lambda":         {Selection{N: 8, Lambda: 5, Weights: ramp(1, 8)}, "rows of a step"},
		"decay of none":  {Selection{N: 8, Lambda: 5, StepRows: 1}, "no rows"},
		"long steps":     {Selection{N: 8, StepRows: 4096, Weights: ramp(1, 8)}, "4095"},
		"ranks":          {Selection{N: 8, TopK: 4, Form: regmap.ResultTiers, Rank: [3]int{2, 1, 3}}, "2, 1 and 3"},
		"rank over topk": {Selection{N: 8, TopK: 4, Form: regmap.ResultTiers, Rank: [3]int{1, 2, 5}}, "up to the 4"},
		"tier 4":         {Selection{N: 8, TopK: 4, Form: regmap.ResultTiers, ProtTier: 4}, "tier 4"},
		"rank of a list": {Selection{N: 8, TopK: 4, Rank: [3]int{1, 1, 1}}, "no tiers"},
		"form":           {Selection{N: 8, TopK: 4, Form: 3}, "form 3"},
		"keys and rows":  {Selection{N: 8, TopK: 4, KeyRows: keys, RowDims: 16, Weights: ramp(1, 8)}, "take the place"},
		"few keys":       {Selection{N: 9, TopK: 4, KeyRows: keys, RowDims: 16}, "128 were given"},
		"keys of 24":     {Selection{N: 8, TopK: 4, KeyRows: keys, RowDims: 24}, "multiple of 16"},
		"dims alone":     {Selection{N: 8, TopK: 4, RowDims: 16}, "no key rows"},
	} {
		if _, err := one(t, s, c.sel); !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want %q", name, err, c.word)
		}
	}
	if len(f.requests) != 0 {
		t.Error("something was sent")
	}
}

func TestNamesTheMissingFeature(t *testing.T) {
	f, s := open(t)
	for name, c := range map[string]struct {
		sel     Selection
		feature int
	}{
		"SELECT":   {Selection{N: 8, TopK: 1}, regmap.FeatSelect},
		"POOL":     {Selection{N: 8, TopK: 1, Pool: 3}, regmap.FeatPool},
		"DECAY":    {Selection{N: 8, TopK: 1, StepRows: 1, Weights: ramp(1, 8)}, regmap.FeatDecay},
		"KEY_NORM": {Selection{N: 8, TopK: 1, KeyRows: ramp(8, 16), RowDims: 16}, regmap.FeatKeyNorm},
		"TIERS":    {Selection{N: 8, TopK: 1, Form: regmap.ResultTiers}, regmap.FeatTiers},
	} {
		s.info.Features = ^uint32(1 << c.feature)
		_, err := one(t, s, c.sel)
		var missing *FeatureError
		if !errors.Is(err, driver.ErrUnsupported) || !errors.As(err, &missing) || missing.Feature != c.feature || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "fake:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.info.Features = ^uint32(1 << regmap.FeatCompress)
	if _, err := s.Compress(t.Context(), 0, nil); !errors.Is(err, driver.ErrUnsupported) || !strings.Contains(err.Error(), "COMPRESS") {
		t.Errorf("COMPRESS: %v", err)
	}
	if len(f.requests) != 0 {
		t.Error("something was sent")
	}
}

func TestBadTierMaps(t *testing.T) {
	sel := Selection{N: 5, Sinks: 1, TopK: 2, Form: regmap.ResultTiers, Rank: [3]int{1, 1, 1}, ProtTier: 2}
	for name, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"good":           {[]byte{0x02, 0x43, 0x4}, true},
		"tier 5":         {[]byte{0x02, 0x53, 0x4}, false},
		"protected in 0": {[]byte{0x00, 0x43, 0x4}, false},
		"two in 0":       {[]byte{0x02, 0x40, 0x4}, false},
		"one too many":   {[]byte{0x02, 0x33, 0x4}, false},
		"one too few":    {[]byte{0x02, 0x44, 0x4}, false},
	} {
		if _, err := tiers(c.b, sel); (err == nil) != c.ok || err != nil && !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answer puts the parts of a COMPRESS together as the engine does.
func answer(s *Session, parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, make([]byte, s.whole(len(out))-len(out))...)
		out = append(out, p...)
	}
	return out
}

func TestCompress(t *testing.T) {
	f, s := open(t)
	const n, dims = 35, 32
	c := Compression{
		Selection: Selection{N: n, Recent: 1, TopK: 33, Weights: ramp(2, n), Rank: [3]int{1, 2, 3}, ScoresOut: true},
		Dims:      dims, K: ramp(n, dims), V: ramp(n, dims), ValueGroup: 16, Keys: packet.Layout{Axis: regmap.AxisToken, Group: 32},
	}
	list := make([]byte, (n+1)/2)
	for j := range n {
		list[j/2] |= []byte{0, 1, 2, 4, 3}[min(j, 4)] << (4 * (j % 2))
	}
	list[n/2] = 0                         // the recent one
	sizes := func(stats, group int) int { // rows at 16, 8, 4, 30 at 2 bits, and 16 bits
		return 2*2*dims + dims/group*stats*32 + dims + dims/2 + 30*dims/4
	}
	v, k := bytes.Repeat([]byte{7}, sizes(4, 16)), bytes.Repeat([]byte{9}, sizes(4, 32))
	f.reply = answer(s, list, make([]byte, s.scoreBytes(n)), v, k)
	run := func() ([]Compressed, error) {
		return s.Compress(t.Context(), 1, func(int) (Compression, error) { return c, nil })
	}
	got, err := run()
	if err != nil || !bytes.Equal(got[0].V, v) || !bytes.Equal(got[0].K, k) || len(got[0].Positions) != 34 || len(got[0].Scores) != n || got[0].Tiers[3] != regmap.TierDropped {
		t.Fatalf("%+v %v", got, err)
	}
	h := f.headers[0]
	if regmap.ReqValueGroup.Get(h) != regmap.Group16 || regmap.ReqGroup.Get(h) != regmap.Group32 || regmap.ReqRowDims.Get(h) != dims || regmap.ReqRows.Get(h) != 2 || regmap.ReqResult.Get(h) != 0 {
		t.Errorf("header %x", h)
	}
	if want := 2*s.whole(2*n) + 2*n*2*dims; len(f.payloads[0]) != want {
		t.Errorf("payload of %d bytes, want %d", len(f.payloads[0]), want)
	}

	// Per channel: a whole group of 32 and two rows left.
	c.ScoresOut, c.Keys = false, packet.Layout{Scheme: regmap.SchemeSym, Axis: regmap.AxisChannel, Group: 32, Bits: 3}
	v, k = v[:sizes(2, 16)], make([]byte, 32*dims*3/8+2*dims+2*2*dims)
	f.reply = answer(s, list, v, k)
	if got, err = run(); err != nil || len(got[0].K) != len(k) || len(got[0].V) != len(v) {
		t.Errorf("per channel: %v", err)
	}
	for _, spoilt := range [][]byte{f.reply[:len(f.reply)-1], f.reply[:20], append(f.reply[:len(f.reply):len(f.reply)], 0)} {
		f.reply = spoilt
		if _, err := run(); !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("%d bytes: %v", len(spoilt), err)
		}
		s.err = nil
	}
}

func TestRefusesCompressions(t *testing.T) {
	_, s := open(t)
	for name, c := range map[string]struct {
		change func(c *Compression)
		word   string
	}{
		"few values": {func(c *Compression) { c.V = c.V[1:] }, "value rows"},
		"few keys":   {func(c *Compression) { c.K = nil }, "key rows"},
		"group":      {func(c *Compression) { c.ValueGroup = 64 }, "values: "},
		"key group":  {func(c *Compression) { c.Keys.Group = 128 }, "keys: "},
		"bits":       {func(c *Compression) { c.Keys.Bits = 4 }, "width of their tier"},
		"blocks":     {func(c *Compression) { c.Keys.Block = true }, "block"},
		"offset":     {func(c *Compression) { c.Keys.Scheme = regmap.SchemeOffset }, "scale"},
		"per row":    {func(c *Compression) { c.Keys.Axis, c.Keys.Group, c.Keys.Bits = regmap.AxisChannel, 0, 4 }, "per token only"},
		"big groups": {func(c *Compression) {
			c.Keys.Axis, c.Keys.Group = regmap.AxisChannel, 128
			s.info.Params.TileTokens = 64
		}, "tile-tokens=128"},
		"dims":         {func(c *Compression) { c.Dims = 24 }, "multiple of 16"},
		"budget":       {func(c *Compression) { c.TopK = 11 }, "topk is 11"},
		"norms":        {func(c *Compression) { c.Weights, c.KeyRows, c.RowDims = nil, ramp(10, 16), 16 }, "norms"},
		"no positions": {func(c *Compression) { c.N = 0 }, "among 0"},
	} {
		x := Compression{Selection: Selection{N: 10, TopK: 5, Weights: ramp(1, 10)}, Dims: 32, K: ramp(10, 32), V: ramp(10, 32), ValueGroup: 32, Keys: packet.Layout{Group: 32}}
		c.change(&x)
		_, err := s.Compress(t.Context(), 1, func(int) (Compression, error) { return x, nil })
		if !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want %q", name, err, c.word)
		}
	}
}

// FuzzAnswer: an answer that is none is refused, never a panic, and what is accepted
// has the sizes asked for.
func FuzzAnswer(f *testing.F) {
	list := append([]byte{0x03, 0x44, 0x12, 0x44, 0x04}, make([]byte, 11)...)
	f.Add(append(list, make([]byte, 300)...), true)
	f.Add(list, false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, b []byte, channel bool) {
		s := New(newFake())
		c := Compression{
			Selection: Selection{N: 9, Sinks: 1, TopK: 2, Form: regmap.ResultTiers, Rank: [3]int{0, 1, 2}, ProtTier: 3},
			Dims:      32, ValueGroup: 32, Keys: packet.Layout{Group: 32},
		}
		if channel {
			c.Keys = packet.Layout{Axis: regmap.AxisChannel, Group: 16, Bits: 4}
		}
		out, err := s.compressed(c, b)
		if err != nil {
			if !errors.Is(err, driver.ErrProtocol) {
				t.Fatal(err)
			}
			return
		}
		size := 0
		for _, j := range out.Positions {
			size += RowBytes(packet.Layout{Group: 32}, 32, out.Tiers[j])
		}
		if len(out.Positions) != 3 || len(out.V) != size || channel && len(out.K) != 3*64 {
			t.Fatalf("%+v", out)
		}
	})
}
