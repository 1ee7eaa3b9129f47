// What the lanes need to divide by a scale.
//
// scale_i   fp16, not negative, finite
// shift_o   10 + exponent of its 11-bit significand in units of 2^-24: 0 to 39; 63 for 0
// sig_o     the significand without its leading one; one cycle after scale_i, as shift_o
// recip_o   floor(2^21 / significand), 2047 at most, without its leading one; a cycle later than these
// One scale every cycle. Nothing moves with en_i = 0.
module kv_quant_recip (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [14:0] scale_i,
    output logic [ 5:0] shift_o,
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
  logic [5:0] shift;

  // Leading zeros of a subnormal significand, counted to behind its leading one.
  assign normal = scale_i[14:10] != '0;

  always_comb begin
    zeros = 4'd0;
    sig   = scale_i[9:0] & {10{normal}};
    for (int i = 0; i < 10; i++) begin
      leads[i] = !normal && scale_i[i] && (scale_i[9:0] >> (i + 1)) == '0;
      if (leads[i]) zeros = zeros | 4'(10 - i);
      sig = sig | ((scale_i[9:0] << (10 - i)) & {10{leads[i]}});
    end
  end

  always_comb begin
    if (normal) shift = 6'(scale_i[14:10]) + 6'd9;
    else begin
      shift = scale_i[9:0] == '0 ? 6'd63 : 6'd10 - 6'(zeros);
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
