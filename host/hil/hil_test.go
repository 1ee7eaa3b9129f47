package hil

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/fault"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	timing "github.com/kvaccel/kvaccel/host/bench"
)

func open(t testing.TB, uri string) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	d, err := emulator.Open(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

const small = "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512"

func run(t *testing.T, dev driver.Device) *Report {
	t.Helper()
	r, err := Run(t.Context(), dev, Options{Quick: true, Sizes: []int{0, 100, 5000}, Depths: []int{1, 3}, Predict: open(t, small)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	r := run(t, open(t, small))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if len(r.Latency) != 2 || len(r.Loopback) != 6 || len(r.Oneway) != 12 || len(r.Engine) != 12 || r.BitErrors != 0 || r.Source != driver.Emulator {
		t.Errorf("%+v", r)
	}
	for _, l := range r.Latency {
		if !(l.P50 > 0 && l.P50 <= l.P99 && l.P99 <= l.Worst && l.Mean <= l.Worst) {
			t.Errorf("%+v", l)
		}
	}
	for _, l := range append(r.Loopback, r.Oneway...) {
		if l.Count < 4 || l.Size > 0 && l.BytesRate <= 0 || l.LostShare != 0 {
			t.Errorf("%+v", l)
		}
	}
	var table, gobench bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteGobench(&gobench)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"as predicted by emulator l4-d64", "register read", "a simulation", "select/n=512"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	for _, want := range []string{"\nBenchmarkLoopback/size=5000/depth=3 ", "\nBenchmarkLatency/what=register-read ", "\nBenchmarkEngine/echo/bytes=4096 1 ", "source: emulator\n"} {
		if !strings.Contains(gobench.String(), want) {
			t.Errorf("no %q in\n%s", want, gobench.String())
		}
	}
}

// liar is a device that spoils what it answers.
type liar struct {
	driver.Device
	spoil func(response []byte)
}

func (l liar) Recv(ctx context.Context, dst []byte) ([]byte, error) {
	b, err := l.Device.Recv(ctx, dst)
	if err == nil {
		l.spoil(b)
	}
	return b, err
}

// A device that takes other cycles, gives other bytes, or loses bits is found out.
func TestFoundOut(t *testing.T) {
	const header = regmap.HeaderBytes
	slow := run(t, liar{open(t, small), func(b []byte) {
		trail := b[len(b)-header:]
		if regmap.TrailOpcode.Get(trail) == regmap.OpSelect {
			regmap.TrailCycles.Put(trail, regmap.TrailCycles.Get(trail)+1)
		}
	}})
	if err := slow.Err(); !errors.Is(err, driver.ErrVerify) || !strings.Contains(err.Error(), "select") || slow.Predicted {
		t.Errorf("a cycle more: %v", err)
	}
	odd := run(t, liar{open(t, small), func(b []byte) {
		if regmap.TrailOpcode.Get(b[len(b)-header:]) == regmap.OpQuantize {
			b[header] ^= 4
		}
	}})
	if err := odd.Err(); !errors.Is(err, driver.ErrVerify) || !strings.Contains(err.Error(), "quantize") {
		t.Errorf("another byte: %v", err)
	}
	deaf := run(t, liar{open(t, small), func(b []byte) {
		if op := regmap.TrailOpcode.Get(b[len(b)-header:]); (op == regmap.OpSink || op == regmap.OpSource) && len(b) > 2*header {
			b[header] ^= 1
		}
	}})
	if n := deaf.BitErrors; n < 32 || !errors.Is(deaf.Err(), driver.ErrVerify) || deaf.Loopback[3].BitErrors != 0 {
		t.Errorf("%d bits wrong one way, %v", n, deaf.Err())
	}
	noisy := run(t, liar{open(t, small), func(b []byte) {
		if regmap.TrailOpcode.Get(b[len(b)-header:]) == regmap.OpEcho && len(b) > 2*header {
			b[header+5] ^= 0x81
		}
	}})
	if n := noisy.BitErrors; n < 16 || n%2 != 0 || !errors.Is(noisy.Err(), driver.ErrVerify) || noisy.Loopback[0].BitErrors != 0 {
		t.Errorf("%d bit errors, %v", n, noisy.Err())
	}
}

func TestRefuses(t *testing.T) {
	for _, o := range []Options{{Sizes: []int{-1}}, {Sizes: []int{2 << 20}}, {Depths: []int{0}}, {Predict: open(t, "emu:")}} {
		if _, err := Run(t.Context(), open(t, small), o); !errors.Is(err, driver.ErrOption) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	s, err := fault.Parse("recv at 60 error timeout")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), fault.Device(open(t, small), s), Options{Quick: true}); !errors.Is(err, driver.ErrTimeout) {
		t.Errorf("a device that stops answering: %v", err)
	}
}

func TestLatency(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i)*time.Microsecond)
	}
	l := newLatency("x", times)
	if math.Abs(l.Mean-50.5) > 1e-9 || l.P50 != 50 || l.P99 != 99 || l.Worst != 100 || math.Abs(l.Sigma-29.011) > 0.001 {
		t.Errorf("%+v", l)
	}
}

// The sequence has the period 2^31-1, so no two of the places that commands start
// at look alike; and its bits are what the polynomial says.
func TestPRBS(t *testing.T) {
	b := prbs(1 << 16)
	bit := func(i int) byte { return b[i/8] >> (i % 8) & 1 }
	for i := 31; i < 8*len(b); i++ {
		if bit(i) != bit(i-31)^bit(i-28) {
			t.Fatalf("bit %d breaks x^31 + x^28 + 1", i)
		}
	}
	const other = uint32(0x2468ace1) // the seed is what stands before the first bit
	o := streamOf(other, 4)
	for i := range 31 {
		before := func(k int) byte { return byte(other >> (k + 31) & 1) } // b_k, k from -31 to -1
		late := func(k int) byte {
			if k < 0 {
				return before(k)
			}
			return o[k/8] >> (k % 8) & 1
		}
		if late(i) != late(i-31)^late(i-28) {
			t.Fatalf("bit %d is not what the seed gives", i)
		}
	}
	seen := map[string]bool{}
	for i := range 1000 {
		at := i * 4099 % (1<<16 - 64)
		if s := string(b[at : at+8]); seen[s] {
			t.Fatalf("two places begin alike")
		} else {
			seen[s] = true
		}
	}
}

func marshal(t *testing.T, v any) *bytes.Reader {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}

func TestCompare(t *testing.T) {
	a := run(t, open(t, small))
	same, err := Compare(marshal(t, a), marshal(t, a))
	if err != nil || same.Err() != nil || len(same.Differences) != 0 || len(same.Changes) < 15 {
		t.Errorf("%+v, %v", same, err)
	}
	b := *a
	b.Device.BuildHash = 7
	b.Engine = append([]Workload{}, a.Engine[:len(a.Engine)-1]...)
	b.Engine[2].Cycles += 3
	b.Loopback = append([]Transfer{}, a.Loopback...)
	b.Loopback[2].BytesRate *= 2
	c, err := Compare(marshal(t, a), marshal(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Err(); !errors.Is(err, driver.ErrVerify) || !strings.Contains(err.Error(), a.Engine[2].Name) {
		t.Errorf("three cycles more: %v", err)
	}
	var out bytes.Buffer
	if err := c.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"engine build", "+100.0%", "CHANGED", "only old", "="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	b.Device.Params.Lanes = 8
	if c, err := Compare(marshal(t, a), marshal(t, b)); err != nil || c.Err() != nil {
		t.Errorf("another engine may take other cycles: %v, %v", err, c.Err())
	}
	promises, err := timing.Run(t.Context(), open(t, small), timing.Options{Quick: true, Only: []string{"quantize"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compare(marshal(t, promises), marshal(t, promises))
	if err != nil || p.Kind != "promises" || len(p.Changes) != 1 || p.Changes[0].Old < 0.9 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, text := range []string{"", "{}", "[]", `{"schema_version":9,"kind":"link"}`} {
		if _, err := Compare(strings.NewReader(text), marshal(t, a)); !errors.Is(err, ErrReport) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Compare(marshal(t, a), marshal(t, promises)); !errors.Is(err, ErrReport) {
		t.Errorf("two kinds: %v", err)
	}
}
