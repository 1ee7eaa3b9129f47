package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnknown says that no policy has a name.
var ErrUnknown = errors.New("no such policy")

// ErrEngineLacks says that a known method needs what the engine cannot do yet.
var ErrEngineLacks = errors.New("the engine cannot do this policy yet")

// ErrConflict says that two policies cannot be joined.
var ErrConflict = errors.New("policies cannot be joined")

// Kind says which half of a policy a preset sets.
type Kind string

// The kinds of preset.
const (
	Neutral      Kind = "neutral"
	Selection    Kind = "selection"
	Quantization Kind = "quantization"
	Both         Kind = "selection and quantization"
)

// Preset is a published scheme as settings of the engine.
type Preset struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	Formula string `json:"formula"` // what is kept or stored
	Source  string `json:"source"`  // where the scheme was published
	Policy  Policy `json:"policy"`
}

// Planned is a known method that the engine cannot do yet.
type Planned struct {
	Name  string `json:"name"`
	Needs string `json:"needs"` // the engine feature it waits for
}

const (
	h2oSource    = "Zhang et al., H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models, NeurIPS 2023"
	sinksSource  = "Xiao et al., Efficient Streaming Language Models with Attention Sinks, ICLR 2024"
	kiviSource   = "Liu et al., KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache, ICML 2024"
	tovaSource   = "Oren et al., Transformers are Multi-State RNNs, EMNLP 2024"
	ggmlSource   = "ggml, block_"
	snapSource   = "Li et al., SnapKV: LLM Knows What You are Looking for Before Generation, NeurIPS 2024"
	pyraSource   = "Cai et al., PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling, 2024"
	adaSource    = "Feng et al., Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation for Efficient LLM Inference, 2024"
	zipSource    = "He et al., ZipCache: Accurate and Efficient KV Cache Quantization with Salient Token Identification, NeurIPS 2024"
	knormSource  = "Devoto et al., A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression, EMNLP 2024"
	quarotSource = "Ashkboos et al., QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs, NeurIPS 2024"
	qserve       = "Lin et al., QServe: W4A8KV4 Quantization and System Co-design for Efficient LLM Serving, MLSys 2025"
)

// Presets lists the policies that Lookup knows by one name.
func Presets() []Preset {
	return []Preset{
		{"full", Neutral, "every position, fp16", "control", Full()},
		{"streaming", Selection, "first 4 positions + last 20 % of the prefix; no scores", sinksSource, streaming()},
		{"h2o", Selection, "last 10 % of the prefix + the 10 % of the rest with the highest sum, over all past queries and the query heads of the group, of attention weights", h2oSource, h2o()},
		{"tova", Selection, "the 20 % of the prefix with the highest attention weights of its last query, summed over all query heads of the layer: one set for all heads", tovaSource, tova()},
		{"snapkv", Selection, "last 32 positions + the best others, 20 % of the prefix in all: sum of the attention weights of the last 32 queries, pooled over 5 positions", snapSource, snapkv()},
		{"pyramidkv", Selection, "as snapkv, with budgets k(l) = max - l floor((max - min) / (layers - 1)), min = k / 20, max = 2 k - min", pyraSource, pyramidkv()},
		{"adakv", Selection, "as snapkv, the budgets of a layer shared out among its heads: a fifth of the even share, the rest by how many of the layer's best scores are the head's", adaSource, adakv()},
		{"knorm", Selection, "the 20 % of the prefix with the keys of lowest norm; no attention needed", knormSource, knorm()},
		{"recent", Selection, "last 20 % of the prefix; no scores", "control", recent()},
		{"random", Selection, "20 % of the prefix, drawn with a fixed seed per layer and head", "control", random()},
		{"kivi-2", Quantization, "K per channel over 32 tokens, V per token over 32 dims, 2 bits asymmetric; last 128 kept rows fp16", kiviSource, kivi(2)},
		{"kivi-4", Quantization, "K per channel over 32 tokens, V per token over 32 dims, 4 bits asymmetric; last 128 kept rows fp16", kiviSource, kivi(4)},
		{"qserve-4", Quantization, "K and V per token over the whole row of a head, 4 bits asymmetric", qserve, qserve4()},
		{"quarot-4", Quantization, "K and V rotated over the row of a head (Walsh-Hadamard, in blocks of up to 128), then per token over the whole row, 4 bits asymmetric", quarotSource, quarot(4)},
		{"quarot-3", Quantization, "as quarot-4, 3 bits", quarotSource, quarot(3)},
		{"q8_0", Quantization, "K and V along the row in the layout of ggml's block_q8_0: 32 elements, 8 bits symmetric; codes from the stored scale", ggmlSource + "q8_0", blocked(Q80)},
		{"q4_0", Quantization, "K and V along the row in the layout of ggml's block_q4_0: 32 elements, 4 bits, scale from the element of largest magnitude; codes from the stored scale", ggmlSource + "q4_0", blocked(Q40)},
		{"q4_1", Quantization, "K and V along the row in the layout of ggml's block_q4_1: 32 elements, 4 bits asymmetric; codes from the stored scale", ggmlSource + "q4_1", blocked(Q41)},
		{"tiers", Quantization, "every kept row at the precision of its rank, per token over 32 dims: the best 10 % fp16, then 20 % 8 bits, 40 % 4 bits, 30 % 2 bits; positions always kept fp16", "kvaccel", tiered()},
		{"zipcache", Both, "all kept; the best 60 % at 4 bits, the others at 2: sums of the attention weights of the last 5 % of the queries and 5 % drawn at random, each divided by the number of them that could see the position", zipSource, zipcache()},
		{"ladder", Both, "step by step under a ceiling of bytes, here those of 20 % of the prefix: rows go from fp16 to 8, 4, 2 bits and out, per token over the whole row of a head, wherever that costs least attention for a byte over all heads; last 32 positions kept; scores decay by 0.9", "kvaccel", ladder()},
	}
}

func streaming() Policy {
	p := Full()
	p.Name, p.Sinks, p.RecentPercent, p.TopK = "streaming", 4, 20, new(int)
	return p
}

func h2o() Policy {
	p := Full()
	p.Name, p.RecentPercent, p.TopKPercent, p.Observe = "h2o", 10, 10, ObserveAll
	return p
}

func tova() Policy {
	p := Full()
	p.Name, p.TopKPercent, p.Observe, p.Shared = "tova", 20, 1, true
	return p
}

func recent() Policy {
	p := Full()
	p.Name, p.RecentPercent, p.TopK = "recent", 20, new(int)
	return p
}

func random() Policy {
	p := Full()
	p.Name, p.TopKPercent, p.Scorer = "random", 20, Random
	return p
}

func snapkv() Policy {
	p := Full()
	p.Name, p.Recent, p.BudgetPercent, p.Observe, p.Pool = "snapkv", 32, 20, 32, 5
	return p
}

func pyramidkv() Policy {
	p := snapkv()
	p.Name, p.Pyramid = "pyramidkv", 20
	return p
}

func adakv() Policy {
	p := snapkv()
	floor := 20
	p.Name, p.Adaptive = "adakv", &floor
	return p
}

func knorm() Policy {
	p := Full()
	p.Name, p.TopKPercent, p.Scorer = "knorm", 20, KeyNorm
	return p
}

func tiered() Policy {
	p := Full()
	p.Name, p.Tiers = "tiers", &Tiers{10, 20, 40, 30}
	return p
}

func zipcache() Policy {
	p := Full()
	p.Name, p.Tiers, p.ObservePercent, p.ProbePercent, p.Normalise = "zipcache", &Tiers{0, 0, 60, 40}, 5, 5, true
	return p
}

func ladder() Policy {
	p := Full()
	lambda := .9
	p.Name, p.Ceiling, p.Recent, p.Lambda, p.Observe, p.Group = "ladder", &Ceiling{Percent: 20}, 32, &lambda, ObserveAll, GroupRow
	return p
}

func blocked(l Layout) Policy {
	p := l.use(Full())
	p.Name = string(l)
	return p
}

func kivi(bits int) Policy {
	p := Full()
	p.Name = fmt.Sprintf("kivi-%d", bits)
	p.KBits, p.VBits, p.KAxis, p.VAxis, p.Scheme, p.Group, p.Residual = bits, bits, Channel, Token, Asym, 32, 128
	return p
}

func qserve4() Policy {
	p := Full()
	p.Name = "qserve-4"
	p.KBits, p.VBits, p.KAxis, p.VAxis, p.Scheme, p.Group = 4, 4, Token, Token, Asym, GroupRow
	return p
}

func quarot(bits int) Policy {
	p := qserve4()
	p.Name, p.KBits, p.VBits, p.Rotate = fmt.Sprintf("quarot-%d", bits), bits, bits, RotateRow
	return p
}

// Plans lists the known methods that the engine cannot do yet, or that are no
// fixed settings.
func Plans() []Planned {
	const (
		nonUni  = "non-uniform codes and fp16 outliers"
		turbo   = "non-uniform codes behind its rotation; quarot-4 rotates and codes uniformly"
		host    = "scores that the host computes from the keys"
		found   = "budgets found beforehand for each layer or head; a policy file can state them"
		lowRank = "a low-rank correction beside the codes"
		sets    = "precisions found beforehand; policy tiers, or a policy file, can state them"
	)
	return []Planned{
		{"gear", lowRank}, {"keydiff", host}, {"kvquant", nonUni}, {"mikv", sets}, {"qaq", sets}, {"razorattention", found},
		{"scissorhands", "a history of sums over windows of queries; lambda comes close"}, {"turboquant", turbo}, {"zigzagkv", found},
	}
}

// Lookup finds a policy by name. Two names joined by + take the selection of
// one and the quantization of the other, in either order; in such a join the
// fp16 window is no longer than the recent positions that the selection keeps.
// It fails with ErrUnknown, ErrEngineLacks or ErrConflict.
func Lookup(name string) (Policy, error) {
	joined := Full()
	var parts [2]string // the names of the selection and of the quantization
	for _, part := range strings.Split(name, "+") {
		ps, err := preset(strings.TrimSpace(part))
		if err != nil {
			return Policy{}, err
		}
		for slot, kind := range []Kind{Selection, Quantization} {
			if ps.Kind != kind && ps.Kind != Both {
				continue
			}
			if parts[slot] != "" {
				return Policy{}, fmt.Errorf("%w: %s and %s both set the %s", ErrConflict, parts[slot], ps.Name, kind)
			}
			parts[slot] = ps.Name
		}
		joined = join(joined, ps)
	}
	switch {
	case parts[0] == parts[1]:
		joined.Name = cmp.Or(parts[0], "full")
	case parts[0] != "" && parts[1] != "":
		joined.Name, joined.ResidualInRecent = parts[0]+"+"+parts[1], joined.Residual > 0
	case parts[0]+parts[1] != "":
		joined.Name = parts[0] + parts[1]
	}
	return joined, nil
}

// join puts the half that a preset sets into p: q takes the selection of p.
func join(p Policy, ps Preset) Policy {
	switch ps.Kind {
	case Neutral:
		return p
	case Both:
		return ps.Policy
	case Selection:
		copySelection(&p, ps.Policy)
		return p
	}
	q := ps.Policy
	copySelection(&q, p)
	return q
}

// copySelection gives dst all settings of p that say which positions are kept.
func copySelection(dst *Policy, p Policy) {
	dst.Sinks, dst.Recent, dst.TopK, dst.Budget = p.Sinks, p.Recent, p.TopK, p.Budget
	dst.RecentPercent, dst.TopKPercent, dst.BudgetPercent, dst.ObservePercent, dst.ProbePercent = p.RecentPercent, p.TopKPercent, p.BudgetPercent, p.ObservePercent, p.ProbePercent
	dst.Observe, dst.Probe, dst.Lambda, dst.Normalise, dst.Pool, dst.PoolMax = p.Observe, p.Probe, p.Lambda, p.Normalise, p.Pool, p.PoolMax
	dst.Scorer, dst.Shared, dst.Pyramid, dst.Adaptive = p.Scorer, p.Shared, p.Pyramid, p.Adaptive
}

func preset(name string) (Preset, error) {
	all := Presets()
	if i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	for _, pl := range Plans() {
		if pl.Name == name {
			return Preset{}, fmt.Errorf("%w: %s needs %s", ErrEngineLacks, name, pl.Needs)
		}
	}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Name
	}
	return Preset{}, fmt.Errorf("%w: %q; there are %s, joins such as h2o+kivi-4, and files that end in .yaml or .json", ErrUnknown, name, strings.Join(names, ", "))
}
