package report

import (
	"fmt"
	"slices"
	"strings"
)

// ranges says where the memory, the engine and neither of them decide how long it takes to
// read one setting's cache, in MB/s.
func (l Line) ranges() (memory, engine float64) {
	t := l.restore()
	return l.BytesPerToken / t, l.fullBytes() / t
}

// readingTable gives those ranges as a table in Markdown, an engine a line: for the policy that
// the figure of reading shows, and its settings by bytes. Every clock stands beside how it is
// known. It is empty where the figure is.
func (in *Input) readingTable() string {
	at := in.readable()
	if at == nil {
		return ""
	}
	var labels []string
	byEngine := map[string][]Line{}
	var engines []Line
	for _, l := range in.Lines {
		if l.Policy != at.Policy || l.restore() == 0 {
			continue
		}
		if byEngine[l.Engine] == nil {
			engines = append(engines, l)
		}
		byEngine[l.Engine] = append(byEngine[l.Engine], l)
	}
	for _, list := range byEngine {
		slices.SortStableFunc(list, func(a, b Line) int {
			switch {
			case a.BytesPerToken < b.BytesPerToken:
				return -1
			case a.BytesPerToken > b.BytesPerToken:
				return 1
			}
			return 0
		})
	}
	for _, l := range byEngine[engines[0].Engine] {
		labels = append(labels, l.Label)
	}
	var b strings.Builder
	fmt.Fprint(&b, "| engine | MHz | clock |")
	for _, label := range labels {
		fmt.Fprintf(&b, " %s: memory decides below |", label)
	}
	fmt.Fprintf(&b, " engine decides up to |\n|---|---:|---|%s---:|\n", strings.Repeat("---:|", len(labels)))
	for _, e := range engines {
		fmt.Fprintf(&b, "| %s | %.1f | %s: %s |", e.Engine, e.Area.MHz, e.Area.MHzFrom, e.Area.MHzNote)
		least := 0.
		for _, l := range byEngine[e.Engine] {
			memory, engine := l.ranges()
			fmt.Fprintf(&b, " %.0f |", memory)
			if least == 0 || engine < least {
				least = engine
			}
		}
		fmt.Fprintf(&b, " %.0f |\n", least)
	}
	return b.String()
}

// readable is the smallest setting that loses little and has to be restored; nil: none.
func (in *Input) readable() (at *Line) {
	for _, l := range in.Distinct() {
		if l.restore() > 0 && in.harmless(&l) && (at == nil || l.BytesPerToken < at.BytesPerToken) {
			at = &l
		}
	}
	return at
}
