package attncomp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Bytes follow from shapes: 3 layers, so that the last has no partner.
func TestBytes(t *testing.T) {
	const n, d, h, l = testN, testD, testHkv, 3
	r := compare(t, openTrace(t, l, noise, true), Options{Ranks: []int{16}, Bits: []int{FP16, 4}})
	coded := func(w int64) int64 { return 96*w/2 + 96*w/32*4 + 4*w*2 } // per channel, 4 rows over
	token := int64(n*d/2 + n*d/32*4)
	for _, c := range []struct {
		method     string
		rank       int
		rows, map_ int64
		quantized  int64
	}{
		{"none", 0, l * h * 2 * n * d * 2, 0, l * h * (coded(d) + token)},
		{"lowrank", 16, l * h * 2 * n * 16 * 2, l * h * 2 * 16 * d * 2, l * h * 2 * coded(16)},
		{"lowrank-q", 16, l * h * 2 * n * 16 * 2, l * h * 2 * 16 * d * 2, l * h * 2 * coded(16)},
		{"joint", 16, l * 2 * n * 32 * 2, l * h * 2 * 32 * d * 2, l * 2 * coded(32)},
		{"joint-2", 16, 2*n*64*2 + 2*n*32*2, 4*2*64*d*2 + 2*2*32*d*2, 2*coded(64) + 2*coded(32)},
		{"merge", 0, l * 2 * n * d * 2, 0, l * (coded(d) + token)},
		{"merge-fit", 0, l * 2 * n * d * 2, l * h * 2 * d * d * 2, l * (coded(d) + token)},
		{"share", 0, 2 * h * 2 * n * d * 2, 0, 2 * h * (coded(d) + token)},
		{"share-fit", 0, 2 * h * 2 * n * d * 2, h * 2 * d * d * 2, 2 * h * (coded(d) + token)},
	} {
		a, b := find(t, r, c.method, c.rank, FP16), find(t, r, c.method, c.rank, 4)
		if a.RowBytes != c.rows || a.MapBytes != c.map_ || a.Bytes != c.rows+c.map_ || b.RowBytes != c.quantized || b.MapBytes != c.map_ {
			t.Errorf("%s: rows %d (4 bits: %d), maps %d (%d); want %d (%d), %d", c.method, a.RowBytes, b.RowBytes, a.MapBytes, b.MapBytes, c.rows, c.quantized, c.map_)
		}
		if a.Ratio != float64(r.FullBytes)/float64(a.Bytes) || a.Limit != float64(r.FullBytes)/float64(a.RowBytes) {
			t.Errorf("%s: ratios %g, %g", c.method, a.Ratio, a.Limit)
		}
	}
	if len(r.Rows) != 2*len(methods) || len(r.Alike) != l-1 {
		t.Errorf("%d rows, %d pairs of layers", len(r.Rows), len(r.Alike))
	}
}

func TestVerdicts(t *testing.T) {
	row := func(method string, bits int, rows, maps int64, mean float64) Row {
		x := Row{Method: method, Bits: bits, RowBytes: rows, MapBytes: maps, Bytes: rows + maps}
		x.OutputL2.Mean = mean
		return x
	}
	r := Result{Rows: []Row{
		row("none", FP16, 100, 0, 0), row("none", 8, 50, 0, .1), row("none", 2, 10, 0, .9),
		row("joint", 4, 20, 40, .05), row("merge", 4, 40, 0, .2), {Method: "share", Bits: 8, Skipped: "no"}, row("share", 4, 45, 5, .3),
	}}
	markBest(r.Rows)
	best := ""
	for _, x := range r.Rows {
		if x.Best {
			best += fmt.Sprintf("%s%d ", x.Method, x.Bits)
		}
	}
	if best != "none16 none8 none2 joint4 merge4 " {
		t.Errorf("best are %s", best)
	}
	v := r.Verdicts()
	if len(v) != 4 || v[0].Other.Method != "merge" || v[0].Better() || v[1].Other != nil || v[1].Better() || !v[2].Long || v[2].Other.Method != "joint" || !v[2].Better() || v[3].Other != nil {
		t.Errorf("%+v", v)
	}
}

func TestPlot(t *testing.T) {
	r := compare(t, openTrace(t, 1, noise, true), Options{Methods: []string{"merge"}, Bits: []int{FP16, 4}})
	path := filepath.Join(t.TempDir(), "x.svg")
	if err := Plot(t.Context(), path, r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "<svg") || !strings.Contains(string(b), "merge") || strings.Contains(string(b), "joint") {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
