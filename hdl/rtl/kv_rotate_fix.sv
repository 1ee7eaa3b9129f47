// One lane on its way into the rotation: fp16 as a whole number (docs/engine.md, section 4, Rotation).
//
// x_i     cleaned fp16: finite
// lift_i  0 to 2
// x_o     2^lift x in units of 2^-24, two's complement; 2 cycles later
// One element every cycle; no handshake. Exact. Nothing moves in a cycle with en_i = 0.
module kv_rotate_fix (
    input  logic        clk_i,
    input  logic        en_i,
    input  logic [15:0] x_i,
    input  logic [ 1:0] lift_i,
    output logic [42:0] x_o
);

  // Stage 1: the significand with its sign, and the first three places of the way to the left.
  logic [11:0] sig;
  logic [14:0] near_q;
  logic [ 4:0] left;
  logic [ 2:0] left_q;

  assign sig  = {1'b0, x_i[14:10] != '0, x_i[9:0]};
  assign left = x_i[14:10] - 5'(x_i[14:10] != '0) + 5'(lift_i);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      near_q <= 15'(signed'((sig ^ {12{x_i[15]}}) + 12'(x_i[15]))) << left[1:0];
      left_q <= left[4:2];
    end
  end

  // Stage 2: the rest of it, by fours.
  logic [42:0] by1, by2;

  assign by1 = left_q[0] ? {{24{near_q[14]}}, near_q, 4'd0} : {{28{near_q[14]}}, near_q};
  assign by2 = left_q[1] ? by1 << 8 : by1;

  always_ff @(posedge clk_i) if (en_i) x_o <= left_q[2] ? by2 << 16 : by2;

endmodule
