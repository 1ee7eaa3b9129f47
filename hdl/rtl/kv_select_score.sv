// Score memory of SELECT: accumulates attention rows, gives digits to the passes
// (docs/engine.md, 5.9).
//
// The scores are kept in 10 columns of 4-bit digits, one memory each, a word (Lanes scores)
// an address. Digit d of an even word is in column d, of an odd word in column d + 5 (mod
// 10). So the same digit of two neighbouring words comes from two memories, and a pass reads
// two words a cycle though every memory has but one read port.
//
// Accumulating (scan_i = 0):
//   beat_valid_i, beat_i  a beat taken at t, of word word_i; first_i: of the first row, the
//                   scores start from 0.
//   elem1_i         at t + 1: the lanes that hold elements.
//   unprot4_i       lanes of the word taken 4 cycles ago that are not protected.
//   bad_o           lanes of beat_i that are not finite or negative; combinational.
//   valid4_o, word4_o, sat4_o  at t + 4: the word is written; lanes that were clamped (0 if
//                   no beat was taken then).
//   top_o           highest digit that is not 0 in any unprotected score since clear_i
//                   (scores only grow, so the last row's need not be told apart); from
//                   t + 6 on.
//   A word must not come again within 4 cycles.
// Scanning (scan_i = 1, from 5 cycles after the last beat):
//   pair_i at s     words 2 pair_i and 2 pair_i + 1 are read;
//   cur_o, prev_o   at s + 2: digit digit_i of them (even word in the low half), and the
//                   digit above it (above 9 comes digit 0). digit_i has to be stable from
//                   s - 1 to the end of the scan.
module kv_select_score #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                clear_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic [   WordW-1:0] word_i,
    input  logic                first_i,
    input  logic [   Lanes-1:0] elem1_i,
    input  logic [   Lanes-1:0] unprot4_i,
    output logic [   Lanes-1:0] bad_o,
    output logic                valid4_o,
    output logic [   WordW-1:0] word4_o,
    output logic [   Lanes-1:0] sat4_o,
    output logic [         3:0] top_o,
    input  logic                scan_i,
    input  logic [   WordW-2:0] pair_i,
    input  logic [         3:0] digit_i,
    output logic [ 8*Lanes-1:0] cur_o,
    output logic [ 8*Lanes-1:0] prev_o
);

  // The word on its way; index is the stage.
  logic [4:1] valid_q;
  logic [WordW-1:0] word1_q, word2_q, word3_q, word4_q;
  logic first1_q, odd5_q, valid5_q;
  logic [Lanes-1:0] sat3, sat4_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q  <= '0;
      valid5_q <= 1'b0;
      sat4_q   <= '0;
    end else if (en_i) begin
      valid_q  <= {valid_q[3:1], beat_valid_i};
      valid5_q <= valid_q[4];
      sat4_q   <= sat3 & {Lanes{valid_q[3]}};
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      word1_q  <= word_i;
      word2_q  <= word1_q;
      word3_q  <= word2_q;
      word4_q  <= word3_q;
      odd5_q   <= word4_q[0];
      first1_q <= first_i;
    end

  assign valid4_o = valid_q[4];
  assign word4_o  = word4_q;
  assign sat4_o   = sat4_q;

  // Which digit each column's memory has to give: the even word's to the columns of the
  // digit and the one above, the odd word's to those 5 further on.
  logic [9:0] odd_q;
  logic [4:0] cur_q, prev_q;  // place of the digit within a half of the ring, one-hot
  logic cur_swap_q, prev_swap_q;  // the even word's digit is in columns 5-9

  always_ff @(posedge clk_i)
    if (en_i) begin
      for (int d = 0; d < 10; d++)
        if (digit_i == 4'(d)) begin
          for (int c = 0; c < 10; c++) odd_q[c] <= (c + 10 - d) % 10 >= 5;
          cur_q       <= 5'(1 << (d % 5));
          prev_q      <= 5'(1 << ((d + 1) % 5));
          cur_swap_q  <= d >= 5;
          prev_swap_q <= (d + 1) % 10 >= 5;
        end
    end

  // By lane (read, write, nonzero) and by column.
  logic [40*Lanes-1:0] read, write, columns;
  logic [10*Lanes-1:0] nonzero;

  for (genvar c = 0; c < 10; c++) begin : g_column
    logic [4*Lanes-1:0] rdata, wdata;

    for (genvar i = 0; i < Lanes; i++) begin : g_digit
      assign wdata[4*i+:4] = write[40*i+4*c+:4];
      assign read[40*i+4*c+:4] = rdata[4*i+:4];
    end

    assign columns[4*Lanes*c+:4*Lanes] = rdata;

    kv_ram_1r1w #(
        .Width(4 * Lanes),
        .Depth(MaxTokens / Lanes)
    ) u_ram (
        .clk_i,
        .en_i,
        .we_i   (valid_q[4]),
        .waddr_i(word4_q),
        .data_i (wdata),
        .raddr_i(scan_i ? {pair_i, odd_q[c]} : word1_q),
        .zero_i (first1_q && !scan_i),
        .data_o (rdata)
    );
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    kv_select_lane u_lane (
        .clk_i,
        .en_i,
        .weight_i  (beat_i[16*i+:16]),
        .elem1_i   (elem1_i[i]),
        .bad0_o    (bad_o[i]),
        .odd1_i    (word1_q[0]),
        .score2_i  (read[40*i+:40]),
        .sat3_o    (sat3[i]),
        .score4_o  (write[40*i+:40]),
        .nonzero4_o(nonzero[10*i+:10])
    );
  end

  // Digits in use, first by column, then by digit.
  logic [9:0] used, used5_q, used_q;

  always_comb begin
    used = '0;
    for (int i = 0; i < Lanes; i++) if (unprot4_i[i]) used = used | nonzero[10*i+:10];
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      used5_q <= used;
      if (clear_i) used_q <= '0;
      else if (valid5_q) used_q <= used_q | (odd5_q ? {used5_q[4:0], used5_q[9:5]} : used5_q);
    end

  always_comb begin
    top_o = 4'd0;
    for (int d = 0; d < 10; d++) if (used_q[d]) top_o = 4'(d);
  end

  // Stage s + 1: within each half of the ring; s + 2: which half is which word's.
  logic [4*Lanes-1:0] cur_a, cur_b, prev_a, prev_b;
  logic [4*Lanes-1:0] cur_a_q, cur_b_q, prev_a_q, prev_b_q;

  always_comb begin
    {cur_a, cur_b, prev_a, prev_b} = '0;
    for (int k = 0; k < 5; k++) begin
      cur_a  = cur_a | (columns[4*Lanes*k+:4*Lanes] & {4 * Lanes{cur_q[k]}});
      cur_b  = cur_b | (columns[4*Lanes*(k+5)+:4*Lanes] & {4 * Lanes{cur_q[k]}});
      prev_a = prev_a | (columns[4*Lanes*k+:4*Lanes] & {4 * Lanes{prev_q[k]}});
      prev_b = prev_b | (columns[4*Lanes*(k+5)+:4*Lanes] & {4 * Lanes{prev_q[k]}});
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      cur_a_q  <= cur_a;
      cur_b_q  <= cur_b;
      prev_a_q <= prev_a;
      prev_b_q <= prev_b;
    end

  assign cur_o  = cur_swap_q ? {cur_a_q, cur_b_q} : {cur_b_q, cur_a_q};
  assign prev_o = prev_swap_q ? {prev_a_q, prev_b_q} : {prev_b_q, prev_a_q};

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(beat_valid_i && ((valid_q[1] && word_i == word1_q) ||
                (valid_q[2] && word_i == word2_q) || (valid_q[3] && word_i == word3_q))))
      else $error("kv_select_score: a word came again within 4 cycles");
      assert (!(scan_i && |valid_q))
      else $error("kv_select_score: scan before the last beat was added");
    end
`endif

endmodule
