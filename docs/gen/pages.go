// Package main writes docs/modules: a page for each RTL module, from the
// contract that opens its file, its parameters and its ports, and the timing
// diagram in docs/modules/timing/NAME.txt where there is one.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// module is what a page tells of one RTL module.
type module struct {
	name, contract string
	params, ports  [][]string // cells of the table rows
	uses           []string   // modules it instantiates
}

var (
	moduleLine = regexp.MustCompile(`^module (\w+)`)
	paramLine  = regexp.MustCompile(`^\s*parameter\s+(?:int unsigned|logic\s*(?:\[[^\]]*\])?|bit)?\s*(?:\[[^\]]*\])?\s*(\w+)\s*=\s*([^,/]+?),?\s*(?://\s*(.*))?$`)
	portLine   = regexp.MustCompile(`^\s*(input|output)\s+(?:logic|wire)?\s*(\[[^\]]*\]|\[.*\])?\s*(\w+)\s*,?\s*(?://\s*(.*))?$`)
	aside      = regexp.MustCompile(`\s*\(docs/engine\.md[^)]*\)`)
	instance   = regexp.MustCompile(`^\s*(kv_\w+)\s+(?:#\(|u_\w+)`)
)

func parse(text string) (m module, ok bool) {
	var contract []string
	inside, body := false, false
	seen := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		switch {
		case !inside && strings.HasPrefix(line, "//"):
			contract = append(contract, strings.TrimPrefix(strings.TrimPrefix(line, "//"), " "))
		case moduleLine.MatchString(line):
			m.name, inside = moduleLine.FindStringSubmatch(line)[1], true
		case inside && !body && strings.HasPrefix(strings.TrimSpace(line), ");"):
			body = true
		case inside && !body:
			if p := paramLine.FindStringSubmatch(line); p != nil {
				m.params = append(m.params, []string{"`" + p[1] + "`", "`" + p[2] + "`", p[3]})
			} else if p := portLine.FindStringSubmatch(line); p != nil {
				m.ports = append(m.ports, []string{"`" + p[3] + "`", p[1], width(p[2])})
			}
		case body:
			if i := instance.FindStringSubmatch(line); i != nil && !seen[i[1]] && i[1] != m.name {
				seen[i[1]] = true
				m.uses = append(m.uses, i[1])
			}
		}
	}
	m.contract = strings.TrimSpace(strings.Join(contract, "\n"))
	return m, m.name != ""
}

// width writes a packed range as a number of bits where it is one.
func width(r string) string {
	r = strings.Join(strings.Fields(r), "")
	var high int
	switch n, _ := fmt.Sscanf(r, "[%d:0]", &high); {
	case r == "":
		return "1"
	case n == 1 && r == fmt.Sprintf("[%d:0]", high):
		return fmt.Sprint(high + 1)
	}
	return "`" + r + "`"
}

func (m module) page(diagram string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n\n`hdl/rtl/%s.sv`\n\n```\n%s\n```\n", m.name, stamp, m.name, m.contract)
	table(&b, "Parameters", []string{"name", "default", "meaning"}, m.params)
	table(&b, "Ports", []string{"port", "direction", "bits"}, m.ports)
	if len(m.uses) > 0 {
		fmt.Fprint(&b, "\n## Made of\n\n")
		for _, u := range m.uses {
			fmt.Fprintf(&b, "- [%s](%s.md)\n", u, u)
		}
	}
	if diagram != "" {
		fmt.Fprintf(&b, "\n## Timing\n\n```\n%s\n```\n", strings.TrimRight(diagram, "\n"))
	}
	return b.Bytes()
}

func table(b *bytes.Buffer, title string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(r, " | "))
	}
}

const stamp = "Generated from the module's file by `go generate ./docs/gen`; do not edit."

// pages renders every page, by path relative to the module root.
func pages(root string) (map[string][]byte, error) {
	list, err := os.ReadFile(filepath.Join(root, "hdl/rtl/files.f"))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	var index bytes.Buffer
	fmt.Fprintf(&index, "# RTL modules\n\n%s\n\nIn the order they build on each other; the top is [kv_engine](kv_engine.md). What the engine promises as a whole is in [the engine contract](../engine.md).\n\n| module | what it is |\n|---|---|\n", stamp)
	for _, file := range strings.Fields(string(list)) {
		text, err := os.ReadFile(filepath.Join(root, "hdl/rtl", file))
		if err != nil {
			return nil, err
		}
		m, ok := parse(string(text))
		if !ok {
			continue // the package has its own reference page
		}
		diagram, err := os.ReadFile(filepath.Join(root, "docs/modules/timing", m.name+".txt"))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		out["docs/modules/"+m.name+".md"] = m.page(string(diagram))
		first, _, _ := strings.Cut(strings.ReplaceAll(m.contract, "\n", " "), ". ")
		first = strings.TrimSpace(aside.ReplaceAllString(first, ""))
		fmt.Fprintf(&index, "| [%s](%s.md) | %s |\n", m.name, m.name, strings.TrimSuffix(strings.Split(first, "  ")[0], "."))
	}
	out["docs/modules/README.md"] = index.Bytes()
	return out, nil
}
