package policy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FileVersion is the version of the policy file format.
const FileVersion = 1

// maxFile bounds the size of a policy file.
const maxFile = 1 << 20

// FileError is a mistake in a policy file.
type FileError struct {
	File string
	Line int    // 0: the file as a whole
	Key  string // such as rules[2].set.k-bits; may be empty
	Err  error  // an ErrInvalid, ErrUnknown, ErrConflict or ErrEngineLacks
}

func (e *FileError) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// IsFile reports whether a policy given by name is meant as a file: its name
// ends in .yaml, .yml or .json.
func IsFile(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name))
}

// Load gives a policy by name, as [Lookup], or from a file.
func Load(name string) (Policy, error) {
	if IsFile(name) {
		return ReadFile(name)
	}
	return Lookup(name)
}

// ReadFile reads a policy file.
func ReadFile(path string) (Policy, error) {
	f, err := os.Open(path)
	if err != nil {
		return Policy{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Policy{}, err
	}
	return Parse(path, b)
}

// Parse reads a policy from the text of a file, YAML or JSON:
//
//	version: 1
//	name: mine               # optional: the file's name without its ending
//	policy: h2o+kivi-4       # optional: what to start from; full
//	defaults: {recent: 10%}  # settings for every layer and head
//	rules:                   # in order, later ones win
//	  - layers: 0-3          # optional, as heads: all
//	    heads: 0,2
//	    set: {k-bits: 8}
//
// Settings are those of [Settings]. A key that is none, given twice or with a
// value that makes no sense is a *FileError with its line.
func Parse(name string, text []byte) (Policy, error) {
	r := fileReader{name: name}
	if len(text) > maxFile {
		return Policy{}, r.fail(nil, "", bad("the file is longer than %d bytes", maxFile))
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty, want version: 1 and settings")
		}
		return Policy{}, r.fail(nil, "", bad("%s", strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Policy{}, r.fail(nil, "", bad("it goes on after its first document"))
	}
	return r.policy(doc.Content[0])
}

var (
	fileKeys = []string{"version", "name", "policy", "defaults", "rules"}
	ruleKeys = []string{"layers", "heads", "set"}
)

// policy reads the whole file.
func (r fileReader) policy(doc *yaml.Node) (Policy, error) {
	list, err := r.entries(doc, "", fileKeys)
	if err != nil {
		return Policy{}, err
	}
	at := map[string]*yaml.Node{}
	for _, e := range list {
		at[e.key.Value] = e.value
	}
	if err := r.version(doc, at["version"]); err != nil {
		return Policy{}, err
	}
	p := Full()
	if n := at["policy"]; n != nil {
		base, err := r.text(n, "policy")
		if err != nil {
			return Policy{}, err
		}
		if p, err = Lookup(base); err != nil {
			return Policy{}, r.fail(n, "policy", err)
		}
	}
	if n := at["defaults"]; n != nil {
		set, err := r.settings(n, "defaults")
		if err != nil {
			return Policy{}, err
		}
		p = p.With(set)
		if err := p.Validate(); err != nil {
			return Policy{}, r.fail(n, "defaults", err)
		}
	}
	if p.Name = strings.TrimSuffix(filepath.Base(r.name), filepath.Ext(r.name)); at["name"] != nil {
		if p.Name, err = r.text(at["name"], "name"); err != nil {
			return Policy{}, err
		}
	}
	if n := at["rules"]; n != nil {
		if p.Rules, err = r.rules(n, p); err != nil {
			return Policy{}, err
		}
	}
	return p, nil
}

func (r fileReader) version(doc, n *yaml.Node) error {
	if n == nil {
		return r.fail(doc, "version", bad("it is missing, want %d", FileVersion))
	}
	s, err := r.text(n, "version")
	if err == nil && s != strconv.Itoa(FileVersion) {
		err = r.fail(n, "version", bad("it is %q, this program reads version %d", s, FileVersion))
	}
	return err
}

// rules reads the list of rules; each, on its own, must make a valid policy of p.
func (r fileReader) rules(n *yaml.Node, p Policy) ([]Rule, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, r.fail(n, "rules", bad("it is %s, want a list of rules with %s", kindOf(n), strings.Join(ruleKeys, ", ")))
	}
	var out []Rule
	for i, item := range n.Content {
		path := fmt.Sprintf("rules[%d]", i)
		list, err := r.entries(item, path, ruleKeys)
		if err != nil {
			return nil, err
		}
		var rule Rule
		for _, e := range list {
			if err := r.ruleKey(&rule, e, keyPath(path, e.key.Value)); err != nil {
				return nil, err
			}
		}
		if rule.Set == (Override{}) {
			return nil, r.fail(item, path, bad("it sets nothing: set is missing or empty"))
		}
		if err = rule.check(); err == nil {
			err = p.With(rule.Set).Validate()
		}
		if err != nil {
			return nil, r.fail(item, path, err)
		}
		out = append(out, rule)
	}
	return out, nil
}

func (r fileReader) ruleKey(rule *Rule, e entry, path string) (err error) {
	if e.key.Value == "set" {
		rule.Set, err = r.settings(e.value, path)
		return err
	}
	s, err := r.text(e.value, path)
	if err != nil {
		return err
	}
	which := &rule.Layers
	if e.key.Value == "heads" {
		which = &rule.Heads
	}
	if *which, err = ParseRanges(s); err != nil {
		return r.fail(e.value, path, err)
	}
	return nil
}

// settings reads a mapping of settings.
func (r fileReader) settings(n *yaml.Node, path string) (o Override, err error) {
	all := Settings()
	known := make([]string, len(all))
	for i, s := range all {
		known[i] = s.Name
	}
	list, err := r.entries(n, path, known)
	if err != nil {
		return o, err
	}
	for _, e := range list {
		at := keyPath(path, e.key.Value)
		s, err := r.value(e, at)
		if err != nil {
			return o, err
		}
		if err := all[slices.Index(known, e.key.Value)].Read(s, &o); err != nil {
			return o, r.fail(e.value, at, err)
		}
	}
	return o, nil
}

// value gives a setting as text; tiers may also be a mapping of widths.
func (r fileReader) value(e entry, path string) (string, error) {
	if e.key.Value != "tiers" || e.value.Kind != yaml.MappingNode {
		return r.text(e.value, path)
	}
	list, err := r.entries(e.value, path, []string{"fp16", "16", "8", "4", "2"})
	if err != nil {
		return "", err
	}
	var parts []string
	for _, w := range list {
		s, err := r.text(w.value, keyPath(path, w.key.Value))
		if err != nil {
			return "", err
		}
		parts = append(parts, w.key.Value+":"+s)
	}
	return strings.Join(parts, ","), nil
}
