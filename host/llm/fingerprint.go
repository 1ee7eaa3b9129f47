package llm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
)

// Fingerprint tells models apart: a hash of the configuration, the embedding
// and every layer's norms and key weights.
func (m *Model) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v", m.Config)
	var b []byte
	add := func(x []float32) {
		b = b[:0]
		for _, f := range x {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
		h.Write(b)
	}
	add(m.embed.Data)
	add(m.norm)
	for i := range m.layers {
		l := &m.layers[i]
		add(l.normAttn)
		add(l.normFeed)
		add(l.k.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
