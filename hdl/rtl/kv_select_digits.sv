// Which digits of the scores are in use, and the digits of a row as it is written, for a first pass that
// is counted ahead (docs/engine.md, 5.9).
//
// start_i    a command begins: no digit is in use. Nothing is on its way then.
// valid4_i, word4_i  a word is written: score4_i its columns (kv_select_columns says which digit is where),
//            nonzero4_i those that are not 0, unprot4_i its lanes that hold unprotected positions. Words come
//            in order from 0, and from 0 again with every row.
// top_o      two cycles after the last word of a row: the highest digit that is not 0 in an unprotected score of it.
// right_o    likewise: the guess for this row is that digit.
// ahead6_o   two cycles after valid4_i: by lane, the digit of the guess, 0 in lanes that do not count and if there
//            was no word. It means something only if the guess turns out right: digits above it are
//            not kept apart, but would be 0.
// clear8_o   four cycles after valid4_i of word 0, two after its ahead6_o.
//
// The guess for a row is the top digit of the row before, or of the scores that were loaded, but no
// less than 5. It is fixed when word 0 of the row is at stage 4, with the last word of the row before right
// behind at stage 5. Nothing moves in a cycle with en_i = 0.
module kv_select_digits #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned WordW = 9
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic                valid4_i,
    input  logic [   WordW-1:0] word4_i,
    input  logic [40*Lanes-1:0] score4_i,
    input  logic [10*Lanes-1:0] nonzero4_i,
    input  logic [   Lanes-1:0] unprot4_i,
    output logic [         3:0] top_o,
    output logic                right_o,
    output logic [ 4*Lanes-1:0] ahead6_o,
    output logic                clear8_o
);

  // Digits in use, first by column, then by digit.
  logic valid5_q, zero5_q, odd5_q, zero4;
  logic [9:0] used4, used5_q, used5, used_q;

  assign zero4 = valid4_i && word4_i == '0;

  always_comb begin
    used4 = '0;
    for (int i = 0; i < Lanes; i++) if (unprot4_i[i]) used4 = used4 | nonzero4_i[10*i+:10];
    used5 = used_q;
    if (valid5_q)
      used5 = (zero5_q ? '0 : used_q) | (odd5_q ? {used5_q[4:0], used5_q[9:5]} : used5_q);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) valid5_q <= 1'b0;
    else if (en_i) valid5_q <= valid4_i;
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      odd5_q  <= word4_i[0];
      zero5_q <= zero4;
      used5_q <= used4;
      used_q  <= start_i ? '0 : used5;
    end

  always_comb begin
    top_o = 4'd0;
    for (int d = 0; d < 10; d++) if (used_q[d]) top_o = 4'(d);
  end

  // The guess: bit d says that it is d or less; it is 5 at least and 9 at most.
  logic [8:5] upto_q;
  logic [9:4] upto;

  always_ff @(posedge clk_i)
    if (en_i && zero4) for (int d = 5; d < 9; d++) upto_q[d] <= (used5 >> (d + 1)) == '0;

  assign upto = {1'b1, upto_q, 1'b0};

  always_comb begin
    right_o = 1'b0;
    for (int d = 5; d < 10; d++)
      if (used_q[d]) right_o = upto[d] && !upto[d-1];
  end

  // Stage 6: the digits that are the guess or above; the others are gone.
  logic [40*Lanes-1:0] score5_q, score6_q;
  logic [Lanes-1:0] count5_q, count6_q;
  logic [8:6] clear_q;

  for (genvar c = 0; c < 10; c++) begin : g_column
    logic counts;
    assign counts = odd5_q == 1'(c < 5) && upto[5+c%5];

    for (genvar i = 0; i < Lanes; i++) begin : g_lane
      always_ff @(posedge clk_i)
        if (en_i) begin
          if (!counts) score6_q[40*i+4*c+:4] <= '0;
          else score6_q[40*i+4*c+:4] <= score5_q[40*i+4*c+:4];
        end
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      score5_q <= score4_i;
      count5_q <= unprot4_i & {Lanes{valid4_i}};
      count6_q <= count5_q;
      clear_q  <= {clear_q[7:6], zero5_q};
    end

  always_comb begin
    ahead6_o = '0;
    for (int i = 0; i < Lanes; i++)
      for (int c = 0; c < 10; c++)
        if (count6_q[i]) ahead6_o[4*i+:4] = ahead6_o[4*i+:4] | score6_q[40*i+4*c+:4];
  end

  assign clear8_o = clear_q[8];

endmodule
