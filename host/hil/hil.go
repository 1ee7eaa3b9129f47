// Package hil measures a device in the loop: how fast commands cross the link, how
// long they take to come back, and whether the engine behind it takes the cycles,
// and gives the bytes, that were predicted for it.
//
// Times are of the wall clock and mean what the source of the device lets them
// mean: on a simulated engine they are the speed of the simulation.
package hil

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// SchemaVersion counts incompatible changes of a Report's JSON.
const SchemaVersion = 1

// Kind tells a Report's JSON from others of the same command.
const Kind = "link"

// Options of a run. The zero value is the full set.
type Options struct {
	Quick    bool                  // fewer sizes, less time
	Sizes    []int                 // payload bytes of an ECHO; default 64 to 1 MiB
	Depths   []int                 // commands in flight; default 1, 4, 16
	Predict  driver.Device         // engine with the same parameters that says what to expect; nil: nothing is compared
	Progress func(done, total int) // called now and then; may be nil
}

// Report is what was measured.
type Report struct {
	SchemaVersion int           `json:"schema_version"`
	Kind          string        `json:"kind"` // "link"
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Tool          Tool          `json:"tool"`
	Set           string        `json:"set"` // "full" or "quick"
	Latency       []Latency     `json:"latency"`
	Loopback      []Transfer    `json:"loopback"`
	Oneway        []Transfer    `json:"oneway"` // SOURCE and SINK; empty if the engine has none
	Engine        []Workload    `json:"engine"`
	PredictedBy   string        `json:"predicted_by,omitempty"` // what said so; empty: nothing was compared
	Predicted     bool          `json:"predicted"`              // every workload's cycles and bytes are as predicted
	BitErrors     int64         `json:"bit_errors"`
}

// Tool is what measured.
type Tool struct {
	Revision string `json:"revision"` // of the source, where the build knows it
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	System   string `json:"system"`
}

func tool() Tool {
	t := Tool{Revision: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				t.Revision = s.Value
			case "vcs.modified":
				t.Modified = s.Value == "true"
			}
		}
	}
	return t
}

// Latency is the time of one thing done at a time, in microseconds.
type Latency struct {
	What  string  `json:"what"` // "register read" or "command"
	Count int     `json:"count"`
	Mean  float64 `json:"mean_us"`
	Sigma float64 `json:"sigma_us"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
	Worst float64 `json:"worst_us"`
}

func newLatency(what string, times []time.Duration) Latency {
	l := Latency{What: what, Count: len(times)}
	us := make([]float64, len(times))
	for i, t := range times {
		us[i] = float64(t) / float64(time.Microsecond)
		l.Mean += us[i] / float64(len(us))
	}
	for _, t := range us {
		l.Sigma += (t - l.Mean) * (t - l.Mean)
	}
	l.Sigma = math.Sqrt(l.Sigma / float64(max(1, len(us)-1)))
	slices.Sort(us)
	l.P50, l.P99, l.Worst = us[(len(us)-1)/2], us[(len(us)-1)*99/100], us[len(us)-1]
	return l
}

// Transfer is a size and depth, and how fast that went.
type Transfer struct {
	What      string  `json:"what"`  // "echo", "source" or "sink"
	Size      int     `json:"size"`  // payload bytes of a command
	Depth     int     `json:"depth"` // commands in flight
	Count     int     `json:"count"` // of commands
	Seconds   float64 `json:"seconds"`
	BytesRate float64 `json:"bytes_per_second"`  // of payload; ECHO: each way
	EngineHz  float64 `json:"engine_cycles_hz"`  // cycles of the commands a second: what of the time was the engine's is this over its clock
	BitErrors int64   `json:"bit_errors"`        // of the payload
	LostShare float64 `json:"stall_cycle_share"` // cycles that the engine waited for the link, over all
}

// Run measures a device. That it is slow, or not as predicted, is no error here:
// see Report.Err. Bits that come back wrong are.
func Run(ctx context.Context, dev driver.Device, o Options) (*Report, error) {
	info := dev.Info()
	r := &Report{SchemaVersion: SchemaVersion, Kind: Kind, Source: info.Source, Device: info, Tool: tool(), Set: "full", Predicted: true}
	if o.Quick {
		r.Set = "quick"
	}
	b := &bench{ctx: ctx, dev: dev, o: o, p: info.Params, r: r, noise: prbs(regmap.MaxEchoBytes + phases)}
	if err := b.checkOptions(); err != nil {
		return nil, err
	}
	steps := []func() error{b.latency, b.loopback, b.oneway, b.engine}
	for i, step := range steps {
		if o.Progress != nil {
			o.Progress(i, len(steps))
		}
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Err wraps driver.ErrVerify if a bit came back wrong, or the engine did not do
// what was predicted.
func (r *Report) Err() error {
	if r.BitErrors > 0 {
		return fmt.Errorf("%w: %d bits came back wrong over %s", driver.ErrVerify, r.BitErrors, r.Device.URI)
	}
	if r.Predicted {
		return nil
	}
	for _, w := range r.Engine {
		if !w.Same {
			return fmt.Errorf("%w: %s takes %d cycles for %s (bytes as predicted: %v), %s predicts %d", driver.ErrVerify,
				r.Device.URI, w.Cycles, w.Name, w.SameBytes, r.PredictedBy, w.Predicted)
		}
	}
	return fmt.Errorf("%w: %s is not as %s predicts", driver.ErrVerify, r.Device.URI, r.PredictedBy)
}

// bench is a device under measurement.
type bench struct {
	ctx   context.Context
	dev   driver.Device
	o     Options
	p     regmap.Params
	r     *Report
	noise []byte
	tag   uint16
	resp  []byte
}

// mostInFlight is how many bytes of commands are sent ahead at most.
const mostInFlight = 8 << 20

func (b *bench) checkOptions() error {
	if len(b.o.Sizes) == 0 {
		b.o.Sizes = []int{64, 1 << 10, 16 << 10, 256 << 10, 1 << 20}
		if b.o.Quick {
			b.o.Sizes = []int{64, 16 << 10, 256 << 10}
		}
	}
	if len(b.o.Depths) == 0 {
		b.o.Depths = []int{1, 4, 16}
	}
	for _, n := range b.o.Sizes {
		if n < 0 || n > regmap.MaxEchoBytes {
			return fmt.Errorf("%w: a payload of %d bytes, want 0 to %d", driver.ErrOption, n, regmap.MaxEchoBytes)
		}
	}
	for _, n := range b.o.Depths {
		if n < 1 || n > 1024 {
			return fmt.Errorf("%w: %d commands in flight, want 1 to 1024", driver.ErrOption, n)
		}
	}
	if b.o.Predict != nil && b.o.Predict.Info().Params != b.p {
		return fmt.Errorf("%w: %s has other parameters than %s and cannot predict it", driver.ErrOption, b.o.Predict.Info().URI, b.r.Device.URI)
	}
	return nil
}

// send queues a request with the next tag, which it gives.
func (b *bench) send(dev driver.Device, r packet.Request, payload []byte) (uint16, error) {
	b.tag++
	r.Tag = b.tag
	wire, err := r.Append(make([]byte, 0, len(payload)+2*regmap.HeaderBytes), b.p, payload)
	if err == nil {
		err = dev.Send(b.ctx, wire)
	}
	if err != nil {
		return 0, fmt.Errorf("sending %s: %w", packet.OpcodeName(r.Opcode), err)
	}
	return r.Tag, nil
}

// receive takes the answer with a tag.
func (b *bench) receive(dev driver.Device, tag uint16) (packet.Response, error) {
	raw, err := dev.Recv(b.ctx, b.resp[:0])
	if err != nil {
		return packet.Response{}, fmt.Errorf("receiving: %w", err)
	}
	b.resp = raw
	resp, err := packet.ParseResponse(raw, b.p)
	switch {
	case err != nil:
		return resp, fmt.Errorf("%w: %w", driver.ErrProtocol, err)
	case resp.Tag != tag:
		return resp, fmt.Errorf("%w: tag %d answers %d", driver.ErrProtocol, resp.Tag, tag)
	}
	return resp, resp.Err()
}

// latency measures register reads and empty commands, one at a time.
func (b *bench) latency() error {
	count := 300
	if b.o.Quick {
		count = 50
	}
	time1 := func(what string, once func() error) error {
		var times []time.Duration
		for i := range count + 3 { // the first fill caches
			start := time.Now()
			if err := once(); err != nil {
				return err
			}
			if i >= 3 {
				times = append(times, time.Since(start))
			}
		}
		b.r.Latency = append(b.r.Latency, newLatency(what, times))
		return nil
	}
	if err := time1("register read", func() error { _, err := b.dev.ReadReg(b.ctx, regmap.RegMagic); return err }); err != nil {
		return err
	}
	if !b.r.Device.Has(1 << regmap.FeatEcho) {
		return nil
	}
	return time1("command", func() error {
		tag, err := b.send(b.dev, packet.Request{Opcode: regmap.OpEcho}, nil)
		if err == nil {
			_, err = b.receive(b.dev, tag)
		}
		return err
	})
}
