package session

import (
	"context"
	"fmt"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// TierBits are the widths of the tiers; tier 0 is binary16 as it came.
var TierBits = [4]int{16, 8, 4, 2}

// Compression is one head's COMPRESS: a selection with tiers, and the rows that it
// is about. Form is taken as regmap.ResultTiers.
type Compression struct {
	Selection
	Dims       int      // elements of a row
	K, V       []uint16 // N rows of Dims each
	ValueGroup int      // elements of a group of values, per token; 0: the row

	// Keys: the layout of those per token, Bits being 0; or per channel that of
	// every key, whatever its tier.
	Keys packet.Layout
}

// Compressed is what became of one head: the kept rows in the order of their
// positions.
type Compressed struct {
	Selected
	// V and K per token: for a row of tier 0 its Dims binary16, for others what
	// QUANTIZE gives for it at the width of its tier, row after row.
	// K per channel: QUANTIZE's bytes of every whole group of kept rows, then
	// the rest as binary16.
	V, K []byte
}

// Compress answers count compressions, asking job for each in turn.
func (s *Session) Compress(ctx context.Context, count int, job func(i int) (Compression, error)) ([]Compressed, error) {
	if err := s.Require("COMPRESS", regmap.FeatCompress); err != nil {
		return nil, err
	}
	out := make([]Compressed, count)
	err := s.stream(ctx, regmap.OpCompress, count, func(i int, buf []byte) (command, error) {
		c, err := job(i)
		if err != nil {
			return command{}, err
		}
		c.Form = regmap.ResultTiers
		if err := s.checkCompression(c); err != nil {
			return command{}, err
		}
		cmd := s.compressCommand(c, buf)
		c.K, c.V, c.Weights, c.KeyRows, c.ScoresIn = nil, nil, nil, nil, nil // not held until the answer comes
		cmd.done = func(b []byte) (err error) { out[i], err = s.compressed(c, b); return err }
		return cmd, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CheckCompress reports whether the engine can compress heads with rows of dims
// elements among n positions.
func (s *Session) CheckCompress(n, dims int, keys packet.Layout, valueGroup int) error {
	if err := s.CheckSelect(n); err != nil {
		return err
	}
	values := packet.Layout{Scheme: keys.Scheme, Format: keys.Format, Axis: regmap.AxisToken, Group: valueGroup}
	if err := s.CheckTile(values, dims); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	if err := s.CheckTile(keys, dims); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	switch {
	case keys.Rotate != 0:
		return fmt.Errorf("%w: COMPRESS does not rotate", ErrGeometry)
	case keys.Block:
		return fmt.Errorf("%w: COMPRESS has no block layouts", ErrGeometry)
	case keys.Scheme > regmap.SchemeSym:
		return fmt.Errorf("%w: COMPRESS codes with scale and minimum or with a scale alone", ErrGeometry)
	case keys.Axis == regmap.AxisToken && keys.Bits != 0:
		return fmt.Errorf("%w: keys per token have the width of their tier, not %d bits", ErrGeometry, keys.Bits)
	}
	return nil
}

func (s *Session) checkCompression(c Compression) error {
	if err := s.checkSelection(c.Selection); err != nil {
		return err
	}
	if err := s.CheckCompress(c.N, c.Dims, c.Keys, c.ValueGroup); err != nil {
		return err
	}
	if c.KeyRows != nil && c.Keys.Format == regmap.FormatBF16 {
		return fmt.Errorf("%w: COMPRESS takes the norms of binary16 keys alone", ErrGeometry)
	}
	if c.KeyRows != nil && c.RowDims != c.Dims {
		return fmt.Errorf("%w: norms of keys of %d elements, rows of %d", ErrGeometry, c.RowDims, c.Dims)
	}
	for _, f := range []struct {
		name string
		rows []uint16
	}{{"value", c.V}, {"key", c.K}} {
		if len(f.rows) != c.N*c.Dims {
			return fmt.Errorf("%w: %d %s rows of %d elements take %d, %d were given", ErrGeometry, c.N, f.name, c.Dims, c.N*c.Dims, len(f.rows))
		}
	}
	return nil
}

// compressCommand builds the command in buf.
func (s *Session) compressCommand(c Compression, buf []byte) command {
	r := c.request()
	r.Layout, r.ValueGroup, r.RowDims, r.Result = c.Keys, c.ValueGroup, c.Dims, 0
	payload := s.appendScoring(buf, c.Selection)
	payload = s.appendRows(payload, c.V, c.Dims)
	payload = s.appendRows(payload, c.K, c.Dims)
	return command{request: r, payload: payload, out: -1}
}

// compressed decodes the answer; every size follows from the tier map.
func (s *Session) compressed(c Compression, b []byte) (out Compressed, err error) {
	at := 0
	take := func(name string, size int, pad bool) []byte {
		end := at + size
		if err != nil || end > len(b) {
			if err == nil {
				err = fmt.Errorf("%w: COMPRESS answered %d bytes, its %s ends at %d", driver.ErrProtocol, len(b), name, end)
			}
			return nil
		}
		part := b[at:end]
		if at = end; pad {
			at = s.whole(end)
		}
		return part
	}
	list := take("tier map", tierBytes(c.N), true)
	if err != nil {
		return out, err
	}
	sel := c.Selection
	sel.ScoresOut = false
	if out.Selected, err = s.selected(sel, list); err != nil {
		return out, err
	}
	if c.ScoresOut {
		if b := take("scores", s.scoreBytes(c.N), false); err == nil {
			out.Scores = scores(b, c.N)
		}
	}
	values := packet.Layout{Scheme: c.Keys.Scheme, Axis: regmap.AxisToken, Group: c.ValueGroup}
	out.V = append([]byte(nil), take("value section", sectionBytes(values, c.Dims, out.Tiers), true)...)
	out.K = append([]byte(nil), take("key section", sectionBytes(c.Keys, c.Dims, out.Tiers), false)...)
	if err == nil && at != len(b) {
		err = fmt.Errorf("%w: COMPRESS answered %d bytes, want %d", driver.ErrProtocol, len(b), at)
	}
	return out, err
}

// sectionBytes is the size of a section in layout l whose rows are in tiers.
func sectionBytes(l packet.Layout, dims int, tiers []uint8) int {
	size, rows := 0, 0
	for _, t := range tiers {
		if t == regmap.TierDropped {
			continue
		}
		rows++
		size += RowBytes(l, dims, t)
	}
	if l.Axis == regmap.AxisChannel {
		coded := rows - rows%l.Group
		size = l.QuantizedBytes(coded, dims) + 2*(rows-coded)*dims
	}
	return size
}

// RowBytes is what a row of a tier takes, coded per token as l says.
func RowBytes(l packet.Layout, dims int, tier uint8) int {
	if tier == 0 {
		return 2 * dims
	}
	l.Axis, l.Bits = regmap.AxisToken, TierBits[tier]
	return l.QuantizedBytes(1, dims)
}
