// One lane of the score accumulation of SELECT: s <- min(2^40 - 1, s + a) (docs/engine.md, 4).
//
// A score is 10 digits of 4 bits. Digit d of a score in a word of parity odd stands in
// column (d + 5 odd) mod 10: the two halves of the ring of columns change roles from word to
// word (kv_select_score says why), so the carry runs from columns 0-4 to 5-9 or back.
//
// Stage 0  weight_i, with elem_i: the lane holds an element at all (else a = 0).
// Stage 1  bad1_o: it was NaN, infinite or negative. odd1_i: parity of its word.
// Stage 2  score2_i: the columns as read.
// Stage 4  score4_o: the columns to write; sat4_o: clamped; nonzero4_o: digits that are not 0,
//          by column.
// One weight every cycle; nothing moves in a cycle with en_i = 0.
module kv_select_lane (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [15:0] weight_i,
    input  logic        elem_i,
    output logic        bad1_o,
    input  logic        odd1_i,
    input  logic [39:0] score2_i,
    output logic [39:0] score4_o,
    output logic        sat4_o,
    output logic [ 9:0] nonzero4_o
);

  // Stage 0: a weight is what cleaning leaves, and not negative.
  logic [15:0] clean;
  logic bad, bad1_q;
  logic [14:0] weight1_q;

  kv_fp16_clean u_clean (
      .x_i  (weight_i),
      .x_o  (clean),
      .bad_o(bad)
  );

  always_ff @(posedge clk_i)
    if (en_i) begin
      weight1_q <= elem_i && !clean[15] ? clean[14:0] : '0;
      bad1_q    <= elem_i && (bad || clean[15]);
    end

  assign bad1_o = bad1_q;

  // Stage 1: the significand, moved to its place: by bits within four digits, by
  // digits around the ring of columns. The lowest digit's column is `at`.
  logic [4:0] exponent;
  logic [15:0] digits;
  logic [9:0] at;
  logic [39:0] addend, addend2_q;
  logic odd2_q;

  assign exponent = weight1_q[14:10] == '0 ? 5'd0 : weight1_q[14:10] - 5'd1;
  assign digits = {5'd0, weight1_q[14:10] != '0, weight1_q[9:0]} << exponent[1:0];

  always_comb begin
    for (int c = 0; c < 10; c++)
      at[c] = odd1_i ? exponent[4:2] == 3'((c + 5) % 10) && (c + 5) % 10 < 8 :
                       exponent[4:2] == 3'(c) && c < 8;
    addend = '0;
    for (int c = 0; c < 10; c++)
      for (int k = 0; k < 4; k++)
        if (at[(c+10-k)%10]) addend[4*c+:4] = addend[4*c+:4] | digits[4*k+:4];
  end

  // Stage 2: both halves are added on their own.
  logic [20:0] a3_q, b3_q;
  logic odd3_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      addend2_q <= addend;
      odd2_q    <= odd1_i;
      a3_q      <= {1'b0, score2_i[19:0]} + {1'b0, addend2_q[19:0]};
      b3_q      <= {1'b0, score2_i[39:20]} + {1'b0, addend2_q[39:20]};
      odd3_q    <= odd2_q;
    end

  // Stage 3: the carry of the lower half into the upper one.
  logic [20:0] a, b;
  logic [19:0] a4_q, b4_q;
  logic sat4_q;

  assign a = {1'b0, a3_q[19:0]} + 21'(odd3_q && b3_q[20]);
  assign b = {1'b0, b3_q[19:0]} + 21'(!odd3_q && a3_q[20]);

  always_ff @(posedge clk_i)
    if (en_i) begin
      a4_q   <= a[19:0];
      b4_q   <= b[19:0];
      sat4_q <= odd3_q ? a3_q[20] || a[20] : b3_q[20] || b[20];
    end

  // Stage 4: clamp.
  assign sat4_o   = sat4_q;
  assign score4_o = {b4_q, a4_q} | {40{sat4_q}};

  always_comb for (int c = 0; c < 10; c++) nonzero4_o[c] = |score4_o[4*c+:4];

endmodule
