package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
)

func env(device string, asJSON bool) (*cli.Env, *bytes.Buffer) {
	var out bytes.Buffer
	e := &cli.Env{Stdout: &out, Stderr: &out, Devices: &driver.Registry{}, Device: device, JSON: asJSON}
	e.Devices.Register("emu", emulator.Open)
	return e, &out
}

// What the counters grow by is what was done, past their wrap too.
func TestSince(t *testing.T) {
	e, _ := env("emu:", false)
	dev, err := e.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	before, err := read(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	request, err := packet.Request{Opcode: regmap.OpEcho, Rows: 160}.Append(nil, dev.Info().Params, make([]byte, 160))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := dev.Send(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		if _, err := dev.Recv(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	after, err := read(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	after.at = before.at.Add(2 * time.Second)
	for _, shift := range []uint32{0, 0xffffffff} { // the second time BEATS_IN wraps between the two
		before.counters["BEATS_IN"] += shift
		after.counters["BEATS_IN"] += shift
		s := after.since(before)
		if s.Counters["BEATS_IN"] != 36 || s.Counters["PACKETS"] != 3 || s.Rates.BeatsIn != 18 || s.Rates.Packets != 1.5 || s.Seconds != 2 {
			t.Errorf("%+v", s)
		}
		if s.Rates.Active <= 0 || s.Rates.Active > 1 || s.Rates.StallIn != 0 {
			t.Errorf("rates %+v", s.Rates)
		}
	}
}

func TestLines(t *testing.T) {
	e, out := env("emu:", true)
	if err := run(t.Context(), e, time.Millisecond, 3); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(out)
	for range 3 {
		var s Sample
		if err := dec.Decode(&s); err != nil || s.SchemaVersion != 1 || s.Seconds <= 0 || s.Counters["CYCLES"] == 0 || len(s.Counters) != len(watched()) {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if dec.More() {
		t.Error("more lines than asked for")
	}
	e, out = env("emu:", false)
	if err := run(t.Context(), e, time.Millisecond, 25); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 27 || !strings.Contains(lines[21], "packets/s") {
		t.Errorf("%d lines:\n%s", len(lines), out)
	}
}

func TestInterrupted(t *testing.T) {
	for count, want := range map[int]int{0: cli.ExitOK, 5: cli.ExitIO} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		e, _ := env("emu:", false)
		if err := run(ctx, e, time.Hour, count); cli.ExitCode(err) != want {
			t.Errorf("count %d: %v", count, err)
		}
		cancel()
	}
}
