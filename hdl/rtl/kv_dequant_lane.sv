// One lane of DEQUANTIZE: RN16(mn + q s), exactly rounded (docs/engine.md, section 4).
//
// neg_i, mag_i   sign and magnitude of the code q, -128 to 255
// scale_i, min_i cleaned fp16: finite, no -0
// x_o, sat_o     the value and whether it was clamped, `Stages` = 9 cycles later
// One element every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// The product P = q s and the minimum M become integers of 19 bits times a power of
// two, P with the leading one of q shifted to the top, M with eight zeros below its
// significand. The one with the smaller exponent is shifted right, with one guard bit
// and a sticky bit; this loses nothing as long as the sum can cancel: M has eight zeros
// to lose, and P shifted by two or more is below half of a normalized M. A value that is
// not normalized (subnormal scale or minimum) has the lowest exponent there is, so that
// nothing is shifted beyond those eight zeros. The sum is then normalized, but never
// below the exponent of the subnormals, and rounded once.
module kv_dequant_lane (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        neg_i,
    input  logic [ 7:0] mag_i,
    input  logic [15:0] scale_i,
    input  logic [15:0] min_i,
    output logic [15:0] x_o,
    output logic        sat_o
);

  // Exponents count from the unit of the subnormals, 2^-24, and are kept biased:
  // xp = 8 + exponent of P's unit, 1 to 37; xm = 8 + exponent of M's unit, 0 to 29.

  // Stage 1: leading zeros of the code. A zero code gets the lowest exponent.
  logic [2:0] zeros;
  logic       p_neg1_q, m_neg1_q;
  logic [7:0] code1_q;
  logic [10:0] scale1_q, min1_q;
  logic [5:0] xp1_q;
  logic [4:0] xm1_q;

  always_comb begin
    zeros = 3'd7;
    for (int i = 0; i < 8; i++) if (mag_i[i]) zeros = 3'(7 - i);
  end

  logic [4:0] scale_exp;
  assign scale_exp = mag_i == '0 || scale_i[14:10] == '0 ? 5'd0 : scale_i[14:10] - 5'd1;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      p_neg1_q <= neg_i ^ scale_i[15];
      m_neg1_q <= min_i[15];
      code1_q  <= mag_i << zeros;
      scale1_q <= {scale_i[14:10] != '0, scale_i[9:0]};
      min1_q   <= {min_i[14:10] != '0, min_i[9:0]};
      xp1_q    <= 6'(scale_exp) + {3'd1, ~zeros} - 6'd7;
      xm1_q    <= min_i[14:10] == '0 ? 5'd0 : min_i[14:10] - 5'd1;
    end
  end

  // Stage 2: product and difference of the exponents.
  logic        p_neg2_q, m_neg2_q;
  logic [18:0] product2_q;
  logic [10:0] min2_q;
  logic [ 5:0] xp2_q;
  logic [ 4:0] xm2_q;
  logic [ 6:0] diff2_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      p_neg2_q   <= p_neg1_q;
      m_neg2_q   <= m_neg1_q;
      product2_q <= 19'(code1_q) * 19'(scale1_q);
      min2_q     <= min1_q;
      xp2_q      <= xp1_q;
      xm2_q      <= xm1_q;
      diff2_q    <= {1'b0, xp1_q} - {2'b0, xm1_q};
    end
  end

  // Stage 3: order by exponent.
  logic        m_big, big_neg3_q, sub3_q;
  logic [18:0] big3_q, small3_q;
  logic [ 5:0] x3_q;
  logic [ 5:0] gap;
  logic [ 4:0] gap3_q;

  assign m_big = diff2_q[6];
  assign gap   = m_big ? -diff2_q[5:0] : diff2_q[5:0];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      big_neg3_q <= m_big ? m_neg2_q : p_neg2_q;
      sub3_q     <= m_neg2_q ^ p_neg2_q;
      big3_q     <= m_big ? {min2_q, 8'd0} : product2_q;
      small3_q   <= m_big ? product2_q : {min2_q, 8'd0};
      x3_q       <= m_big ? {1'b0, xm2_q} : xp2_q;
      gap3_q     <= gap[5] ? 5'd31 : gap[4:0];
    end
  end

  // Stage 4: align the smaller one: guard bit and sticky bit below the unit.
  logic        big_neg4_q, sub4_q;
  logic [18:0] big4_q;
  logic [20:0] small4_q;
  logic [ 5:0] x4_q;
  logic [19:0] aligned;
  logic        sticky;

  always_comb begin
    aligned = {small3_q, 1'b0};
    sticky  = 1'b0;
    for (int k = 4; k >= 0; k--) begin
      if (gap3_q[k]) begin
        for (int i = 0; i < 20; i++) if (i < (1 << k)) sticky = sticky | aligned[i];
        aligned = aligned >> (1 << k);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      big_neg4_q <= big_neg3_q;
      sub4_q     <= sub3_q;
      big4_q     <= big3_q;
      small4_q   <= {aligned, sticky};
      x4_q       <= x3_q;
    end
  end

  // Stage 5: add or subtract; the top bit is the sign of a difference.
  logic        big_neg5_q, sub5_q;
  logic [21:0] sum5_q;
  logic [ 5:0] x5_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      big_neg5_q <= big_neg4_q;
      sub5_q     <= sub4_q;
      sum5_q     <= {1'b0, big4_q, 2'b00} + ({1'b0, small4_q} ^ {22{sub4_q}}) + 22'(sub4_q);
      x5_q       <= x4_q;
    end
  end

  // Stage 6: magnitude; `limit` marks the bit at which normalizing must stop, so that
  // the unit of the result is not below that of the subnormals.
  logic        flip, neg6_q;
  logic [21:0] mag6_q, limit6_q;
  logic [ 5:0] x6_q;

  assign flip = sub5_q & sum5_q[21];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg6_q <= big_neg5_q ^ flip;
      mag6_q <= (sum5_q ^ {22{flip}}) + 22'(flip);
      for (int i = 0; i < 22; i++) limit6_q[i] <= x5_q == 6'(20 - i);
      x6_q <= x5_q + 6'd1;
    end
  end

  // Stage 7: how far to shift, and the exponent field less the hidden one.
  logic [21:0] marked;
  logic [ 4:0] shift, shift7_q;
  logic [ 5:0] exp7_q;
  logic [21:0] mag7_q;
  logic        neg7_q;

  assign marked = mag6_q | limit6_q;

  always_comb begin
    shift = 5'd21;
    for (int i = 0; i < 22; i++) if (marked[i]) shift = 5'(21 - i);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg7_q   <= neg6_q;
      mag7_q   <= mag6_q;
      shift7_q <= shift;
      exp7_q   <= x6_q - 6'(shift);
    end
  end

  // Stage 8: normalize; 11 bits of significand, what decides the rounding below it.
  logic [21:0] normal;
  logic        zero8_q, neg8_q, up8_q;
  logic [10:0] sig8_q;
  logic [ 5:0] exp8_q;

  assign normal = mag7_q << shift7_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      zero8_q <= mag7_q == '0;
      neg8_q  <= neg7_q;
      exp8_q  <= exp7_q;
      sig8_q  <= normal[21:11];
      up8_q   <= normal[10] & (normal[11] | (|normal[9:0]));
    end
  end

  // Stage 9: round; the carry runs from the significand into the exponent.
  logic [15:0] rounded;
  logic        over;

  assign rounded = {exp8_q, 10'd0} + 16'(sig8_q) + 16'(up8_q);
  assign over    = rounded[15] | (&rounded[14:10]);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (zero8_q) x_o <= '0;
      else x_o <= {neg8_q, over ? 15'h7BFF : rounded[14:0]};
      sat_o <= over & ~zero8_q;
    end
  end

endmodule
