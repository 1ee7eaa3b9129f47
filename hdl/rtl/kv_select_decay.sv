// One lane of the decay of scores: s <- floor(f s / 2^16) (docs/engine.md, 4).
//
// read_i   the columns of a score (kv_select_lane says in which order), at s.
// odd1_i   at s + 1: parity of its word. factor1_i, at s + 1: f, 2^16 at most, which leaves s as it is.
// read_o   at s + 3: the columns of the result.
// The halves of the score are multiplied on their own, each as 18 and 2 bits: two multipliers of
// 18 x 18. One score every cycle; nothing moves in a cycle with en_i = 0.
module kv_select_decay (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [39:0] read_i,
    input  logic        odd1_i,
    input  logic [16:0] factor1_i,
    output logic [39:0] read_o
);

  logic [39:0] read1_q;
  logic [34:0] a2_q, b2_q;
  logic [18:0] high_a2_q, high_b2_q;  // products of the upper 2 bits
  logic odd2_q;

  function automatic logic [18:0] few(input logic [1:0] bits, input logic [16:0] factor);
    few = ({2'b0, factor} & {19{bits[0]}}) + ({1'b0, factor, 1'b0} & {19{bits[1]}});
  endfunction

  always_ff @(posedge clk_i)
    if (en_i) begin
      read1_q   <= read_i;
      a2_q      <= {17'd0, read1_q[17:0]} * {18'd0, factor1_i};
      b2_q      <= {17'd0, read1_q[37:20]} * {18'd0, factor1_i};
      high_a2_q <= few(read1_q[19:18], factor1_i);
      high_b2_q <= few(read1_q[39:38], factor1_i);
      odd2_q    <= odd1_i;
    end

  logic [36:0] a, b, low, high;
  logic [39:0] score;

  assign a    = {2'b0, a2_q} + {high_a2_q, 18'd0};
  assign b    = {2'b0, b2_q} + {high_b2_q, 18'd0};
  assign low  = odd2_q ? b : a;
  assign high = odd2_q ? a : b;
  // Bits 16 to 55 of high 2^20 + low; bits below 20 are those of low alone.
  assign score[3:0]  = low[19:16];
  assign score[39:4] = high[35:0] + 36'(low[36:20]);

  always_ff @(posedge clk_i) if (en_i) read_o <= odd2_q ? {score[19:0], score[39:20]} : score;

  // With f at most 2^16 the product has no more bits.
  logic unused;
  assign unused = &{1'b0, high[36], low[15:0]};

endmodule
