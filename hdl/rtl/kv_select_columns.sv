// The memory of the scores of SELECT, in columns of digits (docs/engine.md, 5.9).
//
// A score is 10 digits of 4 bits. Each column is a memory of its own, with a word (a digit of Lanes scores)
// at an address. Digit d of an even word is in column d, of an odd word in column d + 5 (mod 10). So the
// same digit of two neighbouring words comes from two memories, and a pass reads two words a cycle though
// every memory has but one read port.
//
// we_i, waddr_i, data_i  a word is written, 40 bits a lane by columns.
// raddr_i    at s, without scan_i: data_o at s + 1 is that word, or 0 with zero_i.
// pair_i     at s, with scan_i: words 2 pair_i and 2 pair_i + 1 are read.
// cur_o, prev_o  at s + 2: digit digit_i of them (even word in the low half), and the digit above it (above 9
//            comes digit 0). digit_i has to be stable from s - 1 to the end of the scan.
// Nothing moves in a cycle with en_i = 0.
module kv_select_columns #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes)
) (
    input  logic                clk_i,
    input  logic                en_i,
    input  logic                we_i,
    input  logic [   WordW-1:0] waddr_i,
    input  logic [40*Lanes-1:0] data_i,
    input  logic                scan_i,
    input  logic [   WordW-2:0] pair_i,
    input  logic [         3:0] digit_i,
    output logic [ 8*Lanes-1:0] cur_o,
    output logic [ 8*Lanes-1:0] prev_o,
    input  logic [   WordW-1:0] raddr_i,
    input  logic                zero_i,
    output logic [40*Lanes-1:0] data_o
);

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

  logic [40*Lanes-1:0] columns;  // data_o by column, not by lane

  for (genvar c = 0; c < 10; c++) begin : g_column
    logic [4*Lanes-1:0] rdata, wdata;

    for (genvar i = 0; i < Lanes; i++) begin : g_digit
      assign wdata[4*i+:4] = data_i[40*i+4*c+:4];
      assign data_o[40*i+4*c+:4] = rdata[4*i+:4];
    end

    assign columns[4*Lanes*c+:4*Lanes] = rdata;

    kv_ram_1r1w #(
        .Width(4 * Lanes),
        .Depth(MaxTokens / Lanes)
    ) u_ram (
        .clk_i,
        .en_i,
        .we_i,
        .waddr_i,
        .data_i (wdata),
        .raddr_i(scan_i ? {pair_i, odd_q[c]} : raddr_i),
        .zero_i,
        .data_o (rdata)
    );
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

endmodule
