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

var root = filepath.Join("..", "..")

// sources lists the files of a folder of the RTL.
func sources(t *testing.T, dir string) (files []string) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(root, dir, "files.f"))
	if err != nil {
		t.Fatal(err)
	}
	for f := range strings.FieldsSeq(string(list)) {
		files = append(files, filepath.Join(dir, f))
	}
	return files
}

// elaborate has Yosys read the engine behind the top of `make synth` and look for wires
// that nothing or more than one thing drives, and for loops.
func elaborate(t *testing.T, params string) (string, error) {
	t.Helper()
	files := append(sources(t, "hdl/rtl"), filepath.Join("hdl", "syn", "kv_syn_top.sv"))
	return elaborateTop(t, "kv_syn_top", params, files)
}

func elaborateTop(t *testing.T, top, params string, files []string, first ...string) (string, error) {
	t.Helper()
	script := strings.Join(first, "") + fmt.Sprintf("read_verilog -sv %s; hierarchy -check -top %s %s; proc; check -assert; select -assert-min 1 */t:*",
		strings.Join(files, " "), top, params)
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
		{"-chparam Features 4096", "kv_engine: Features is"},
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

// The same for the link with every physical side.
func TestYosysElaboratesBoards(t *testing.T) {
	files := append(sources(t, "hdl/rtl"), sources(t, "hdl/rtl/link")...)
	for phy := range 5 {
		t.Run(fmt.Sprint(phy), func(t *testing.T) {
			t.Parallel()
			params := fmt.Sprintf("-chparam Phy %d -chparam Lanes 2 -chparam MaxDim 32 -chparam TileTokens 16 -chparam MaxTokens 256", phy)
			if out, err := elaborateTop(t, "kv_board_core", params, files); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestYosysRefusesBoards(t *testing.T) {
	files := append(sources(t, "hdl/rtl"), sources(t, "hdl/rtl/link")...)
	for _, tt := range []struct{ params, says string }{
		{"-chparam Phy 5", "kv_board_core: Phy is"},
		{"-chparam RxSlots 3", "kv_link: RxSlots is"},
		{"-chparam TxSlots 128", "kv_link: TxSlots is"},
		{"-chparam RetryLog2 7", "kv_link: RetryLog2 is"},
		{"-chparam Baud 20000000", "want at least 3 cycles a bit"},
	} {
		t.Run(tt.params, func(t *testing.T) {
			t.Parallel()
			out, err := elaborateTop(t, "kv_board_core", tt.params, files)
			if err == nil || !strings.Contains(out, tt.says) {
				t.Errorf("got %v, %q, want a refusal that says %q", err, out, tt.says)
			}
		})
	}
}

// The tops of the boards fit the core that they hold and the cells of their parts.
func TestYosysElaboratesTops(t *testing.T) {
	engine := sources(t, "hdl/rtl")
	rtl := append(sources(t, "hdl/rtl"), sources(t, "hdl/rtl/link")...)
	for _, tt := range []struct {
		board, top string
		library    string
		files      []string
	}{
		{"ulx3s-85f", "kv_top", "+/ecp5/cells_bb.v", append(rtl[:len(rtl):len(rtl)], "hdl/syn/kv_board_reset.sv", "hdl/syn/kv_board_uart.sv", "hdl/syn/kv_ecp5_pll.sv")},
		{"orangecrab-25f", "kv_top", "+/ecp5/cells_bb.v", append(rtl[:len(rtl):len(rtl)], "hdl/syn/kv_board_reset.sv", "hdl/syn/kv_board_uart.sv", "hdl/syn/kv_ecp5_pll.sv")},
		{"icebreaker", "kv_top", "+/ice40/cells_sim.v", append(rtl[:len(rtl):len(rtl)], "hdl/syn/kv_board_reset.sv", "hdl/syn/kv_board_uart.sv")},
		{"artix7-xdma", "kv_xdma_engine", "", engine},
	} {
		t.Run(tt.board, func(t *testing.T) {
			t.Parallel()
			first, file := "", tt.top+".sv"
			if tt.library != "" {
				first = "read_verilog -lib -specify " + tt.library + "; "
			} else {
				file = tt.top + ".v"
			}
			files := append(tt.files[:len(tt.files):len(tt.files)], filepath.Join("hdl", "syn", tt.board, file))
			if out, err := elaborateTop(t, tt.top, "", files, first); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
