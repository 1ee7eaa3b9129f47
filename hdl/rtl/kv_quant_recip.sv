// What the lanes need to divide by a scale.
//
// Bf16, bf16_i  the scale is a bfloat16 in the form of kv_quant_part
// scale_i   fp16 or bfloat16, not negative, finite
// shift_o   10 + exponent of its 11-bit significand in units of 2^-24: 0 to 39 (bfloat16: of 2^-136: 3 to 263); 63 for 0
//           (511 if Bf16)
// sig_o     the significand without its leading one; one cycle after scale_i, as shift_o
// recip_o   floor(2^21 / significand), 2047 at most, without its leading one; a cycle later than these
// One scale every cycle. Nothing moves with en_i = 0.
module kv_quant_recip #(
    parameter bit Bf16 = 1'b0,
    localparam int unsigned ExpW = Bf16 ? 8 : 5
) (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic        bf16_i,
    input  logic [14:0] scale_i,
    output logic [ExpW:0] shift_o,
    output logic [ 9:0] sig_o,
    output logic [ 9:0] recip_o
);

  logic [9:0] table_q[0:1023];

  initial begin
    table_q[0] = 10'd1023;
    for (int i = 1; i < 1024; i++) table_q[i] = 10'((1 << 21) / (1024 + i) - 1024);
  end

  logic [3:0] zeros;
  logic normal;
  logic [9:0] leads;  // the leading one of a subnormal significand
  logic [9:0] sig;
  logic [ExpW:0] shift;
  logic [ExpW-1:0] exp;
  logic [10:0] whole;

  kv_quant_part #(
      .Bf16(Bf16)
  ) u_part (
      .bf16_i(bf16_i),
      .x_i   (scale_i),
      .exp_o (exp),
      .sig_o (whole)
  );

  // Leading zeros of a subnormal significand, counted to behind its leading one.
  assign normal = whole[10];

  always_comb begin
    zeros = 4'd0;
    sig   = whole[9:0] & {10{normal}};
    for (int i = 0; i < 10; i++) begin
      leads[i] = !normal && whole[i] && (whole[9:0] >> (i + 1)) == '0;
      if (leads[i]) zeros = zeros | 4'(10 - i);
      sig = sig | ((whole[9:0] << (10 - i)) & {10{leads[i]}});
    end
  end

  always_comb begin
    if (normal) shift = (ExpW+1)'(exp) + (ExpW+1)'(9);
    else begin
      shift = whole[9:0] == '0 ? '1 : (ExpW+1)'(10) - (ExpW+1)'(zeros);
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      shift_o <= shift;
      sig_o   <= sig;
      recip_o <= table_q[sig_o];
    end
  end

endmodule
