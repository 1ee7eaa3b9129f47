// One stage of the rotation between beats Step apart: of each pair (a, b) first a + b, then a - b.
//
// go_i    the first beat of a block is on x_i; the others follow, one a cycle
// skip_i  blocks are too short for this stage: it passes them on
// x_i     Lanes whole numbers of Width bits
// go_o, x_o  the same of the result; Step + 2 cycles later, or 2 with skip_i
// Blocks of 2 Step beats or a multiple, at least as far apart as they are long; skip_i stays while there are any
// on their way. Exact. Nothing moves in a cycle with en_i = 0.
//
// The a of a pair waits for b and then, beside b, until all sums are out: so one adder a lane is always at work.
module kv_rotate_pair #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned Width = 43,
    parameter int unsigned Step  = 1,
    parameter int unsigned More  = 1,  // bits by which a number of the result is longer
    localparam int unsigned PlaceW = Step == 1 ? 1 : $clog2(Step)
) (
    input  logic                            clk_i,
    input  logic                            rst_i,
    input  logic                            en_i,
    input  logic                            go_i,
    input  logic                            skip_i,
    input  logic [         Lanes*Width-1:0] x_i,
    output logic                            go_o,
    output logic [Lanes*(Width+More)-1:0] x_o
);

  // Beats counted where they come, and Step cycles later: in both halves of Step beats take turns.
  logic [Step+2:1] go_q;
  logic [PlaceW:0] in, in_q, out, out_q;
  logic [PlaceW-1:0] in_at, out_at;
  logic second, minus, minus_q;

  assign in     = go_i ? '0 : in_q;
  assign out    = go_q[Step] ? '0 : out_q;
  assign second = Step == 1 ? in[0] : in[PlaceW];
  assign minus  = (Step == 1 ? out[0] : out[PlaceW]) && !skip_i;
  assign in_at  = Step == 1 ? '0 : in[PlaceW-1:0];
  assign out_at = Step == 1 ? '0 : out[PlaceW-1:0];
  assign go_o   = skip_i ? go_q[2] : go_q[Step+2];

  always_ff @(posedge clk_i) begin
    if (rst_i) go_q <= '0;
    else if (en_i) go_q <= {go_q[Step+1:1], go_i};
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      in_q    <= in + 1'b1;
      out_q   <= out + 1'b1;
      minus_q <= minus;
    end
  end

  // Both memories are read before the next block writes to the same place. Without a stage there is nothing to add.
  logic [Lanes*Width-1:0] first[0:Step-1], other[0:Step-1];
  logic [Lanes*Width-1:0] a_q, b_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (!second) first[in_at] <= x_i;
      if (second) other[in_at] <= x_i;
      a_q <= skip_i ? '0 : first[out_at];
      b_q <= minus ? ~other[out_at] : x_i;
    end
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic signed [Width-1:0] a, b;
    assign a = a_q[Width*i+:Width];
    assign b = b_q[Width*i+:Width];
    always_ff @(posedge clk_i)
      if (en_i) x_o[(Width+More)*i+:Width+More] <= (Width+More)'(a) + (Width+More)'(b) + (Width+More)'(minus_q);
  end

endmodule
