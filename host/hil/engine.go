package hil

import (
	"bytes"
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Workload is a command of the engine, alone, on the device and as predicted.
type Workload struct {
	Name      string  `json:"name"`
	BytesIn   int     `json:"bytes_in"`
	BytesOut  int     `json:"bytes_out"`
	Cycles    uint32  `json:"cycles"` // without those lost to the link
	StallIn   uint32  `json:"stall_in"`
	StallOut  uint32  `json:"stall_out"`
	Predicted uint32  `json:"predicted"`  // cycles; 0: nothing said
	SameBytes bool    `json:"same_bytes"` // the answer is the predicted one
	Same      bool    `json:"same"`       // and so are the cycles
	Micros    float64 `json:"us"`         // sent to received, by the wall clock
	EngineUs  float64 `json:"engine_us"`  // cycles at the stated clock
}

// task is a command to be done.
type task struct {
	name    string
	request packet.Request
	payload []byte
}

// tasks are commands of every kind that the device has, as large as it takes them.
func (b *bench) tasks() (list []task) {
	has := func(f int) bool { return b.r.Device.Has(1 << f) }
	rows, dims := b.p.TileTokens, min(128, b.p.MaxDim)
	values := halves(b.noise[:2*rows*dims])
	for _, l := range []packet.Layout{
		{Scheme: regmap.SchemeAsym, Axis: regmap.AxisToken, Group: 32, Bits: 4},
		{Scheme: regmap.SchemeAsym, Axis: regmap.AxisChannel, Group: 16, Bits: 2},
		{Scheme: regmap.SchemeSym, Axis: regmap.AxisToken, Group: 32, Bits: 8, Block: true},
	} {
		axis := "token"
		if l.Axis == regmap.AxisChannel {
			axis = "channel"
		}
		shape := fmt.Sprintf("axis=%s/bits=%d/rows=%d/dims=%d", axis, l.Bits, rows, dims)
		if has(regmap.FeatQuantize) {
			list = append(list, task{"quantize/" + shape, packet.Request{Opcode: regmap.OpQuantize, Layout: l, Rows: rows, Dims: dims}, values})
		}
		if has(regmap.FeatDequantize) {
			list = append(list, task{"dequantize/" + shape, packet.Request{Opcode: regmap.OpDequantize, Layout: l, Rows: rows, Dims: dims}, b.noise[:l.QuantizedBytes(rows, dims)]})
		}
	}
	for _, n := range []int{b.p.MaxTokens / 8, b.p.MaxTokens} {
		if has(regmap.FeatSelect) {
			row := halves(b.noise[:2*n])
			list = append(list, task{fmt.Sprintf("select/n=%d/k=%d", n, n/4), packet.Request{Opcode: regmap.OpSelect, Rows: 1, Dims: n, Selection: packet.Selection{Sinks: 4, Recent: 16, TopK: n / 4}}, row})
		}
	}
	if has(regmap.FeatCompress) {
		n, width := min(256, b.p.MaxTokens), min(64, b.p.MaxDim)
		list = append(list, task{fmt.Sprintf("compress/n=%d/k=%d/row-dims=%d", n, n/4, width), packet.Request{
			Opcode: regmap.OpCompress, Layout: packet.Layout{Group: 32}, ValueGroup: 32, RowDims: width, Rows: 1, Dims: n,
			Selection: packet.Selection{Sinks: 4, Recent: 16, TopK: n / 4},
		}, halves(b.noise[:2*n+4*n*width])})
	}
	if has(regmap.FeatLink) {
		list = append(list, task{"source/bytes=4096", packet.Request{Opcode: regmap.OpSource, Rows: 4096, Seed: seed}, nil},
			task{"sink/bytes=4096", packet.Request{Opcode: regmap.OpSink, Rows: 4096, Seed: seed}, b.noise[:4096]})
	}
	if has(regmap.FeatEcho) {
		list = append(list, task{"echo/bytes=4096", packet.Request{Opcode: regmap.OpEcho, Rows: 4096}, b.noise[:4096]})
	}
	return list
}

// halves makes finite, positive binary16 numbers below 2 of noise.
func halves(noise []byte) []byte {
	b := bytes.Clone(noise)
	for i := 1; i < len(b); i += 2 {
		b[i] &= 0x3f
	}
	return b
}

// engine has every task done by the device, and by what predicts it.
func (b *bench) engine() error {
	b.r.Engine = []Workload{}
	if b.o.Predict != nil {
		info := b.o.Predict.Info()
		b.r.PredictedBy = info.Description
	}
	for _, t := range b.tasks() {
		w, payload, err := b.work(b.dev, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if b.o.Predict != nil {
			p, want, err := b.work(b.o.Predict, t)
			if err != nil {
				return fmt.Errorf("predicting %s: %w", t.name, err)
			}
			w.Predicted = p.Cycles
			w.SameBytes = bytes.Equal(payload, want)
			w.Same = w.SameBytes && w.Cycles == p.Cycles
			b.r.Predicted = b.r.Predicted && w.Same
		}
		b.r.Engine = append(b.r.Engine, w)
	}
	return nil
}

func (b *bench) work(dev driver.Device, t task) (Workload, []byte, error) {
	start := time.Now()
	tag, err := b.send(dev, t.request, t.payload)
	if err != nil {
		return Workload{}, nil, err
	}
	r, err := b.receive(dev, tag)
	if err != nil {
		return Workload{}, nil, err
	}
	w := Workload{Name: t.name, BytesIn: r.BytesIn, BytesOut: len(r.Payload), Cycles: r.Cycles, StallIn: r.StallIn, StallOut: r.StallOut}
	w.Micros = float64(time.Since(start)) / float64(time.Microsecond)
	if hz := dev.Info().ClockHz; hz > 0 {
		w.EngineUs = float64(r.Cycles) / hz * 1e6
	}
	return w, bytes.Clone(r.Payload), nil
}
