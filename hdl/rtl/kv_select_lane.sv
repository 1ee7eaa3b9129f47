// One lane of the score accumulation of SELECT: s <- min(2^40 - 1, s + a) (docs/engine.md, 4).
//
// A score is 10 digits of 4 bits. Digit d of a score in a word of parity odd stands in
// column (d + 5 odd) mod 10: the two halves of the ring of columns change roles from word to
// word (kv_select_columns says why), so the carry runs from columns 0-4 to 5-9 or back.
//
// Stage 0  valid0_i, weight_i. Combinational: bad0_o, it is NaN or infinite; clean0_o, what cleaning makes of it.
// Ahead cycles pass, for what is done to the score before.
// Stage 1  elem1_i: the lane holds an element at all (else a = 0). odd1_i: parity of its word.
//          load1_i: the score is to become load_i, if there is an element; no weight is in this stage then.
// Stage 2  score2_i: the columns as read; 0 if the score starts anew.
// Stage 3  sat3_o, combinational: clamped.
// Stage 4  score4_o: the columns to write; nonzero4_o: digits that are not 0, by column.
// One weight every cycle; nothing moves in a cycle with en_i = 0.
module kv_select_lane #(
    parameter int unsigned Ahead = 0
) (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        valid0_i,
    input  logic [15:0] weight_i,
    output logic        bad0_o,
    output logic [15:0] clean0_o,
    input  logic        elem1_i,
    input  logic        odd1_i,
    input  logic        load1_i,
    input  logic [39:0] load_i,
    input  logic [39:0] score2_i,
    output logic        sat3_o,
    output logic [39:0] score4_o,
    output logic [ 9:0] nonzero4_o
);

  // Stage 0: a weight is what cleaning leaves, and not negative; 0 without one.
  logic [14:0] weight_q[0:Ahead];
  logic [Ahead:0] normal_q;  // it is not subnormal

  kv_fp16_clean u_clean (
      .bf16_i(1'b0),
      .x_i  (weight_i),
      .x_o  (clean0_o),
      .bad_o(bad0_o)
  );

  always_ff @(posedge clk_i)
    if (en_i) begin
      weight_q[0] <= !valid0_i || clean0_o[15] ? '0 : clean0_o[14:0];
      normal_q <= (Ahead + 1)'({normal_q, valid0_i && !clean0_o[15] && clean0_o[14:10] != '0});
      for (int i = 1; i <= Ahead; i++) weight_q[i] <= weight_q[i-1];
    end

  // Stage 1: the significand, moved to its place. The field (1 for subnormals too) is one
  // more than the shift, so the lowest bit of `moved` is none of the score's.
  logic [14:0] weight1;
  logic [4:0] field;
  logic [40:0] moved;
  logic [39:0] value, addend2_q;
  logic odd2_q;

  assign weight1 = weight_q[Ahead];
  assign field   = {weight1[14:11], weight1[10] | !normal_q[Ahead]};

  always_comb begin
    moved = {30'd0, normal_q[Ahead], weight1[9:0]};
    for (int k = 0; k < 5; k++) if (field[k]) moved = moved << (1 << k);
  end

  assign value = moved[40:1] | (load_i & {40{load1_i}});

  // Stage 2: both halves are added on their own.
  logic [20:0] a3_q, b3_q;
  logic odd3_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (!elem1_i) addend2_q <= '0;
      else addend2_q <= odd1_i ? {value[19:0], value[39:20]} : value;
      odd2_q <= odd1_i;
      a3_q   <= {1'b0, score2_i[19:0]} + {1'b0, addend2_q[19:0]};
      b3_q   <= {1'b0, score2_i[39:20]} + {1'b0, addend2_q[39:20]};
      odd3_q <= odd2_q;
    end

  // Stage 3: the carry of the lower half into the upper one; clamp.
  logic [20:0] a, b;
  logic [39:0] score4_q;
  logic sat;

  assign a = {1'b0, a3_q[19:0]} + 21'(odd3_q && b3_q[20]);
  assign b = {1'b0, b3_q[19:0]} + 21'(!odd3_q && a3_q[20]);
  assign sat = odd3_q ? a3_q[20] || a[20] : b3_q[20] || b[20];

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (sat) score4_q <= '1;
      else score4_q <= {b[19:0], a[19:0]};
    end

  assign sat3_o   = sat;
  assign score4_o = score4_q;

  always_comb for (int c = 0; c < 10; c++) nonzero4_o[c] = |score4_q[4*c+:4];

endmodule
