package oracle

import (
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// tierBits are the bits of the codes of tiers 1 to 3; tier 0 is kept as it came.
var tierBits = map[uint8]int{1: 8, 2: 4, 3: 2}

// Section gives the value or the key section of a COMPRESS response, without
// padding, for rows of dims little-endian elements, of which tiers says how
// each is kept; and the number of values in kept rows that were NaN or infinite.
// Of a per-token layout the bits do not count: the tiers give them.
func (e Engine) Section(l packet.Layout, dims int, tiers []uint8, rows []byte) (section []byte, nonFinite int) {
	var kept []byte // per channel: rows that wait for their group
	for j, tier := range tiers {
		if tier == regmap.TierDropped {
			continue
		}
		row := rows[2*dims*j : 2*dims*(j+1)]
		for _, h := range elements(row, dims) {
			if _, bad := format(l).Sanitise(h); bad {
				nonFinite++
			}
		}
		switch {
		case l.Axis == regmap.AxisChannel:
			kept = append(kept, row...)
			if len(kept) == 2*dims*l.Group {
				tile, _, _ := e.QuantizeTile(l, l.Group, dims, kept)
				section, kept = append(section, tile...), nil
			}
		case tier == 0:
			section = append(section, row...)
		default:
			l.Bits = tierBits[tier]
			tile, _, _ := e.QuantizeTile(l, 1, dims, row)
			section = append(section, tile...)
		}
	}
	return append(section, kept...), nonFinite
}

// Stream gives n bytes of the PRBS-31 of a seed, bit by bit from its definition.
func (Engine) Stream(seed uint32, n int) []byte {
	b := make([]bool, 31+8*n) // the bits of the seed, then the stream
	stream := make([]byte, n)
	for i := range b {
		if i < 31 {
			b[i] = seed>>i&1 == 1
			continue
		}
		b[i] = b[i-31] != b[i-28]
		if b[i] {
			stream[(i-31)/8] |= 1 << ((i - 31) % 8)
		}
	}
	return stream
}
