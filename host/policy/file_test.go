package policy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const example = `version: 1
name: mixed
policy: h2o+kivi-4
defaults:
  recent: 10%
  topk: 40
  observe: all
  lambda: 0.98
rules:
  - layers: 0-1
    set: {k-bits: 8, v-bits: 8}
  - layers: "3"
    heads: 0,1
    set:
      tiers: {fp16: 10, 8: 90}
      k-axis: token
      k-bits: 16
      protected: 8
`

func TestParseFile(t *testing.T) {
	p, err := Parse("dir/x.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := lookup(t, "h2o+kivi-4").With(Override{RecentPercent: ptr(10), TopK: ptr(40), Observe: ptr(ObserveAll), Lambda: ptr(.98)})
	want.Name = "mixed"
	want.Rules = []Rule{
		{Layers: Ranges{{0, 1}}, Set: Override{KBits: ptr(8), VBits: ptr(8)}},
		{Layers: Ranges{{3, 3}}, Heads: Ranges{{0, 0}, {1, 1}}, Set: Override{Tiers: &Tiers{10, 90}, KAxis: ptr(Token), KBits: ptr(16), Protected: ptr(8)}},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
	j := `{"version": 1, "policy": "h2o+kivi-4", "defaults": {"recent": "10%", "topk": 40, "observe": "all", "lambda": 0.98},
	 "rules": [{"layers": "0-1", "set": {"k-bits": 8, "v-bits": 8}}, {"layers": 3, "heads": "0,1", "set": {"tiers": {"fp16": 10, "8": 90}, "k-axis": "token", "k-bits": 16, "protected": 8}}]}`
	q, err := Parse("dir/mixed.json", []byte(j))
	if err != nil || !reflect.DeepEqual(p, q) {
		t.Errorf("as JSON: %+v, %v", q, err)
	}
}

// Every setting can be written in a file, and its value is read.
func TestSettings(t *testing.T) {
	values := map[string]string{
		"k-bits": "8", "v-bits": "8", "k-axis": "token", "v-axis": "token", "scheme": "sym", "layout": "q8_0", "group": "row", "rotate": "64", "format": "bf16", "residual": "9", "sinks": "2",
		"recent": "5%", "topk": "7", "budget": "30%", "scorer": "key-norm", "observe": "4", "probe": "3%", "lambda": "0.5", "normalise": "true",
		"pool": "7", "pool-mode": "max", "shared": "true", "pyramid": "10", "adaptive": "25%", "tiers": "8:50,2:50", "protected": "4", "ceiling": "180KiB",
	}
	for _, s := range Settings() {
		var o Override
		if err := s.Read(values[s.Name], &o); err != nil || o == (Override{}) || s.Doc == "" {
			t.Errorf("%s: %v, %+v", s.Name, err, o)
		}
		for _, wrong := range []string{"", "nonsense", "-x", "101%x"} {
			if err := s.Read(wrong, &o); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s %q: %v", s.Name, wrong, err)
			}
		}
	}
	if len(values) != len(Settings()) {
		t.Errorf("%d values for %d settings", len(values), len(Settings()))
	}
}

// The error names file, line and key, and what would be accepted.
func TestParseErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		words string
	}{
		"empty":            {"", "p.yaml: |empty|version: 1"},
		"no version":       {"policy: h2o", "p.yaml:1: version: |missing"},
		"version 2":        {"policy: h2o\nversion: 2", "p.yaml:2: version: |reads version 1"},
		"list":             {"- 1", "p.yaml:1: |a list|version, name, policy"},
		"unknown key":      {"version: 1\nbudget: 3", "p.yaml:2: budget: |no such key|defaults, rules"},
		"unknown setting":  {"version: 1\ndefaults:\n  recent: 3\n  k_bits: 3", "p.yaml:4: defaults.k_bits: |no such key|k-bits, v-bits"},
		"twice":            {"version: 1\ndefaults:\n  recent: 3\n  recent: 3", "p.yaml:4: defaults.recent: |given twice"},
		"bits":             {"version: 1\ndefaults:\n  k-bits: 7", "p.yaml:3: defaults: |k-bits is 7|2, 3, 4, 5, 6 or 8"},
		"pool":             {"version: 1\ndefaults: {pool: 16}", "p.yaml:2: |pool is 16, want an odd window"},
		"no number":        {"version: 1\ndefaults: {pool: wide}", `p.yaml:2: defaults.pool: |"wide", want a whole number`},
		"null":             {"version: 1\ndefaults: {pool: }", "p.yaml:2: defaults.pool: |empty"},
		"base":             {"version: 1\npolicy: kivi", "p.yaml:2: policy: |no such policy|kivi-4"},
		"planned base":     {"version: 1\npolicy: kvquant", "p.yaml:2: policy: |non-uniform"},
		"rules":            {"version: 1\nrules: {layers: 1}", "p.yaml:2: rules: |a mapping|a list of rules"},
		"rule key":         {"version: 1\nrules:\n- layer: 1", "p.yaml:3: rules[0].layer: |layers, heads, set"},
		"rule layers":      {"version: 1\nrules:\n- layers: [1]\n  set: {recent: 3}", "p.yaml:3: rules[0].layers: |a list"},
		"rule range":       {"version: 1\nrules:\n- layers: 5-1\n  set: {recent: 3}", "p.yaml:3: rules[0].layers: |5-1"},
		"rule sets none":   {"version: 1\nrules:\n- layers: 5", "p.yaml:3: rules[0]: |sets nothing"},
		"rule sets shared": {"version: 1\nrules:\n- set: {shared: true}", "p.yaml:3: rules[0]: |shared"},
		"rule bits":        {"version: 1\nrules:\n- set: {k-bits: 4}\n- set: {k-bits: 9}", "p.yaml:4: rules[1]: |k-bits is 9"},
		"tiers":            {"version: 1\ndefaults: {tiers: {3: 100}}", "p.yaml:2: defaults.tiers.3: |fp16, 16, 8, 4, 2"},
		"tiers sum":        {"version: 1\ndefaults: {tiers: {4: 10}}", "p.yaml:2: defaults.tiers: |10 %"},
		"alias":            {"version: 1\ndefaults: &a {recent: 3}\nrules: [{set: *a}]", "p.yaml:3: rules[0].set: |an alias"},
		"merge":            {"version: 1\ndefaults: {<<: {recent: 3}}", "p.yaml:2: defaults.<<: |no such key"},
		"two documents":    {"version: 1\n---\nversion: 1", "p.yaml: |goes on"},
		"no YAML":          {"version: [1", "p.yaml: |line"},
		"too long":         {"version: 1\n" + strings.Repeat("#", maxFile), "p.yaml: |longer"},
	} {
		_, err := Parse("p.yaml", []byte(c.text))
		var file *FileError
		if !errors.As(err, &file) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, w := range strings.Split(c.words, "|") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, []byte("version: 1\npolicy: h2o\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := lookup(t, "h2o")
	want.Name = "mine"
	if p, err := Load(path); err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("%+v %v", p, err)
	}
	if p, err := Load("h2o"); err != nil || p.Name != "h2o" {
		t.Errorf("%+v %v", p, err)
	}
}

// FuzzParse: what is accepted is valid and survives JSON; what is not is a
// *FileError.
func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("version: 1\npolicy: zipcache\ndefaults: {probe: 5%, group: row}\n"))
	f.Add([]byte(`{"version": 1, "rules": [{"heads": 1, "set": {"layout": "q4_0"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("p.yaml", text)
		var file *FileError
		if err != nil {
			if !errors.As(err, &file) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Policy
		if err := json.Unmarshal(b, &q); err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("%s became %+v (%v)", b, q, err)
		}
		if _, err := p.Heads(100, 4, 2); err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	})
}
