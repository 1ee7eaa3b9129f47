// What is known of each position during the search of SELECT (docs/engine.md, 5.9).
//
// A position is kept (protected, or above the threshold), a candidate (unprotected, its
// examined digits equal to those chosen), or dropped. The states stand in two memories, of
// even and of odd words, next to the scores.
//
// word_we_i  states of a word come in with the attention rows: of word word_i, word_keep_i
//            and word_cand_i by lane.
// pair_i     at s: the states of words 2 pair_i and 2 pair_i + 1 are read.
// At s + 2:  prev2_i, cur2_i: the digit examined last and the one being counted, even word
//            low. With apply2_i the candidates whose examined digit is above chosen_i
//            become kept, those below dropped. valid2_i: which of the two words exist. ahead2_i: digits of
//            positions of another word, to be counted instead; 0 with a pair on its way.
// At s + 3:  keep3_o, cand3_o: the new states (words that do not exist are all dropped);
//            digit3_o: digits of the candidates (or ahead2_i), 0 for all others; with write3_i they are
//            also stored, at pair3_i.
// A word and a pair are never written in the same cycle. Nothing moves with en_i = 0.
module kv_select_state #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes)
) (
    input  logic               clk_i,
    input  logic               en_i,
    input  logic               word_we_i,
    input  logic [  WordW-1:0] word_i,
    input  logic [  Lanes-1:0] word_keep_i,
    input  logic [  Lanes-1:0] word_cand_i,
    input  logic [  WordW-2:0] pair_i,
    input  logic [        1:0] valid2_i,
    input  logic               apply2_i,
    input  logic [        3:0] chosen_i,
    input  logic [8*Lanes-1:0] cur2_i,
    input  logic [8*Lanes-1:0] prev2_i,
    input  logic [4*Lanes-1:0] ahead2_i,
    output logic [2*Lanes-1:0] keep3_o,
    output logic [2*Lanes-1:0] cand3_o,
    output logic [8*Lanes-1:0] digit3_o,
    input  logic               write3_i,
    input  logic [  WordW-2:0] pair3_i
);

  // Stages s, s + 1: read.
  logic [2*Lanes-1:0] keep1, cand1, keep2_q, cand2_q, keep3_q, cand3_q;
  logic [8*Lanes-1:0] digit3_q;

  for (genvar h = 0; h < 2; h++) begin : g_half
    logic word_we;

    assign word_we = word_we_i && word_i[0] == 1'(h);

    kv_ram_1r1w #(
        .Width(2 * Lanes),
        .Depth(MaxTokens / Lanes / 2)
    ) u_ram (
        .clk_i,
        .en_i,
        .we_i   (word_we || write3_i),
        .waddr_i(write3_i ? pair3_i : word_i[WordW-1:1]),
        .data_i (write3_i ? {keep3_q[Lanes*h+:Lanes], cand3_q[Lanes*h+:Lanes]} :
                 {word_keep_i, word_cand_i}),
        .raddr_i(pair_i),
        .zero_i (1'b0),
        .data_o ({keep1[Lanes*h+:Lanes], cand1[Lanes*h+:Lanes]})
    );
  end

  // Stage s + 2: apply the choice.
  logic [2*Lanes-1:0] keep, cand;

  always_comb
    for (int i = 0; i < 2 * Lanes; i++) begin
      keep[i] = valid2_i[i/Lanes] &&
                (keep2_q[i] || (cand2_q[i] && apply2_i && prev2_i[4*i+:4] > chosen_i));
      cand[i] = valid2_i[i/Lanes] && cand2_q[i] &&
                (!apply2_i || prev2_i[4*i+:4] == chosen_i);
    end

  always_ff @(posedge clk_i)
    if (en_i) begin
      keep2_q <= keep1;
      cand2_q <= cand1;
      keep3_q <= keep;
      cand3_q <= cand;
      for (int i = 0; i < 2 * Lanes; i++)
        digit3_q[4*i+:4] <= (cand[i] ? cur2_i[4*i+:4] : 4'd0) | (i < Lanes ? ahead2_i[4*(i%Lanes)+:4] : 4'd0);
    end

  assign keep3_o  = keep3_q;
  assign cand3_o  = cand3_q;
  assign digit3_o = digit3_q;

endmodule
