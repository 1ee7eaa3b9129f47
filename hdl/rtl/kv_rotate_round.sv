// One lane on its way out of the rotation: RN16 of a whole number in units of 2^-28 (docs/engine.md, section 4).
//
// x_i           the number, Width bits in two's complement
// x_o, over_o   the value, and whether it was beyond the range; 4 cycles later
// Half to even; beyond the range +-65504; never -0. One element every cycle; no handshake. Nothing moves in a
// cycle with en_i = 0.
//
// A negative number is normalised as it is, its leading one being its leading zero, and complemented only
// when rounded. The complement is less than the magnitude by one in the last place: so where all bits behind the half
// of the complement are ones, which is where those of the number are zeros, the half counts for one more.
module kv_rotate_round #(
    parameter int unsigned Width = 49
) (
    input  logic             clk_i,
    input  logic             en_i,
    input  logic [Width-1:0] x_i,
    output logic [     15:0] x_o,
    output logic             over_o
);

  // Stage 1: beyond bit 43 lies what is beyond the range. To the left by 16.
  logic neg, by16, by16_1_q, neg1_q, over1_q, rest1_q;
  logic [26:0] sig1_q;

  assign neg  = x_i[Width-1];
  assign by16 = x_i[43:28] == {16{neg}};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg1_q   <= neg;
      over1_q  <= x_i[Width-2:44] != {(Width - 45) {neg}};
      by16_1_q <= by16;
      sig1_q   <= by16 ? x_i[27:1] : x_i[43:17];
      rest1_q  <= by16 ? x_i[0] : x_i[16:0] != '0;
    end
  end

  // Stage 2: by 8 and by 4.
  logic by8, by4, neg2_q, over2_q, rest2_q;
  logic [2:0] by2_q;
  logic [18:0] sig2;
  logic [14:0] sig2_q;

  assign by8  = sig1_q[26:19] == {8{neg1_q}};
  assign sig2 = by8 ? sig1_q[18:0] : sig1_q[26:8];
  assign by4  = sig2[18:15] == {4{neg1_q}};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg2_q  <= neg1_q;
      over2_q <= over1_q;
      by2_q   <= {by16_1_q, by8, by4};
      sig2_q  <= by4 ? sig2[14:0] : sig2[18:4];
      rest2_q <= rest1_q || (!by8 && sig1_q[7:0] != '0) || (!by4 && sig2[3:0] != '0);
    end
  end

  // Stage 3: by 2 and by 1, but by 29 at most: then the last of the 11 bits counts units of the subnormals.
  logic by2, by1, neg3_q, over3_q, rest3_q, half3_q;
  logic [4:0] exp3_q;
  logic [12:0] sig3;
  logic [10:0] sig3_q;

  assign by2  = sig2_q[14:13] == {2{neg2_q}} && by2_q != '1;
  assign sig3 = by2 ? sig2_q[12:0] : sig2_q[14:2];
  assign by1  = sig3[12] == neg2_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg3_q  <= neg2_q;
      over3_q <= over2_q;
      exp3_q  <= 5'd29 - {by2_q, by2, by1};
      {sig3_q, half3_q} <= (by1 ? sig3[11:0] : sig3[12:1]) ^ {12{neg2_q}};
      rest3_q <= rest2_q || (!by2 && sig2_q[1:0] != '0) || (!by1 && sig3[0]);
    end
  end

  // Stage 4: round; the leading one and a carry go into the exponent.
  logic up, over;
  logic [14:0] pattern;

  assign up      = neg3_q ? half3_q || (!rest3_q && sig3_q[0]) : half3_q && (rest3_q || sig3_q[0]);
  assign pattern = {exp3_q, sig3_q[9:0]} + {4'd0, sig3_q[10], 10'd0} + 15'(up);
  assign over    = over3_q || &pattern[14:10];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      x_o    <= over ? {neg3_q, 15'h7BFF} : {neg3_q && pattern != '0, pattern};
      over_o <= over;
    end
  end

endmodule
