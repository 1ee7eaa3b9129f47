package mutation

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

const module = `
module kv_x #(parameter int W = 4 + 2) (input logic a_i);
  localparam int unsigned N = W + 1;
  logic [N-1:0] v_q, v_d; // a + b
  assign v_d = a_i && v_q[W+1-:2] == 2'd3 ? (W + 1)'(v_q) + 1'b1 : '0;
  always_ff @(posedge clk_i) begin
    if (rst_i) v_q <= '0;
    else if (en_i) begin : named
      unique case (v_d)
        2'd1, 2'd2: {v_q, w_q} <= f(v_d) << 1;
        default: for (int i = 0; i < 4; i++) v_q[i] <= ~v_d[i];
      endcase
    end
  end
` + "`ifndef SYNTHESIS\n  always_ff @(posedge clk_i) assert (v_q != 3);\n`endif" + `
  assign unused = &{1'b0, a_i};
endmodule
`

func TestVerilogFindsWhatCanBePlanted(t *testing.T) {
	var got []string
	for _, f := range Verilog("kv_x.sv", module) {
		if module[f.From:f.To] == "" || strings.Join(strings.Fields(module[f.From:f.To]), "") != strings.ReplaceAll(f.Was, " ", "") {
			t.Errorf("%v stands at %q", f, module[f.From:f.To])
		}
		got = append(got, f.What)
	}
	want := []string{
		"&& becomes ||", "== becomes !=", "2'd3 becomes 2'd0", "+ becomes -", "1'b1 becomes 1'b0", "'0 becomes '1",
		"the condition is inverted", "the reset is dropped", "the register keeps its value", "'0 becomes '1",
		"the condition is inverted", "<< becomes >>", "the register keeps its value", "~ is dropped",
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults\n%q, want\n%q", got, want)
	}
}

func TestGoFindsWhatCanBePlanted(t *testing.T) {
	const source = `package core
func f(a, b int) int {
	const k = 1 + 2
	x := a + b*2
	if x == 3 && b > a {
		x++
	}
	for i := 0; i < 3; i++ {
		b = a - 1
	}
	return x
}`
	faults, err := Go("f.go", source)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range faults {
		faults[i].ID = i + 1
		got = append(got, faults[i].What)
	}
	want := []string{
		"+ becomes -", "2 becomes 3", "the condition is inverted", "&& becomes ||", "== becomes !=", "3 becomes 4", "> becomes >=",
		"the step is dropped", "the assignment is dropped", "- becomes +", "1 becomes 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults\n%q, want\n%q", got, want)
	}
	planted, left := Plant(source, faults, chooseGo)
	if _, err := parser.ParseFile(token.NewFileSet(), "f.go", planted, 0); err != nil {
		t.Errorf("%v in\n%s", err, planted)
	}
	if len(left) != 6 { // what lies inside another one's place
		t.Errorf("%d faults without a place: %v", len(left), left)
	}
}

func TestPlantReplacesOnlyWhatItNames(t *testing.T) {
	const text = "assign a = b + c;"
	f := Fault{ID: 3, From: 11, To: 16, Text: "b - c"}
	got, left := Plant(text, []Fault{f}, chooseVerilog)
	if want := "assign a = ((kv_mutant::id == 3) ? (b - c) : (b + c));"; got != want || left != nil {
		t.Errorf("%q, %v, want %q", got, left, want)
	}
}

func TestSampleIsFairAndRepeatable(t *testing.T) {
	var all []Fault
	for i := range 90 {
		all = append(all, Fault{File: "a", From: i})
	}
	for i := range 9 {
		all = append(all, Fault{File: "b", From: i})
	}
	all = append(all, Fault{File: "c"})
	s := Sample(all, 10, 1)
	n := map[string]int{}
	for i, f := range s {
		n[f.File]++
		if f.ID != i+1 {
			t.Errorf("fault %d has number %d", i, f.ID)
		}
	}
	if n["a"] != 9 || n["b"] != 1 || n["c"] != 1 {
		t.Errorf("from each file %v", n)
	}
	if !slices.Equal(s, Sample(all, 10, 1)) {
		t.Error("the same seed gives another sample")
	}
	if len(Sample(all, 0, 1)) != len(all) {
		t.Error("0 is not all of them")
	}
}
