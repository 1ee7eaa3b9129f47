package link

import (
	"bytes"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	hostlink "github.com/kvaccel/kvaccel/driver/link"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// icebreaker is the board of hdl/syn/icebreaker, parameter by parameter.
var icebreaker = Build{Phy: "uart", Engine: "2 32 16 256", More: []string{
	"FEATURES=33", "CLOCK_HZ=24000000", "BAUD=3000000", "RX_SLOTS=8", "TX_SLOTS=8", "RETRY_LOG2=18", "BOARD_ID=3",
}}

// TestIcebreaker: what the board's engine has works over its own UART, and what it has not is refused.
func TestIcebreaker(t *testing.T) {
	t.Parallel()
	dev, _ := open(t, icebreaker, 1, 0, "--stall=0")
	p := dev.Info().Params
	do := func(r packet.Request, payload []byte) packet.Response {
		t.Helper()
		wire, err := r.Append(nil, p, payload)
		if err != nil {
			t.Fatal(err)
		}
		if err := dev.Send(t.Context(), wire); err != nil {
			t.Fatal(err)
		}
		raw, err := dev.Recv(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := packet.ParseResponse(raw, p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if got, want := dev.Info().Features, uint32(1<<regmap.FeatEcho|1<<regmap.FeatLink); got != want {
		t.Fatalf("features %#x, want %#x", got, want)
	}
	const n = 1000
	stream := do(packet.Request{Opcode: regmap.OpSource, Tag: 1, Rows: n, Seed: 7}, nil).Payload
	if len(stream) != n {
		t.Fatalf("SOURCE gave %d bytes, want %d", len(stream), n)
	}
	if got := do(packet.Request{Opcode: regmap.OpEcho, Tag: 2, Rows: n}, stream).Payload; !bytes.Equal(got, stream) {
		t.Error("ECHO changed what it got")
	}
	stream[500] ^= 1
	if got := do(packet.Request{Opcode: regmap.OpSink, Tag: 3, Rows: n, Seed: 7}, stream).Payload; !bytes.Equal(got, []byte{1, 0, 0, 0, 125, 0, 0, 0}) {
		t.Errorf("SINK says %x, want one wrong beat, the 125th", got)
	}
	r := packet.Request{Opcode: regmap.OpQuantize, Tag: 4, Rows: 1, Dims: 16, Layout: packet.Layout{Bits: 4, Group: regmap.Group16}}
	if got := do(r, make([]byte, 32)).Status; got != regmap.StUnsupported {
		t.Errorf("QUANTIZE: status %v, want %v", got, regmap.StUnsupported)
	}
}

// TestBoardID: HELLO says which board it is, so that a report's source is the true one.
func TestBoardID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		build  Build
		id     uint32
		source driver.Source
		clock  float64
	}{
		{icebreaker, regmap.BoardICEBreaker, driver.Board, 24e6},
		{builds[0], hostlink.BoardRTL, driver.RTL, 50e6},
	} {
		dev, _ := open(t, c.build, 2, 0)
		if s, i := dev.Stats(), dev.Info(); s.Board != c.id || i.Source != c.source || i.ClockHz != c.clock {
			t.Errorf("%s: board id %#x, want %#x; source %q, want %q; %v Hz, want %v", c.build.Phy, s.Board, c.id, i.Source, c.source, i.ClockHz, c.clock)
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}
}
