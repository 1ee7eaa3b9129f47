package traceconvert

import (
	"regexp"
	"strconv"
)

// kinds are the spellings of what an array is.
var kinds = map[string]string{
	"k": "k", "key": "k", "keys": "k", "v": "v", "value": "v", "values": "v", "q": "q", "query": "q", "queries": "q",
	"attn": "attn", "attention": "attn", "attentions": "attn", "attn_weights": "attn", "0": "k", "1": "v",
}

const (
	spelled = `(k|key|keys|v|value|values|q|query|queries|attn|attention|attentions|attn_weights)`
	tail    = `(?:_states|_cache)?`
)

// patterns name a kind and a layer; the groups are called so.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`^(?:past_key_values|past|present)[._](?P<layer>\d+)[._](?P<kind>k|key|keys|v|value|values|0|1)$`),
	regexp.MustCompile(`^(?:model[._])?layers?[._](?P<layer>\d+)[._](?:self_attn[._])?(?P<kind>` + spelled + `)` + tail + `$`),
	regexp.MustCompile(`^(?P<kind>` + spelled + `)` + tail + `[._]?(?P<layer>\d+)$`),
	regexp.MustCompile(`^(?P<kind>` + spelled + `)` + tail + `$`),
}

// meaning reads a name. Stacked arrays have all layers.
func meaning(name string) (kind string, layer int, stacked, ok bool) {
	for _, p := range patterns {
		m := p.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		kind = kinds[m[p.SubexpIndex("kind")]]
		at := p.SubexpIndex("layer")
		if at < 0 {
			return kind, 0, true, true
		}
		layer, err := strconv.Atoi(m[at])
		return kind, layer, false, err == nil && layer < maxLayers
	}
	return "", 0, false, false
}
