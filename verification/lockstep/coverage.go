package lockstep

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator/core"
)

// Coverage counts what happened in runs, by name.
type Coverage struct{ Count map[string]int }

func newCoverage() *Coverage { return &Coverage{map[string]int{}} }

func (c *Coverage) hit(what string) { c.Count[what]++ }

// Add adds the counts of another run.
func (c *Coverage) Add(other *Coverage) {
	for k, n := range other.Count {
		c.Count[k] += n
	}
}

// Print writes the counts, one line for all with the same first word.
func (c *Coverage) Print(w io.Writer) {
	lines := map[string][]string{}
	for _, k := range slices.Sorted(maps.Keys(c.Count)) {
		head, rest, _ := strings.Cut(k, " ")
		lines[head] = append(lines[head], strings.TrimSpace(fmt.Sprintf("%s %d", rest, c.Count[k])))
	}
	for _, k := range slices.Sorted(maps.Keys(lines)) {
		if n := len(lines[k]); n > 60 {
			fmt.Fprintf(w, "  %-12s %d different\n", k, n)
			continue
		}
		fmt.Fprintf(w, "  %-12s %s\n", k, strings.Join(lines[k], ", "))
	}
}

// Required names what any campaign of some length over the default sets must have
// seen. A lockstep that never got there shows nothing.
func Required() []string {
	var s []string
	for _, op := range opcodes {
		name := packet.OpcodeName(op)
		for _, st := range []packet.Status{regmap.StOK, regmap.StBadMagic, regmap.StBadOption, regmap.StBadGeometry, regmap.StTruncated, regmap.StOverlong} {
			s = append(s, fmt.Sprintf("status %s/%d", name, st))
		}
	}
	s = append(s, fmt.Sprintf("status other/%d", regmap.StBadOpcode), fmt.Sprintf("status ECHO/%d", regmap.StUnsupported))
	for _, op := range []uint32{regmap.OpQuantize, regmap.OpDequantize} {
		name := packet.OpcodeName(op)
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			s = append(s, fmt.Sprintf("bits %s/%d", name, bits))
		}
		for _, axis := range []string{"token", "channel"} {
			for _, scheme := range []string{"asym", "sym"} {
				s = append(s, fmt.Sprintf("layout %s/%s/%s", name, axis, scheme))
			}
			for _, g := range []int{16, 32, 64, 128} {
				s = append(s, fmt.Sprintf("group %s/%s/%d", name, axis, g))
			}
		}
		s = append(s, fmt.Sprintf("group %s/token/0", name), "flags "+name+"/nonfinite")
		for _, l := range blocks {
			s = append(s, blockName(name, l))
		}
		s = append(s, fmt.Sprintf("block %s/refused", name))
	}
	for _, name := range []string{"SELECT", "COMPRESS"} {
		for _, o := range []string{"scores-in", "scores-in/alone", "scores-out", "decay", "pool/sum", "pool/max", "key-norm", "tiers", "tiers/prot"} {
			s = append(s, "option "+name+"/"+o)
		}
		s = append(s, "flags "+name+"/nonfinite", "flags "+name+"/saturated")
	}
	s = append(s, "option SELECT/list", "option SELECT/bitmap", "option COMPRESS/token/asym", "option COMPRESS/token/sym", "option COMPRESS/channel/asym", "option COMPRESS/channel/sym")
	s = append(s, requiredFormats()...)
	return append(s, "flags DEQUANTIZE/saturated",
		"rst_i", "rst_i in mid-packet", "abort", "soft reset", "discard", "inflight 2", "inflight 3", "inflight 4")
}

// Missing lists what of Required was not seen.
func (c *Coverage) Missing() []string {
	var s []string
	for _, k := range Required() {
		if c.Count[k] == 0 {
			s = append(s, k)
		}
	}
	return s
}

// sink takes the responses and counts what they show.
type sink struct {
	ready    throttle
	coverage *Coverage
	params   regmap.Params
	open     []*sent // packets not yet answered, oldest first
	tail     []byte  // the last HeaderBytes bytes of the response so far
	beats    int
}

func (k *sink) init(p regmap.Params, c *Coverage) { k.params, k.coverage = p, c }

func (k *sink) expect(p *sent) {
	k.open = append(k.open, p)
	// Packets lost to resets are never answered; nothing real is that old.
	if len(k.open) > 64 {
		k.open = slices.Delete(k.open, 0, 32)
	}
}

// forget is rst_i: the response in progress ends without a TLAST.
func (k *sink) forget() { k.tail, k.beats = k.tail[:0], 0 }

func (k *sink) take(out *core.Outputs) {
	n := k.params.BeatBytes()
	if len(k.tail) == regmap.HeaderBytes {
		k.tail = append(k.tail[:0], k.tail[n:]...)
	}
	for i := range n {
		k.tail = append(k.tail, byte(out.MData[i/8]>>(i%8*8)))
	}
	k.beats++
	if !out.MLast {
		return
	}
	if k.beats >= 2*k.params.HeaderBeats() && isTrailer(k.tail) {
		k.answered(k.tail)
	} else {
		k.coverage.hit("abort")
	}
	k.forget()
}

// isTrailer tells a trailer from the end of a response cut short by a soft reset.
func isTrailer(t []byte) bool {
	return regmap.TrailMagic.Get(t) == regmap.MagicTrailer && regmap.TrailStatus.Get(t) <= regmap.StOverlong &&
		binary.LittleEndian.Uint16(t[6:]) == 0 && binary.LittleEndian.Uint32(t[28:]) == 0
}

// answered counts a complete response by its trailer.
func (k *sink) answered(t []byte) {
	tag := uint16(regmap.TrailTag.Get(t))
	i := slices.IndexFunc(k.open, func(p *sent) bool { return p.tag == tag })
	op, status := regmap.TrailOpcode.Get(t), regmap.TrailStatus.Get(t)
	name := "other"
	if op >= regmap.OpEcho && op <= regmap.OpSink {
		name = packet.OpcodeName(op)
	}
	k.coverage.hit(fmt.Sprintf("status %s/%d", name, status))
	if flags := regmap.TrailFlags.Get(t); flags != 0 {
		if flags>>regmap.FlagNonFinite&1 != 0 {
			k.coverage.hit("flags " + name + "/nonfinite")
		}
		if flags>>regmap.FlagSaturated&1 != 0 {
			k.coverage.hit("flags " + name + "/saturated")
		}
	}
	if i < 0 {
		return // its request was cut by a reset, so that its tag is noise
	}
	p := k.open[i]
	if status == regmap.StOK && len(p.faults) == 0 {
		k.layout(name, p.request)
		k.formats(name, p.request, regmap.TrailFlags.Get(t))
	}
	if len(p.faults) > 0 {
		k.refusedFormats(name, p.header[:], status)
	}
	if status == regmap.StBadOption && slices.Contains(p.faults, "option") && regmap.ReqLayout.Get(p.header[:]) == regmap.LayoutBlock {
		k.coverage.hit("block " + name + "/refused")
	}
	k.open = slices.Delete(k.open, 0, i+1)
}

// blockName is what a packet in the block layout counts as.
func blockName(command string, l packet.Layout) string {
	return fmt.Sprintf("block %s/%s", command, map[uint32]string{regmap.SchemeSym: "q8_0", regmap.SchemeAsym: "q4_1", regmap.SchemeOffset: "q4_0"}[l.Scheme])
}

// options counts what a SELECT or COMPRESS asks for.
func (k *sink) options(name string, q packet.Request) {
	tiers := q.Opcode == regmap.OpCompress || q.Result == regmap.ResultTiers
	for _, o := range []struct {
		name string
		used bool
	}{
		{"scores-in", q.ScoresIn},
		{"scores-in/alone", q.ScoresIn && q.Rows == 0},
		{"scores-out", q.ScoresOut},
		{"decay", q.StepRows > 0},
		{"pool/sum", q.PoolHalf > 0 && !q.PoolMax},
		{"pool/max", q.PoolMax},
		{"key-norm", q.KeyNorm},
		{"list", !tiers && q.Result == regmap.ResultList},
		{"bitmap", !tiers && q.Result == regmap.ResultBitmap},
		{"tiers", tiers},
		{"tiers/prot", tiers && q.ProtTier > 0},
	} {
		if o.used {
			k.coverage.hit("option " + name + "/" + o.name)
		}
	}
	if q.Opcode == regmap.OpCompress {
		k.coverage.hit("option " + name + "/" + []string{"token", "channel"}[q.Axis] + "/" + []string{"asym", "sym"}[q.Scheme])
	}
}

func (k *sink) layout(name string, q packet.Request) {
	if q.Opcode == regmap.OpSelect || q.Opcode == regmap.OpCompress {
		k.options(name, q)
	}
	if q.Opcode != regmap.OpQuantize && q.Opcode != regmap.OpDequantize {
		return
	}
	axis := []string{"token", "channel"}[q.Axis]
	if q.Block {
		k.coverage.hit(blockName(name, q.Layout))
		return
	}
	scheme := []string{"asym", "sym"}[q.Scheme]
	k.coverage.hit(fmt.Sprintf("bits %s/%d", name, q.Bits))
	k.coverage.hit(fmt.Sprintf("layout %s/%s/%s", name, axis, scheme))
	k.coverage.hit(fmt.Sprintf("group %s/%s/%d", name, axis, q.Group))
	k.coverage.hit(fmt.Sprintf("combination %s/%s/%s/%d/%d/%d", name, axis, scheme, q.Group, q.Bits, k.params.Lanes))
}
