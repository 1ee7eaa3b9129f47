// Score memory of SELECT: accumulates attention rows, gives digits to the passes
// (docs/engine.md, 5.9).
//
// The scores are kept as columns of digits (kv_select_columns says in which order).
//
// Accumulating: with Decay the memory is read 3 cycles (Ahead) earlier than needed otherwise, and what was
// read is multiplied. Stages count from 1, where the weight and the score are about to meet.
//   beat_valid_i, beat_i  a beat taken at t, stage 1 is t + 1 + Ahead; word_i: its word; end_i:
//                   the last of its row; first_i: of the first row, the scores start from 0; decay_i:
//                   they are multiplied by lambda_i / 2^16 before (lambda_i: stable).
//   load_i          in stage 1: the scores of word load_word_i become load_scores_i; load_end_i. Never with a beat in
//                   stage 1, and with a word being read only if Pool.
//   word1_o, end1_o stage 1: what goes through; elem1_i: its lanes that hold elements.
//   bad_o, neg_o, clean_o  lanes of beat_i that are not finite, negative; the cleaned elements; combinational.
//   valid4_o, word4_o, sat4_o  stage 4: the word is written; lanes that were clamped (0 if
//                   there is none).
//   score4_o, nonzero4_o  stage 4: what is written, by lane: its columns, which of them are not 0.
//   A word must not come again within 4 + Ahead cycles.
// Scanning (scan_i = 1, with nothing on its way): as in kv_select_columns.
// Reading (fetch_i = 1, no beat on its way):
//   fetch_word_i    at s; columns_o at s + 1: its columns, 40 bits a lane.
// Nothing moves in a cycle with en_i = 0.
module kv_select_score #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Decay = 1'b0,
    parameter bit Pool = 1'b1,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic [   WordW-1:0] word_i,
    input  logic                end_i,
    input  logic                first_i,
    input  logic                decay_i,
    input  logic [        15:0] lambda_i,
    input  logic                load_i,
    input  logic [40*Lanes-1:0] load_scores_i,
    input  logic [   WordW-1:0] load_word_i,
    input  logic                load_end_i,
    output logic [   WordW-1:0] word1_o,
    output logic                end1_o,
    input  logic [   Lanes-1:0] elem1_i,
    output logic [   Lanes-1:0] bad_o,
    output logic [   Lanes-1:0] neg_o,
    output logic [16*Lanes-1:0] clean_o,
    output logic                valid4_o,
    output logic [   WordW-1:0] word4_o,
    output logic [   Lanes-1:0] sat4_o,
    output logic [40*Lanes-1:0] score4_o,
    output logic [10*Lanes-1:0] nonzero4_o,
    input  logic                scan_i,
    input  logic [   WordW-2:0] pair_i,
    input  logic [         3:0] digit_i,
    output logic [ 8*Lanes-1:0] cur_o,
    output logic [ 8*Lanes-1:0] prev_o,
    input  logic                fetch_i,
    input  logic [   WordW-1:0] fetch_word_i,
    output logic [40*Lanes-1:0] columns_o
);

  localparam int unsigned Ahead = Decay ? 3 : 0;

  // Beats from the cycle after they were taken to stage 1.
  logic [Ahead:0] early_valid_q, early_end_q, early_first_q;
  logic [WordW-1:0] early_word_q[0:Ahead];

  always_ff @(posedge clk_i) begin
    if (rst_i) early_valid_q <= '0;
    else if (en_i) early_valid_q <= (Ahead + 1)'({early_valid_q, beat_valid_i});
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      early_end_q     <= (Ahead + 1)'({early_end_q, end_i});
      early_first_q   <= (Ahead + 1)'({early_first_q, first_i});
      early_word_q[0] <= word_i;
      for (int i = 1; i <= Ahead; i++) early_word_q[i] <= early_word_q[i-1];
    end

  assign word1_o = load_i ? load_word_i : early_word_q[Ahead];
  assign end1_o  = load_i ? load_end_i : early_end_q[Ahead];

  // The word on its way; index is the stage.
  logic [4:2] valid_q;
  logic [WordW-1:0] word2_q, word3_q, word4_q;
  logic [Lanes-1:0] sat3, sat4_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q <= '0;
      sat4_q  <= '0;
    end else if (en_i) begin
      valid_q <= {valid_q[3:2], early_valid_q[Ahead] || load_i};
      sat4_q  <= sat3 & {Lanes{valid_q[3]}};
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      word2_q  <= word1_o;
      word3_q  <= word2_q;
      word4_q  <= word3_q;
    end

  assign valid4_o = valid_q[4];
  assign word4_o  = word4_q;
  assign sat4_o   = sat4_q;

  // Stage 1: what is read does not matter, the score starts from 0 or from what is loaded.
  logic anew;
  assign anew = load_i || (early_valid_q[Ahead] && early_first_q[Ahead]);

  logic [40*Lanes-1:0] read, score2, write;

  kv_select_columns #(
      .Lanes    (Lanes),
      .MaxTokens(MaxTokens)
  ) u_columns (
      .clk_i,
      .en_i,
      .we_i   (valid_q[4]),
      .waddr_i(word4_q),
      .data_i (write),
      .scan_i,
      .pair_i,
      .digit_i,
      .cur_o,
      .prev_o,
      .raddr_i(fetch_i ? fetch_word_i : early_word_q[0]),
      .zero_i (!Decay && !Pool && anew),
      .data_o (read)
  );

  assign columns_o = read;
  assign score4_o  = write;

  if (Decay) begin : g_decay
    logic [Ahead:0] decay_q;
    logic [16:0] factor_q;

    always_ff @(posedge clk_i)
      if (en_i) begin
        decay_q <= (Ahead + 1)'({decay_q, decay_i});
        if (!early_valid_q[1] || early_first_q[1]) factor_q <= '0;
        else factor_q <= decay_q[1] ? {1'b0, lambda_i} : 17'h10000;
      end

    for (genvar i = 0; i < Lanes; i++) begin : g_lane
      kv_select_decay u_decay (
          .clk_i,
          .en_i,
          .read_i   (read[40*i+:40]),
          .odd1_i   (early_word_q[2][0]),
          .factor1_i(factor_q),
          .read_o   (score2[40*i+:40])
      );
    end

    logic unused;
    assign unused = &{1'b0, decay_q[Ahead:2]};
  end else if (Pool) begin : g_plain
    // The memory gives the pooling its scores while it is loaded.
    logic anew2_q;
    always_ff @(posedge clk_i) if (en_i) anew2_q <= anew;
    assign score2 = read & {40 * Lanes{!anew2_q}};

    logic unused;
    assign unused = &{1'b0, decay_i, lambda_i};
  end else begin : g_zeroed
    assign score2 = read;

    logic unused;
    assign unused = &{1'b0, decay_i, lambda_i};
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    kv_select_lane #(
        .Ahead(Ahead)
    ) u_lane (
        .clk_i,
        .en_i,
        .valid0_i  (beat_valid_i),
        .weight_i  (beat_i[16*i+:16]),
        .bad0_o    (bad_o[i]),
        .clean0_o  (clean_o[16*i+:16]),
        .elem1_i   (elem1_i[i]),
        .odd1_i    (word1_o[0]),
        .load1_i   (load_i),
        .load_i    (load_scores_i[40*i+:40]),
        .score2_i  (score2[40*i+:40]),
        .sat3_o    (sat3[i]),
        .score4_o  (write[40*i+:40]),
        .nonzero4_o(nonzero4_o[10*i+:10])
    );
    assign neg_o[i] = clean_o[16*i+15];
  end

`ifndef SYNTHESIS
  logic again;
  always_comb begin
    again = (valid_q[2] && word_i == word2_q) || (valid_q[3] && word_i == word3_q);
    for (int i = 0; i <= Ahead; i++) again |= early_valid_q[i] && word_i == early_word_q[i];
  end

  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(beat_valid_i && again))
      else $error("kv_select_score: a word came again within %0d cycles", 4 + Ahead);
      assert (!(scan_i && (|early_valid_q || |valid_q || load_i)))
      else $error("kv_select_score: scan before the last word was written");
      assert (!(load_i && early_valid_q[Ahead]))
      else $error("kv_select_score: load meets a beat");
      assert (!(fetch_i && early_valid_q[0]))
      else $error("kv_select_score: fetch meets a beat");
    end
`endif

endmodule
