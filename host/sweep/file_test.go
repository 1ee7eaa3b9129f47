package sweep

import (
	"errors"
	"strings"
	"testing"
)

const small = `name: small
inputs:
  - trace: sample
policies: [h2o+kivi-4, {policy: kivi-4, bits: [2, 4]}]
budgets: [10%, 64]
`

func TestParse(t *testing.T) {
	f, err := Parse("dir/small.yaml", []byte(small+"engine: {lanes: [4, 8], device: 'emu:'}\nabout: why\n"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "small" || f.About != "why" || len(f.Inputs) != 1 || len(f.Policies) != 2 || len(f.Budgets) != 2 || len(f.Engine) != 1 || f.Device != "emu:" {
		t.Errorf("%+v", f)
	}
	if b := f.Budgets[0].Of(448); b != 44 {
		t.Errorf("10%% of 448 is %d", b)
	}
	if b := f.Budgets[1].Of(448); b != 64 {
		t.Errorf("64 of 448 is %d", b)
	}
}

func TestParseMistakes(t *testing.T) {
	with := func(s string) string { return small + s }
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"key", "name: x\npolices: [h2o]\n", []string{"x.yaml:2", `"polices"`, "about, budgets, engine, inputs, name, policies"}},
		{"key of an input", "name: x\ninputs:\n  - trase: sample\n", []string{"x.yaml:3", `"trase"`, "trace"}},
		{"key of a policy", with("\n")[:len(small)-len("budgets: [10%, 64]\n")-3] + ", grup: 32}]\n", []string{"x.yaml:4", `"grup"`, "group", "k-bits"}},
		{"key of an engine", with("engine: {lane: 4}\n"), []string{"x.yaml:6", `"lane"`, "lanes, max-dim"}},
		{"twice", with("name: y\n"), []string{"x.yaml:6", `"name"`, "twice"}},
		{"policy", "name: x\ninputs: {trace: sample}\npolicies: [h20]\n", []string{"x.yaml:3", `"h20"`, "h2o"}},
		{"value of a setting", "name: x\ninputs: {trace: sample}\npolicies:\n  - policy: kivi-4\n    bits:\n      - 2\n      - 7\n", []string{"x.yaml:7", "bits", `"7"`, "[2 3 4 5 6 8 16]"}},
		{"axis", "name: x\ninputs: {trace: sample}\npolicies: {policy: kivi-4, k-axis: row}\n", []string{`"row"`, "token", "channel"}},
		{"layout", "name: x\ninputs: {trace: sample}\npolicies: {policy: kivi-4, layout: q5}\n", []string{`"q5"`, "q8_0"}},
		{"budget", "name: x\ninputs: {trace: sample}\npolicies: [h2o]\nbudgets: [ten]\n", []string{"x.yaml:4", `"ten"`, "share of the prefix"}},
		{"budget above", "name: x\ninputs: {trace: sample}\npolicies: [h2o]\nbudgets: [110%]\n", []string{`"110%"`}},
		{"same value", "name: x\ninputs: {trace: sample}\npolicies: {policy: kivi-4, group: [32, 32]}\n", []string{"group", "32 twice"}},
		{"prefix", "name: x\ninputs: {trace: sample, prefix: -1}\n", []string{"prefix", `"-1"`, "from 1 on"}},
		{"both", "name: x\ninputs: {trace: sample, model: y}\n", []string{"x.yaml:2", "either trace, or model and text"}},
		{"half", "name: x\ninputs: {model: y}\n", []string{"go together"}},
		{"of a model", "name: x\ninputs: {trace: sample, windows: 2}\n", []string{"windows", "for a model"}},
		{"no policy", "name: x\ninputs: {trace: sample}\npolicies: {bits: 2}\n", []string{"needs the key policy"}},
		{"no inputs", "name: x\npolicies: [h2o]\n", []string{"no inputs"}},
		{"no policies", "name: x\ninputs: {trace: sample}\n", []string{"no policies"}},
		{"name", "name: a/b\n", []string{`"a/b"`}},
		{"list", "- a\n", []string{"x.yaml:1", "a list"}},
		{"empty", "", []string{"x.yaml"}},
		{"two", "name: x\n---\nname: y\n", []string{"second document"}},
		{"not YAML", "name: [\n", []string{"x.yaml"}},
		{"huge", strings.Repeat("#", maxFile+1), []string{"more than"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(c.text))
			if !errors.Is(err, ErrFile) {
				t.Fatalf("error %v, want ErrFile", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("no %q in %q", w, err)
				}
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("name: x\ninputs: &a [*a]\n"))
	f.Add([]byte("a: &a {a: *a}\nname: 1e999\nengine: {lanes: [1,2]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sweep, err := Parse("x.yaml", text)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Fatalf("error %v, want ErrFile", err)
			}
			return
		}
		if sweep.Name == "" || len(sweep.Inputs) == 0 || len(sweep.Policies) == 0 {
			t.Fatalf("accepted %+v", sweep)
		}
	})
}
