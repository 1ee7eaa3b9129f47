package coverage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Title is what the page of figures begins with.
const Title = "# Coverage\n\nWritten by `make coverage` (Verilog) and `make coverage-go` (Go). What the figures mean: [verification](../verification.md#coverage).\n"

// PutSection writes a section, from its heading "## name" to the next one, into the
// page at path, in the place of the one of this name, or behind the others.
func PutSection(path, name, body string) error {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, []byte(withSection(string(b), name, body)), 0o644)
}

func withSection(page, name, body string) string {
	const mark = "\n## "
	_, rest, _ := strings.Cut(page, mark)
	out, done := Title, false
	section := mark + name + "\n\n" + strings.TrimSpace(body) + "\n"
	for rest != "" {
		var s string
		s, rest, _ = strings.Cut(rest, mark)
		if title, _, _ := strings.Cut(s, "\n"); title == name {
			out += section
			done = true
			continue
		}
		out += mark + strings.TrimSpace(s) + "\n"
	}
	if !done {
		out += section
	}
	return out
}

// Table is the coverage by module, with a line for all.
func (c Counts) Table() string {
	var b strings.Builder
	hit, all := map[string]int{}, map[string]int{}
	row := func(name string, hit, all map[string]int) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, k := range Kinds {
			fmt.Fprintf(&b, " %d of %d |", hit[k], all[k])
		}
		b.WriteString("\n")
	}
	b.WriteString("| module | lines | branches | toggles |\n|---|---|---|---|\n")
	for _, m := range c.Modules() {
		row("`"+m.Name+"`", m.Hit, m.All)
		for _, k := range Kinds {
			hit[k] += m.Hit[k]
			all[k] += m.All[k]
		}
	}
	row("all", hit, all)
	return b.String()
}
