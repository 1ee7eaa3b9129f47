// Package monitor has the verb that shows a device's counters as they move.
package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// New builds "kvaccel monitor".
func New(env *cli.Env) *cobra.Command {
	var interval time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "monitor",
		Short: "Show a device's counters as they move",
		Long: `monitor reads the engine's counters at an interval and prints how much they grew: beats and
packets a second, the share of cycles in which the engine worked, and what it waited for.

A card at xdma:N is watched beside the program that uses it (observe=true). A byte link
(usb:, uart:) belongs to one program at a time, and opening it resets the engine, so there
monitor shows only what happens while it runs itself.`,
		Example: `  kvaccel monitor -d xdma:0
  kvaccel monitor -d xdma:0 --interval 200ms --count 50 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < time.Millisecond || interval > longest {
				return cli.Usage(fmt.Errorf("--interval %v, want 1ms to %v: the counters wrap", interval, longest))
			}
			if count < 0 {
				return cli.Usage(fmt.Errorf("--count %d, want 0 (no end) or more", count))
			}
			return run(cmd.Context(), env, interval, count)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between two lines")
	cmd.Flags().IntVar(&count, "count", 0, "lines to print; 0: until interrupted")
	return cmd
}

// longest is well below the time in which the cycle counter wraps: 43 s at 100 MHz.
const longest = 10 * time.Second

// Sample is one line: what the counters grew by, and what that is a second.
type Sample struct {
	SchemaVersion int               `json:"schema_version"`
	Time          time.Time         `json:"time"`
	Seconds       float64           `json:"seconds"` // since the line before
	Status        uint32            `json:"status"`
	Errors        []string          `json:"errors"`   // statuses that responses carried since they were cleared
	Counters      map[string]uint32 `json:"counters"` // growth, modulo 2^32
	Rates         Rates             `json:"rates"`
}

// Rates are figures of one second, and shares of the clock cycles.
type Rates struct {
	ClockHz  float64 `json:"clock_hz"` // measured
	BeatsIn  float64 `json:"beats_in"`
	BeatsOut float64 `json:"beats_out"`
	Packets  float64 `json:"packets"`
	Tokens   float64 `json:"tokens"`
	Active   float64 `json:"active"`    // share of cycles
	StallIn  float64 `json:"stall_in"`  // likewise
	StallOut float64 `json:"stall_out"` // likewise
}

// watched are the counters.
func watched() (list []regmap.Register) {
	for _, r := range regmap.Registers {
		if r.Addr >= regmap.RegCycles && r.Access == "RO" {
			list = append(list, r)
		}
	}
	return list
}

// reading is the counters at one time.
type reading struct {
	at             time.Time
	counters       map[string]uint32
	status, errors uint32
}

func read(ctx context.Context, dev driver.Device) (r reading, err error) {
	r.counters = map[string]uint32{}
	r.at = time.Now()
	for _, c := range watched() {
		if r.counters[c.Name], err = dev.ReadReg(ctx, c.Addr); err != nil {
			return r, err
		}
	}
	if r.status, err = dev.ReadReg(ctx, regmap.RegStatus); err != nil {
		return r, err
	}
	r.errors, err = dev.ReadReg(ctx, regmap.RegErrors)
	return r, err
}

// since is what happened from one reading to the next.
func (r reading) since(before reading) Sample {
	s := Sample{SchemaVersion: cli.SchemaVersion, Time: r.at, Seconds: r.at.Sub(before.at).Seconds(), Status: r.status, Errors: regmap.StCodes.Bits(r.errors), Counters: map[string]uint32{}}
	for name, v := range r.counters {
		s.Counters[name] = v - before.counters[name]
	}
	rate := func(name string) float64 { return float64(s.Counters[name]) / s.Seconds }
	share := func(name string) float64 {
		if s.Counters["CYCLES"] == 0 {
			return 0
		}
		return float64(s.Counters[name]) / float64(s.Counters["CYCLES"])
	}
	s.Rates = Rates{rate("CYCLES"), rate("BEATS_IN"), rate("BEATS_OUT"), rate("PACKETS"), rate("TOKENS"), share("ACTIVE"), share("STALL_IN"), share("STALL_OUT")}
	return s
}

func run(ctx context.Context, env *cli.Env, interval time.Duration, count int) error {
	dev, err := open(ctx, env)
	if err != nil {
		return err
	}
	defer dev.Close()
	before, err := read(ctx, dev)
	if err != nil {
		return err
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; count == 0 || n < count; n++ {
		select {
		case <-ctx.Done():
			if count == 0 {
				return nil // the way to end it
			}
			return ctx.Err()
		case <-tick.C:
		}
		now, err := read(ctx, dev)
		if err != nil {
			return err
		}
		if err := print(env, now.since(before), n); err != nil {
			return err
		}
		before = now
	}
	return nil
}

// open opens the device, a card so that its user is not disturbed.
func open(ctx context.Context, env *cli.Env) (driver.Device, error) {
	u, err := driver.ParseURI(env.Device)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "xdma" && !u.Options.Has("observe") {
		if u.Options == nil {
			u.Options = url.Values{}
		}
		u.Options.Set("observe", "true")
	}
	return env.Devices.Open(ctx, u.String())
}

func print(env *cli.Env, s Sample, n int) error {
	if env.JSON {
		return json.NewEncoder(env.Stdout).Encode(s)
	}
	if n%20 == 0 {
		if _, err := fmt.Fprintf(env.Stdout, "%10s %12s %12s %10s %10s %8s %8s %8s  %s\n",
			"MHz", "beats in/s", "beats out/s", "packets/s", "tokens/s", "active", "stall in", "out", "errors"); err != nil {
			return err
		}
	}
	r := s.Rates
	_, err := fmt.Fprintf(env.Stdout, "%10.4g %12.4g %12.4g %10.4g %10.4g %7.1f%% %7.1f%% %7.1f%%  %s\n",
		r.ClockHz/1e6, r.BeatsIn, r.BeatsOut, r.Packets, r.Tokens, 100*r.Active, 100*r.StallIn, 100*r.StallOut, strings.Join(s.Errors, " "))
	return err
}
