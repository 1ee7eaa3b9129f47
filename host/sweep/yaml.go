package sweep

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrFile says that a sweep file cannot be carried out as it is written.
var ErrFile = errors.New("not a usable sweep file")

// node is a place in a sweep file.
type node struct {
	file string
	*yaml.Node
}

// fail reports a mistake at the place.
func (n node) fail(format string, args ...any) error {
	return fmt.Errorf("%w: %s:%d: %s", ErrFile, n.file, n.Line, fmt.Sprintf(format, args...))
}

// at is another place of the same file; aliases stand for what they name.
func (n node) at(y *yaml.Node) node {
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	return node{n.file, y}
}

// fields reads a mapping: each key has its reader. A key that has none is
// refused with its line and the keys that there are.
func (n node) fields(what string, read map[string]func(node) error) error {
	if n.Kind != yaml.MappingNode {
		return n.fail("%s is %s, want keys and values: %s", what, n.kind(), names(read))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.at(n.Content[i]), n.at(n.Content[i+1])
		f, ok := read[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || !ok:
			return key.fail("%s has no key %q; there are %s", what, key.Value, names(read))
		case seen[key.Value]:
			return key.fail("%s has the key %q twice", what, key.Value)
		}
		seen[key.Value] = true
		if err := f(value); err != nil {
			return err
		}
	}
	return nil
}

func names[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }

// kind names what stands at the place, for people.
func (n node) kind() string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return fmt.Sprintf("%q", n.Value)
	}
	return "nothing"
}

// list gives the entries of a list; a single value is a list of one.
func (n node) list() []node {
	if n.Kind != yaml.SequenceNode {
		return []node{n}
	}
	out := make([]node, len(n.Content))
	for i, c := range n.Content {
		out[i] = n.at(c)
	}
	return out
}

// text reads a word or a sentence.
func (n node) text(what string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		return "", n.fail("%s is %s, want text", what, n.kind())
	}
	return n.Value, nil
}

// number reads a whole number of at least least.
func (n node) number(what string, least int) (int, error) {
	var v int
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Decode(&v) != nil || v < least {
		return 0, n.fail("%s is %s, want a whole number from %d on", what, n.kind(), least)
	}
	return v, nil
}

// textInto and numberInto make readers of single values.
func textInto(what string, dst *string) func(node) error {
	return func(n node) (err error) {
		*dst, err = n.text(what)
		return err
	}
}

func numberInto(what string, least int, dst *int) func(node) error {
	return func(n node) (err error) {
		*dst, err = n.number(what, least)
		return err
	}
}

// parse reads the one document of a file.
func parse(file string, text []byte) (node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return node{}, fmt.Errorf("%w: %s: %v", ErrFile, file, err)
	}
	if dec.Decode(&more) == nil {
		return node{}, node{file, &more}.fail("a second document begins; a sweep is one")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return node{}, fmt.Errorf("%w: %s: it is empty", ErrFile, file)
	}
	root := node{file: file}.at(doc.Content[0])
	return root, checkAliases(root)
}
