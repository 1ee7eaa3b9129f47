// Package lint holds the RTL to what synthesis asks of it; Verilator's warnings are in
// `make lint`, areas and speeds in `make synth`.
package lint

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// elaborate has Yosys read the engine behind the top of `make synth` and look for wires
// that nothing or more than one thing drives, and for loops.
func elaborate(t *testing.T, params string) (string, error) {
	t.Helper()
	root := filepath.Join("..", "..")
	list, err := os.ReadFile(filepath.Join(root, "hdl", "rtl", "files.f"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for f := range strings.FieldsSeq(string(list)) {
		files = append(files, filepath.Join("hdl", "rtl", f))
	}
	files = append(files, filepath.Join("hdl", "syn", "kv_syn_top.sv"))
	script := fmt.Sprintf("read_verilog -sv %s; hierarchy -check -top kv_syn_top %s; proc; check -assert; select -assert-min 1 */t:*",
		strings.Join(files, " "), params)
	cmd := exec.CommandContext(t.Context(), "yosys", "-q", "-p", script)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Yosys reads every unit of the narrowest and of the default engine, and one without options, and finds nothing
// undriven, driven twice or looping.
func TestYosysElaborates(t *testing.T) {
	for _, params := range []string{
		"-chparam Lanes 2 -chparam MaxDim 32 -chparam TileTokens 16 -chparam MaxTokens 256",
		"-chparam Lanes 8",
		"-chparam Lanes 4 -chparam Features 15",
	} {
		t.Run(params, func(t *testing.T) {
			t.Parallel()
			if out, err := elaborate(t, params); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// An illegal parameter stops Yosys with the message of the engine (it does not fill in numbers).
func TestYosysRefuses(t *testing.T) {
	tests := []struct{ params, says string }{
		{"-chparam Lanes 3", "kv_engine: Lanes is"},
		{"-chparam MaxDim 48", "kv_engine: MaxDim is"},
		{"-chparam TileTokens 8", "kv_engine: TileTokens is"},
		{"-chparam MaxTokens 128", "kv_engine: MaxTokens is"},
		{"-chparam Features 1024", "kv_engine: Features is"},
		{"-chparam Features 19", "kv_engine: Features is"},
	}
	for _, tt := range tests {
		t.Run(tt.params, func(t *testing.T) {
			t.Parallel()
			out, err := elaborate(t, tt.params)
			if err == nil || !strings.Contains(out, tt.says) {
				t.Errorf("got %v, %q, want a refusal that says %q", err, out, tt.says)
			}
		})
	}
}
