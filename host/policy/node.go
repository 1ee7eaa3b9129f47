package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileReader reads the nodes of a policy file.
type fileReader struct{ name string }

func (r fileReader) fail(at *yaml.Node, key string, err error) error {
	e := &FileError{File: r.name, Key: key, Err: err}
	if at != nil {
		e.Line = at.Line
	}
	return e
}

// entry is a key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// entries lists the keys of a mapping; each must be one of known, once.
func (r fileReader) entries(n *yaml.Node, path string, known []string) ([]entry, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.fail(n, path, bad("it is %s, want keys and values: %s", kindOf(n), strings.Join(known, ", ")))
	}
	var list []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := keyPath(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			return nil, r.fail(key, at, bad("no such key; there are %s", strings.Join(known, ", ")))
		case seen[key.Value]:
			return nil, r.fail(key, at, bad("it is given twice"))
		}
		seen[key.Value] = true
		list = append(list, entry{key, value})
	}
	return list, nil
}

func keyPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Tag == "!!null" {
		return "empty"
	}
	return strconv.Quote(n.Value)
}

// text gives a scalar as it is written.
func (r fileReader) text(n *yaml.Node, path string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return "", r.fail(n, path, bad("it is %s, want a single value", kindOf(n)))
	}
	return n.Value, nil
}
