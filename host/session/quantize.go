package session

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// Rows is a matrix to be quantized: any number of rows of Dims binary16
// values. Per channel the number of rows is a multiple of the group.
type Rows struct {
	packet.Layout
	Dims int
	Data []uint16
}

// Coded is a quantized matrix: what QUANTIZE gives for it, tile after tile.
// Groups are whole bytes and follow each other without gaps, so the bytes do
// not depend on how an engine cuts the tiles.
type Coded struct {
	packet.Layout
	Rows, Dims int
	Data       []byte // Layout.QuantizedBytes(Rows, Dims) bytes
}

// tileRows is the most rows of a tile in a layout.
func (s *Session) tileRows(l packet.Layout) int {
	n := s.info.Params.TileTokens
	if l.Axis == regmap.AxisChannel {
		n -= n % l.Group
	}
	return n
}

// check checks a matrix of rows x dims given as n units against its layout.
func (s *Session) check(l packet.Layout, rows, dims, have, want int) error {
	if err := s.CheckTile(l, dims); err != nil {
		return err
	}
	if l.Axis == regmap.AxisChannel && rows%l.Group != 0 {
		return fmt.Errorf("%w: %d rows per channel, want a multiple of the group of %d", ErrGeometry, rows, l.Group)
	}
	if have != want {
		return fmt.Errorf("%w: %d rows of %d elements take %d, %d were given", ErrGeometry, rows, dims, want, have)
	}
	return nil
}

// Quantize quantizes each matrix and gives the bytes of each; an empty one
// gives none.
func (s *Session) Quantize(ctx context.Context, jobs []Rows) ([]Coded, error) {
	if err := s.Require("QUANTIZE", regmap.FeatQuantize); err != nil {
		return nil, err
	}
	out := make([]Coded, len(jobs))
	for i, j := range jobs {
		rows := len(j.Data) / max(j.Dims, 1)
		if err := s.check(j.Layout, rows, j.Dims, len(j.Data), rows*j.Dims); err != nil {
			return nil, err
		}
		out[i] = Coded{j.Layout, rows, j.Dims, make([]byte, 0, j.QuantizedBytes(rows, j.Dims))}
	}
	err := s.batch(ctx, regmap.OpQuantize, func(p *pipe) error {
		var buf []byte
		for i, j := range jobs {
			for at, rows := 0, 0; at < out[i].Rows; at += rows {
				rows = min(s.tileRows(j.Layout), out[i].Rows-at)
				buf = appendWords(buf[:0], j.Data[at*j.Dims:(at+rows)*j.Dims])
				dst := &out[i].Data
				err := p.push(ctx, command{
					request: packet.Request{Layout: j.Layout, Rows: rows, Dims: j.Dims},
					payload: buf,
					out:     j.QuantizedBytes(rows, j.Dims),
					done:    func(b []byte) error { *dst = append(*dst, b...); return nil },
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Dequantize restores each matrix: Rows x Dims binary16 values.
func (s *Session) Dequantize(ctx context.Context, jobs []Coded) ([][]uint16, error) {
	if err := s.Require("DEQUANTIZE", regmap.FeatDequantize); err != nil {
		return nil, err
	}
	out := make([][]uint16, len(jobs))
	for i, j := range jobs {
		if err := s.check(j.Layout, j.Rows, j.Dims, len(j.Data), j.QuantizedBytes(j.Rows, j.Dims)); err != nil {
			return nil, err
		}
		out[i] = make([]uint16, 0, j.Rows*j.Dims)
	}
	err := s.batch(ctx, regmap.OpDequantize, func(p *pipe) error {
		for i, j := range jobs {
			data := j.Data
			for at, rows := 0, 0; at < j.Rows; at += rows {
				rows = min(s.tileRows(j.Layout), j.Rows-at)
				n := j.QuantizedBytes(rows, j.Dims)
				dst := &out[i]
				err := p.push(ctx, command{
					request: packet.Request{Layout: j.Layout, Rows: rows, Dims: j.Dims},
					payload: data[:n],
					out:     2 * rows * j.Dims,
					done:    func(b []byte) error { *dst = appendHalves(*dst, b); return nil },
				})
				if err != nil {
					return err
				}
				data = data[n:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// appendWords appends 16-bit words as little-endian bytes.
func appendWords(dst []byte, words []uint16) []byte {
	for _, w := range words {
		dst = binary.LittleEndian.AppendUint16(dst, w)
	}
	return dst
}

// appendHalves appends little-endian bytes as 16-bit words.
func appendHalves(dst []uint16, b []byte) []uint16 {
	for ; len(b) >= 2; b = b[2:] {
		dst = append(dst, binary.LittleEndian.Uint16(b))
	}
	return dst
}
