package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/bench"
)

// docs/performance.md says what the full set measures.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range measure(t, "emu:", emulator.Open, bench.Options{}).Rows {
		want := "- | absent"
		if row.Absent == "" {
			state := "**broken**"
			if row.Kept {
				state = "kept"
			}
			figure := fmt.Sprintf("%.4f", row.Worst.Measured)
			if row.Unit == bench.Cycles {
				figure = fmt.Sprintf("%g of %g", row.Worst.Measured, row.Worst.Promised)
			}
			if row.Unit == bench.Cycles && row.Limit.PerWord == 0 {
				figure = fmt.Sprint(row.Worst.Measured)
			}
			want = fmt.Sprintf("%s | %s | %d", figure, state, row.Count)
		}
		found := false
		for line := range strings.SplitSeq(string(page), "\n") {
			found = found || strings.HasPrefix(line, "| `"+row.ID+"` |") && strings.Contains(line, "| "+want)
		}
		if !found {
			t.Errorf("docs/performance.md: the line of %s lacks %q", row.ID, want)
		}
	}
}
