package tune

import (
	"fmt"
	"strings"

	"github.com/kvaccel/kvaccel/host/policy"
)

// Candidate is a setting that a head may get.
type Candidate struct {
	KBits int    `json:"k_bits"` // 16: fp16
	VBits int    `json:"v_bits"`
	Keep  int    `json:"keep"`             // percent of the prefix, half of it the last positions; 100: all
	Base  string `json:"scores,omitempty"` // h2o or snapkv, if positions are dropped
}

// Candidates are the settings tried by default: what KIVI does at different widths
// (keys per channel, values per token), alone and with heavy hitters or SnapKV's
// choice of positions.
func Candidates() []Candidate {
	var out []Candidate
	widths := [][2]int{{2, 2}, {3, 2}, {3, 3}, {4, 3}, {4, 4}, {5, 4}, {6, 5}, {8, 8}, {16, 16}}
	for _, w := range widths {
		out = append(out, Candidate{KBits: w[0], VBits: w[1], Keep: 100})
	}
	for _, base := range []string{"h2o", "snapkv"} {
		for _, keep := range []int{12, 25, 50, 75} {
			for _, w := range [][2]int{{3, 2}, {4, 3}, {5, 4}, {8, 8}} {
				out = append(out, Candidate{w[0], w[1], keep, base})
			}
		}
	}
	return out
}

func (c Candidate) String() string {
	s := fmt.Sprintf("K %d bits, V %d bits", c.KBits, c.VBits)
	if c.Keep < 100 {
		s += fmt.Sprintf(", %s %d %%", c.Base, c.Keep)
	}
	return s
}

// settings are the keys of a policy file that set the candidate.
func (c Candidate) settings() string {
	var b strings.Builder
	fmt.Fprintf(&b, "k-bits: %d, v-bits: %d", c.KBits, c.VBits)
	if c.Keep == 100 {
		return b.String()
	}
	fmt.Fprintf(&b, ", recent: %d%%, topk: %d%%", c.Keep/2, c.Keep-c.Keep/2)
	switch c.Base {
	case "snapkv":
		b.WriteString(", observe: 32, pool: 5")
	default:
		b.WriteString(", observe: all")
	}
	return b.String()
}

// Policy is the candidate for all heads.
func (c Candidate) Policy() policy.Policy {
	p, err := policy.Parse("candidate.yaml", []byte(fileHead+"  {residual: 32, "+c.settings()+"}\n"))
	if err != nil {
		panic(err) // a candidate is always a policy; the tests go through all
	}
	p.Name = c.String()
	return p
}

// fileHead is how a policy file begins that only sets bits and positions, up to the
// defaults: grouping is KIVI's, with a short window of rows at fp16.
const fileHead = "version: 1\npolicy: kivi-4\ndefaults:\n"

// writeFile writes the choice as a policy file: a rule for all heads of a layer that
// have the same setting.
func writeFile(tried []Tried, choice [][]int) []byte {
	var b strings.Builder
	b.WriteString("# Written by kvaccel tune. Settings are explained in docs/policies.md.\n")
	b.WriteString(fileHead + "  {residual: 32}\nrules:\n")
	for l, heads := range choice {
		var order []int
		members := map[int][]string{}
		for h, i := range heads {
			if members[i] == nil {
				order = append(order, i)
			}
			members[i] = append(members[i], fmt.Sprint(h))
		}
		for _, i := range order {
			fmt.Fprintf(&b, "  - {layers: %d, heads: \"%s\", set: {%s}}\n", l, strings.Join(members[i], ","), tried[i].Candidate.settings())
		}
	}
	return []byte(b.String())
}
