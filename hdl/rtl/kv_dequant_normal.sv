// Normalizes the sums of a lane of DEQUANTIZE, stages 7 and 8 of kv_dequant_lane.
//
// neg_i, mag_i   sign and magnitude of a sum. exp_i: by how much it may be shifted left at the most: then its top 11 bits
//                count units of the subnormals
// Two cycles later:
// neg_o, zero_o  its sign; it is 0
// exp_o          the exponent field less the hidden one
// sig_o          11 bits of significand; half_o, below_o: the next bit, and whether anything lies below that
// A sum every cycle; no handshake. Nothing is lost, nothing moves in a cycle with en_i = 0.
module kv_dequant_normal #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5
) (
    input  logic          clk_i,
    input  logic          en_i,
    input  logic          neg_i,
    input  logic [  21:0] mag_i,
    input  logic [ExpW:0] exp_i,
    output logic          neg_o,
    output logic          zero_o,
    output logic [ExpW:0] exp_o,
    output logic [  10:0] sig_o,
    output logic          half_o,
    output logic          below_o
);

  // Stage 7: normalize by 16 or 8.
  logic by16, by8, low6, neg7_q, zero7_q;
  logic near7_q;  // x7_q is below 8
  logic [21:0] mag7_q;
  logic [ExpW:0] x7_q;

  assign by16 = mag_i[21:6] == '0 && exp_i[ExpW:4] != '0;
  assign by8  = !by16 && mag_i[21:14] == '0 && exp_i[ExpW:3] != '0;
  assign low6 = mag_i[5:0] != '0;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg7_q  <= neg_i;
      zero7_q <= mag_i[21:6] == '0 && !low6;
      mag7_q  <= by16 ? {mag_i[5:0], 16'd0} : by8 ? {mag_i[13:0], 8'd0} : mag_i;
      near7_q <= exp_i[ExpW:3] == (ExpW-2)'(by16 ? 2 : by8 ? 1 : 0);
      x7_q    <= by16 ? exp_i - (ExpW+1)'(16) : by8 ? exp_i - (ExpW+1)'(8) : exp_i;
    end
  end

  // Stage 8: normalize by 0 to 7, as far as the exponent reaches (unless all is 0); 11
  // bits of significand, what decides the rounding below them, the exponent field less
  // the hidden one.
  logic [7:0] marked, below_or;
  logic [2:0] shift;
  logic [11:0] normal;

  always_comb begin
    for (int i = 0; i < 8; i++) marked[i] = mag7_q[21-i] || (near7_q && x7_q[2:0] == 3'(i));
    shift = 3'd7;
    for (int i = 7; i >= 0; i--) if (marked[i]) shift = 3'(i);
    // below_or[s]: what lies below the half if shifted by s.
    for (int s = 0; s < 8; s++) begin
      below_or[s] = 1'b0;
      for (int i = 0; i < 10; i++) if (i <= 9 - s) below_or[s] = below_or[s] | mag7_q[i];
    end
  end

  assign normal = 12'(({mag7_q[21:3]} << shift) >> 7);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      neg_o   <= neg7_q;
      zero_o  <= zero7_q;
      exp_o   <= x7_q - (ExpW+1)'(shift);
      sig_o   <= normal[11:1];
      half_o  <= normal[0];
      below_o <= below_or[shift];
    end
  end

endmodule
