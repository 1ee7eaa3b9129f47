package eval

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/kvaccel/kvaccel/host/llm"
)

// Depths are where needles lie in the prefix: shares of it.
var Depths = []float64{0.05, 0.25, 0.5, 0.75, 0.95}

// byteVocab is the vocabulary of a model that reads bytes. Needles are text, so
// only such a model can be given them without its tokenizer.
const byteVocab = 256

// A needle is a function with a made-up name of needleSyllables syllables of
// two letters. It stands between the lines of a prefix; after the prefix "func"
// and the name's first needleCue letters come again, and the prediction of the
// other letters is scored. Only the cached needle tells them.
const (
	needleSyllables = 6
	needleCue       = 4
)

// needle is a passage with one.
type needle struct {
	passage
	absent passage // the same without it, for what guessing comes to
	depth  int     // index into Depths
}

// needles makes trials needles for each depth, drawn with the seed. Without
// room for them, or for a model that does not read bytes, there are none and why says so.
func (o *Options) needles(m *llm.Model) (list []needle, why string) {
	switch {
	case o.Trials < 0:
		return nil, "none were asked for"
	case m.Vocab != byteVocab:
		return nil, fmt.Sprintf("needles are text, and the model has %d tokens, not the %d of bytes", m.Vocab, byteVocab)
	}
	for depth := range Depths {
		for trial := range o.Trials {
			rng := rand.New(rand.NewPCG(o.Seed, uint64(depth)<<32|uint64(trial)))
			n, ok := o.needle(m, rng, depth)
			if !ok {
				return nil, fmt.Sprintf("a prefix of %d positions in a context of %d has no room for them", o.Prefix, m.Context)
			}
			list = append(list, n)
		}
	}
	return list, ""
}

func (o *Options) needle(m *llm.Model, rng *rand.Rand, depth int) (needle, bool) {
	name := word(rng)
	line := fmt.Sprintf("\nfunc %s() {\n\t%s()\n}\n", name, name)
	ask := "\nfunc " + name[:needleCue]
	room := o.Prefix - len(line)
	if room < 2*len(line) || o.Prefix+len(ask)+len(name) > m.Context {
		return needle{}, false
	}
	hay := o.Text[rng.IntN(len(o.Text)-room+1):][:room]
	at := lineEnd(hay, int(Depths[depth]*float64(room)))
	make := func(line string) passage {
		p := passage{prefix: o.Prefix}
		p.tokens = append(append(append(p.tokens, hay[:at]...), bytesOf(line)...), hay[at:]...)
		p.tokens = append(p.tokens, bytesOf(ask)...)
		p.scored = len(p.tokens) - 1
		p.tokens = append(p.tokens, bytesOf(name[needleCue:])...)
		return p
	}
	return needle{make(line), make(strings.Repeat("\n", len(line))), depth}, true
}

// word makes a name that can be said and means nothing.
func word(rng *rand.Rand) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b strings.Builder
	for range needleSyllables {
		b.WriteByte(consonants[rng.IntN(len(consonants))])
		b.WriteByte(vowels[rng.IntN(len(vowels))])
	}
	return b.String()
}

// lineEnd is the place after the first newline from at on, or at without one.
func lineEnd(text []int, at int) int {
	for i := at; i < len(text); i++ {
		if text[i] == '\n' {
			return i + 1
		}
	}
	return at
}

func bytesOf(s string) []int {
	out := make([]int, len(s))
	for i := range len(s) {
		out[i] = int(s[i])
	}
	return out
}
