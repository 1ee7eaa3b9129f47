// One lane of DEQUANTIZE: RN16(mn + q s), exactly rounded (docs/engine.md, section 4).
//
// Bf16, bf16_i   numbers are bfloat16 in the form of kv_quant_part, and so is the value: of the 11 bits that are
//                normalised 8 are kept
// neg_i, mag_i   sign and magnitude of the code q, -128 to 255
// scale_i, min_i cleaned fp16 or bfloat16: finite, no -0
// x_o, sat_o     the value and whether it was clamped, 9 cycles later; sat_o is 0 unless
//                valid8_i, 8 cycles after the code, says that there is an item
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
module kv_dequant_lane #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5
) (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        en_i,
    input  logic        bf16_i,
    input  logic        neg_i,
    input  logic [ 7:0] mag_i,
    input  logic [15:0] scale_i,
    input  logic [15:0] min_i,
    input  logic        valid8_i,
    output logic [15:0] x_o,
    output logic        sat_o
);

  // An exponent field, 1 for subnormals too; then the unit of P's 19 bits is 2^(xp - 33)
  // and that of M's 2^(xm - 33), with xp = 2 to 38, xm = 1 to 30; bfloat16: 2^(xp - 145), xp to 262, xm to 254.
  logic [ExpW-1:0] scale_exp, min_exp;
  logic [10:0] scale_sig, min_sig;

  kv_quant_part #(
      .Bf16(Bf16)
  ) u_scale (
      .bf16_i(bf16_i),
      .x_i   (scale_i[14:0]),
      .exp_o (scale_exp),
      .sig_o (scale_sig)
  );

  kv_quant_part #(
      .Bf16(Bf16)
  ) u_min (
      .bf16_i(bf16_i),
      .x_i   (min_i[14:0]),
      .exp_o (min_exp),
      .sig_o (min_sig)
  );

  // Stage 1: leading zeros of the code. A zero code gets the lowest exponent.
  logic [ 2:0] zeros;
  logic        p_neg1_q, m_neg1_q;
  logic [ 7:0] code1_q;
  logic [10:0] scale1_q, min1_q;
  logic [ExpW:0] xp1_q;
  logic [ExpW-1:0] xm1_q;
  logic [ExpW+1:0] xp_sum;

  always_comb begin
    zeros = 3'd7;
    for (int i = 0; i < 8; i++) if (mag_i[i]) zeros = 3'(7 - i);
  end

  assign xp_sum = {1'b0, mag_i == '0 ? ExpW'(1) : scale_exp, 1'b1} + (ExpW+2)'({~zeros, 1'b1});

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      p_neg1_q <= neg_i ^ scale_i[15];
      m_neg1_q <= min_i[15];
      code1_q  <= mag_i << zeros;
      scale1_q <= scale_sig;
      min1_q   <= min_sig;
      xp1_q    <= xp_sum[ExpW+1:1];
      xm1_q    <= min_exp;
    end
  end

  // Stage 2: product and difference of the exponents.
  logic        p_neg2_q, m_neg2_q;
  logic [18:0] product2_q;
  logic [10:0] min2_q;
  logic [ExpW:0] xp2_q;
  logic [ExpW-1:0] xm2_q;
  logic [ExpW+1:0] diff2_q;

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

  // Stage 3: order by exponent. If M's is greater, P is shifted by one here and by the
  // complement of the difference in the next stage. From 32 on 31 is as good.
  logic        m_big, big_neg3_q, sub3_q, far;
  logic [18:0] big3_q;
  logic [19:0] small3_q;
  logic [ExpW:0] x3_q;
  logic [ 4:0] gap3_q;

  assign m_big = diff2_q[ExpW+1];
  assign far   = diff2_q[ExpW:5] != {(ExpW - 4) {m_big}};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      big_neg3_q <= m_big ? m_neg2_q : p_neg2_q;
      sub3_q     <= m_neg2_q ^ p_neg2_q;
      big3_q     <= m_big ? {min2_q, 8'd0} : product2_q;
      small3_q   <= m_big ? {1'b0, product2_q} : {min2_q, 9'd0};
      x3_q       <= m_big ? {1'b0, xm2_q} : xp2_q;
      gap3_q     <= (diff2_q[4:0] ^ {5{m_big}}) | {5{far}};
    end
  end

  // Stage 4: align the smaller one, guard bit and sticky bit below the unit; complement
  // it if it is to be subtracted.
  logic        big_neg4_q, sub4_q;
  logic [18:0] big4_q;
  logic [20:0] small4_q;
  logic [ExpW:0] x4_q;
  logic [19:0] aligned;
  logic        sticky;

  always_comb begin
    aligned = small3_q;
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
      small4_q   <= {aligned, sticky} ^ {21{sub3_q}};
      x4_q       <= x3_q;
    end
  end

  // Stage 5: add or subtract; the top bit of a difference is its sign.
  logic        big_neg5_q, sub5_q;
  logic [22:0] sum;
  logic [21:0] sum5_q;
  logic [ExpW:0] x5_q;

  assign sum = {1'b0, big4_q, 2'b00, 1'b1} + {sub4_q, small4_q, sub4_q};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      big_neg5_q <= big_neg4_q;
      sub5_q     <= sub4_q;
      sum5_q     <= sum[22:1];
      x5_q       <= x4_q;
    end
  end

  // Stage 6: magnitude. It may be shifted left by x6_q at the most: then its top 11 bits
  // count units of the subnormals.
  logic        flip, neg6_q;
  logic [21:0] mag6_q;
  logic [ExpW:0] x6_q;

  assign flip = sub5_q & sum5_q[21];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg6_q <= big_neg5_q ^ flip;
      mag6_q <= (sum5_q ^ {22{flip}}) + 22'(flip);
      x6_q   <= x5_q;
    end
  end

  logic neg8_q, zero8_q, half8_q, below8_q;
  logic [10:0] sig8_q;
  logic [ExpW:0] exp8_q;

  kv_dequant_normal #(
      .Bf16(Bf16)
  ) u_normal (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .neg_i  (neg6_q),
      .mag_i  (mag6_q),
      .exp_i  (x6_q),
      .neg_o  (neg8_q),
      .zero_o (zero8_q),
      .exp_o  (exp8_q),
      .sig_o  (sig8_q),
      .half_o (half8_q),
      .below_o(below8_q)
  );

  // Stage 9: round; the carry runs from the significand into the exponent. Of a bfloat16 the last three bits of the
  // significand are the half and what is below it.
  logic [16:0] rounded;
  logic        up, over;
  logic [14:0] value;

  if (Bf16) begin : gen_both
    logic [16:0] base, bump;
    assign up   = bf16_i ? sig8_q[2] & (half8_q | below8_q | sig8_q[3] | (sig8_q[1:0] != '0)) :
                  half8_q & (below8_q | sig8_q[0]);
    assign base = bf16_i ? {exp8_q, sig8_q[9:3], 1'b1} : {exp8_q[5:0], sig8_q[9:0], 1'b1};
    assign bump = {5'd0, sig8_q[10] && !bf16_i, 2'd0, sig8_q[10] && bf16_i, 7'd0, up};
    assign rounded = base + bump;
    assign over = rounded[16] | (&rounded[15:11] && (!bf16_i || &rounded[10:8]));
    assign value = !over ? rounded[15:1] : bf16_i ? 15'h7F7F : 15'h7BFF;
  end else begin : gen_fp16
    assign up = half8_q & (below8_q | sig8_q[0]);
    assign rounded = {exp8_q, sig8_q[9:0], 1'b1} + {5'd0, sig8_q[10], 10'd0, up};
    assign over = rounded[16] | (&rounded[15:11]);
    assign value = over ? 15'h7BFF : rounded[15:1];
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (zero8_q) x_o <= '0;
      else x_o <= {neg8_q, value};
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) sat_o <= 1'b0;
    else if (en_i) sat_o <= over & ~zero8_q & valid8_i;
  end

  // The lowest places of these sums only bring in a carry.
  logic unused;
  assign unused = &{1'b0, bf16_i, xp_sum[0], sum[0], rounded[0]};

endmodule
