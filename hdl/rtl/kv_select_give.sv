// Takes scores out of the columns of a word, a quarter of the word a cycle (docs/engine.md, 5.9).
//
// columns_i  a word as read from kv_select_score; odd_i: its parity; quarter_i: which quarter.
// group_o    one cycle later: the scores of the quarter (with two lanes, of the half that it is in).
// beat_o     with group_o: as a beat of 64 bits a score (with two lanes half a score).
// Nothing moves in a cycle with en_i = 0.
module kv_select_give #(
    parameter int unsigned Lanes = 8,
    localparam int unsigned Each = Lanes < 4 ? 1 : Lanes / 4
) (
    input  logic                clk_i,
    input  logic                en_i,
    input  logic [40*Lanes-1:0] columns_i,
    input  logic                odd_i,
    input  logic [         1:0] quarter_i,
    output logic [ 40*Each-1:0] group_o,
    output logic [16*Lanes-1:0] beat_o
);

  logic [40*Each-1:0] group;

  always_comb begin
    group = '0;
    for (int q = 0; q < Lanes / Each; q++)
      if (Lanes == 2 ? quarter_i[1] == 1'(q) : quarter_i == 2'(q)) group = columns_i[40*Each*q+:40*Each];
  end

  for (genvar k = 0; k < Each; k++) begin : g_score
    always_ff @(posedge clk_i)
      if (en_i)
        group_o[40*k+:40] <= odd_i ? {group[40*k+:20], group[40*k+20+:20]} : group[40*k+:40];
  end

  if (Lanes == 2) begin : gen_halves
    logic upper_q;
    always_ff @(posedge clk_i) if (en_i) upper_q <= quarter_i[0];
    assign beat_o = upper_q ? {24'd0, group_o[39:32]} : group_o[31:0];
  end else begin : gen_whole
    for (genvar k = 0; k < Each; k++) begin : g_score
      assign beat_o[64*k+:64] = {24'd0, group_o[40*k+:40]};
    end
  end

endmodule
