package bench

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/trace"
	"github.com/kvaccel/kvaccel/internal/fp16"
)

func open(t *testing.T, uri string) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := emulator.Open(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	return dev
}

func measure(t *testing.T, dev driver.Device, opt Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), dev, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The searches that can be worked out from docs/engine.md, 5.9: with W words and
// P passes, LatSelectSettle + P (ceil(W/2) + LatSelectPass) + W + LatSelectEmit
// cycles to the last push, and one more through the FIFO; a full beat and a rest with
// the last word cost one again. The two slices add one. Where the first digit was
// counted ahead, its pass takes LatSelectFirst.
func TestSearchIsTheContracts(t *testing.T) {
	for _, uri := range []string{"emu:", "emu:?lanes=2", "emu:?lanes=16"} {
		dev := open(t, uri)
		p := dev.Info().Params
		b := &bench{ctx: t.Context(), dev: dev, p: p}
		for _, c := range []struct {
			scores       string
			n, k, passes int
			ahead        bool
		}{
			{"equal", 1000, 0, 0, false},
			{"equal", 1000, 1000, 0, false},
			{"equal", 1000, 8, 7, false}, // one row of 1.0, 2^24 units: seven digits, six expected
			{"saturated", 4096, 512, 10, true},
			{"zero", 4096, 16, 1, false},
			{"one-bin", 256, 16, 10, true},
		} {
			var rows [][]uint16
			for _, a := range adversaries {
				if a.name == c.scores {
					rows = a.rows(c.n)
				}
			}
			got, err := b.search(rows, c.n, 0, 0, c.k)
			if err != nil {
				t.Fatal(err)
			}
			w := (c.n + p.Lanes - 1) / p.Lanes
			if c.ahead {
				c.passes--
			}
			want := regmap.LatSelectSettle + c.passes*((w+1)/2+regmap.LatSelectPass) + w + regmap.LatSelectEmit + 2
			if c.ahead {
				want += regmap.LatSelectFirst
			}
			if got != want && got != want+1 {
				t.Errorf("%s: %s scores, top %d of %d: %d cycles, want %d or one more", uri, c.scores, c.k, c.n, got, want)
			}
		}
	}
}

// A tile of a queue costs its beats, its header and the checks; DEQUANTIZE's
// answer also has a trailer.
func TestTilesAreTheContracts(t *testing.T) {
	dev := open(t, "emu:")
	p := dev.Info().Params
	r := measure(t, dev, Options{Only: []string{"quantize", "dequantize"}, Quick: true, Rows: 64, Dims: 64})
	beats := float64(64 * 64 / p.Lanes)
	for i, over := range []int{p.HeaderBeats() + regmap.LatCheck, 2 * p.HeaderBeats()} {
		if want := beats / (beats + float64(over)); r.Rows[i].Worst.Measured != want {
			t.Errorf("%s: %g beats a cycle at worst, want %g", r.Rows[i].ID, r.Rows[i].Worst.Measured, want)
		}
	}
}

func TestAbsentIsNotKept(t *testing.T) {
	r := measure(t, open(t, "emu:?features=5"), Options{Quick: true})
	want := []string{"quantize", "compress", "select-rows", "select-search", "select-real", "select-long", "token-latency"}
	if !reflect.DeepEqual(r.Absent, want) || len(r.Broken) > 0 || r.Err() != nil {
		t.Errorf("absent %v, broken %v, error %v; want %v absent", r.Absent, r.Broken, r.Err(), want)
	}
	for _, row := range r.Rows {
		if (row.Absent != "") == row.Kept {
			t.Errorf("%s: absent %q, kept %v", row.ID, row.Absent, row.Kept)
		}
	}
}

// slow is a device whose commands and tiles seem to take longer.
type slow struct {
	driver.Device
	command, tile int // cycles more
	answers       int
}

func (s *slow) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	b, err := s.Device.Recv(ctx, dst)
	if err == nil {
		s.answers++
		trailer := b[len(b)-regmap.HeaderBytes:]
		regmap.TrailCycles.Put(trailer, regmap.TrailCycles.Get(trailer)+uint32(s.command))
	}
	return b, err
}

func (s *slow) ReadReg(ctx context.Context, addr uint32) (uint32, error) {
	v, err := s.Device.ReadReg(ctx, addr)
	if addr == regmap.RegActive {
		v += uint32(s.answers * s.tile)
	}
	return v, err
}

// Every promise breaks on a device that is too slow for it by little.
func TestSlowDevices(t *testing.T) {
	for _, c := range []struct {
		promise       string
		command, tile int
	}{
		{"quantize", 0, 38}, // 2048 beats may take 2089 cycles
		{"dequantize", 0, 38},
		{"select-search", 162, 0},
		{"select-real", 181, 0},
		{"select-long", 181, 0},
		{"token-latency", 4, 0},
	} {
		opt := Options{Quick: true, Only: []string{c.promise}}
		if r := measure(t, open(t, "emu:"), opt); len(r.Broken) > 0 {
			t.Errorf("%s is broken: %+v", c.promise, r.Rows[0].Worst)
		}
		r := measure(t, &slow{Device: open(t, "emu:"), command: c.command, tile: c.tile}, opt)
		if !slices.Contains(r.Broken, c.promise) || !errors.Is(r.Err(), driver.ErrVerify) {
			t.Errorf("%s: %d cycles a command and %d a tile more break nothing: %+v", c.promise, c.command, c.tile, r.Rows[0].Worst)
		}
	}
}

// stopped is a device whose counters stand still and whose answers give no cycles.
type stopped struct{ driver.Device }

func (s *stopped) ReadReg(ctx context.Context, addr uint32) (uint32, error) { return 7, nil }

func (s *stopped) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	b, err := s.Device.Recv(ctx, dst)
	if err == nil {
		regmap.TrailCycles.Put(b[len(b)-regmap.HeaderBytes:], 0)
	}
	return b, err
}

// A figure that cannot be is no promise kept.
func TestImpossibleFigures(t *testing.T) {
	for _, id := range []string{"quantize", "dequantize", "select-rows", "select-search", "select-real", "token-latency"} {
		_, err := Run(t.Context(), &stopped{open(t, "emu:")}, Options{Quick: true, Only: []string{id}})
		if !errors.Is(err, driver.ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", id, err)
		}
	}
}

// rowsSlow makes each attention row of a SELECT seem to take longer.
type rowsSlow struct{ slow }

func (s *rowsSlow) Send(ctx context.Context, request []byte) error {
	s.command = int(regmap.ReqRows.Get(request))
	return s.slow.Send(ctx, request)
}

func TestSlowRows(t *testing.T) {
	r := measure(t, &rowsSlow{slow{Device: open(t, "emu:")}}, Options{Quick: true, Only: []string{"select-rows"}})
	if !slices.Contains(r.Broken, "select-rows") { // 32 beats in 33 cycles
		t.Errorf("nothing is broken: %+v", r.Rows[0].Worst)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		want string
	}{
		{Options{Only: []string{"speed"}}, "select-real"},
		{Options{Rows: 129}, "1 to 128"},
		{Options{Rows: -1}, "1 to 128"},
		{Options{Dims: 24}, "multiples of 16"},
		{Options{Dims: 512}, "up to 256"},
	} {
		if _, err := Run(t.Context(), open(t, "emu:"), c.opt); !errors.Is(err, ErrOption) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.opt, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, open(t, "emu:"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestReportJSON(t *testing.T) {
	r := measure(t, open(t, "emu:?features=0xf"), Options{Quick: true, Only: []string{"token-latency", "compress"}})
	full, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	brief, err := json.Marshal(r.Brief())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"schema_version":1`, `"source":"emulator"`, `"device":{"uri":"emu:?features=0xf"`, `"broken":[]`, `"absent":["compress"]`,
		`"worst":{"settings":{"axis":"token","scheme":`, `"limit":{"at_least":false,"fixed":32,"per_word":0}`} {
		if !strings.Contains(string(full), want) || !strings.Contains(string(brief), want) {
			t.Errorf("no %s in %s", want, brief)
		}
	}
	if !strings.Contains(string(full), `"points":[`) || strings.Contains(string(brief), `"points":[`) {
		t.Error("single points belong to the full report, and to it alone")
	}
}

func TestGobench(t *testing.T) {
	r := measure(t, open(t, "emu:"), Options{Quick: true, Only: []string{"quantize", "select-real"}})
	var b strings.Builder
	if err := r.WriteGobench(&b); err != nil {
		t.Fatal(err)
	}
	config := regexp.MustCompile(`^[a-z-]+: \S+$|^Unit \S+ better=(higher|lower) assume=exact$|^$`)
	result := regexp.MustCompile(`^Benchmark(Quantize|SelectReal)/[a-z]+=\S+ 1 [0-9.]+ (beats/cycle|cycles)$`)
	results := 0
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		switch {
		case result.MatchString(line):
			results++
		case !config.MatchString(line):
			t.Errorf("neither a result nor a setting: %q", line)
		}
	}
	if want := len(r.Rows[0].Points) + len(r.Rows[1].Samples); results != want {
		t.Errorf("%d results, want %d", results, want)
	}
}

// The rows that are sent are those of the trace: causal, and each adds up to 1.
func TestAttentionRows(t *testing.T) {
	tr, err := trace.Sample()
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	b := &bench{ctx: t.Context(), p: regmap.DefaultParams()}
	a, err := openAttention(tr, 1)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := a.rows(b, 3, 300)
	if err != nil || len(rows) != 300 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for query, row := range rows {
		sum := 0.0
		for j, w := range row {
			if j > query && w != 0 {
				t.Fatalf("the query at %d looks at %d", query, j)
			}
			sum += fp16.ToFloat64(w)
		}
		if len(row) != 300 || sum < 0.99 || sum > 1.01 {
			t.Errorf("row %d of %d adds up to %g", query, len(row), sum)
		}
	}
	// Query head 15 is the last of the last layer; head 0 of layer 0 comes next.
	long, err := joined(b, tr, 15, 3*tr.T+7)
	if err != nil || len(long) != tr.T || len(long[0]) != 3*tr.T+7 {
		t.Fatalf("%d rows end to end: %v", len(long), err)
	}
	for s, at := range []struct{ layer, head int }{{3, 3}, {0, 0}, {0, 1}, {0, 2}} {
		if a, err = openAttention(tr, at.layer); err != nil {
			t.Fatal(err)
		}
		if rows, err = a.rows(b, at.head, tr.T); err != nil {
			t.Fatal(err)
		}
		part := long[100][s*tr.T:]
		if want := rows[100][:min(tr.T, len(part))]; !slices.Equal(part[:len(want)], want) {
			t.Errorf("segment %d is not that of layer %d, query head %d", s, at.layer, at.head)
		}
	}
}

// A trace longer than the engine's score table is measured as far as it goes.
func TestPrefixes(t *testing.T) {
	tr := &trace.Trace{T: 10000, Layers: 1, Hq: 1}
	b := &bench{p: regmap.DefaultParams()}
	if got, want := b.prefixes(tr), []int{1024, 2048, 3584, 4096}; !slices.Equal(got, want) {
		t.Errorf("prefixes %v, want %v", got, want)
	}
	if got := b.lengths(tr); got != nil {
		t.Errorf("lengths %v, want none", got)
	}
	if got, want := b.prefixes(&trace.Trace{T: 3}), []int{1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("prefixes of three positions are %v, want %v", got, want)
	}
}
