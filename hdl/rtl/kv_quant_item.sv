// Parameters of the items of QUANTIZE on their way to the lanes: those of their channels, or of their per-token group, held
// while it is read.
//
// channel_i               groups are per channel
// min_i, shift_i, sig_i, recip_i  words of kv_quant_table for an item read in cycle r: the minima in r + 2, the others in r + 4
// of a per-token group with its first item read in r:
//   put_i, token_min_i    in r + 1: its minimum
//   put_div_i, token_shift_i, token_sig_i, token_recip_i  in r + 4: its divisor, see kv_quant_recip
// offset_i                the minimum is the element that gave the scale: flip_o tells in r + 3 that it was not negative
// min_o                   in r + 3; shift_o in r + 5; sig_o and recip_o in r + 8: for each lane
// An item every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_item #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned ShiftW = 6
) (
    input  logic                    clk_i,
    input  logic                    en_i,
    input  logic                    channel_i,
    input  logic                    offset_i,
    input  logic [    16*Lanes-1:0] min_i,
    input  logic [ShiftW*Lanes-1:0] shift_i,
    input  logic [    10*Lanes-1:0] sig_i,
    input  logic [    10*Lanes-1:0] recip_i,
    input  logic                    put_i,
    input  logic [            15:0] token_min_i,
    input  logic                    put_div_i,
    input  logic [      ShiftW-1:0] token_shift_i,
    input  logic [             9:0] token_sig_i,
    input  logic [             9:0] token_recip_i,
    output logic [    16*Lanes-1:0] min_o,
    output logic                    flip_o,
    output logic [ShiftW*Lanes-1:0] shift_o,
    output logic [    10*Lanes-1:0] sig_o,
    output logic [    10*Lanes-1:0] recip_o
);

  // x: cycles after the read.
  logic [ShiftW*Lanes-1:0] shifts5_q;
  logic [20*Lanes-1:0] divisors5_q, divisors6_q, divisors7_q;  // {reciprocals, significands}
  logic [15:0] token_min_q;
  logic [ShiftW-1:0] token_shift_q;
  logic [19:0] token_divisor_q[5:7];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (put_i) token_min_q <= token_min_i;
      flip_o <= offset_i && !token_min_q[15];
      if (put_div_i) token_shift_q <= token_shift_i;
      if (put_div_i) token_divisor_q[5] <= {token_recip_i, token_sig_i};
      for (int i = 6; i <= 7; i++) token_divisor_q[i] <= token_divisor_q[i-1];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      min_o       <= channel_i ? min_i : {Lanes{token_min_q}};
      shifts5_q   <= shift_i;
      divisors5_q <= {recip_i, sig_i};
      divisors6_q <= divisors5_q;
      divisors7_q <= divisors6_q;
      recip_o     <= channel_i ? divisors7_q[10*Lanes+:10*Lanes] : {Lanes{token_divisor_q[7][19:10]}};
      sig_o       <= channel_i ? divisors7_q[0+:10*Lanes] : {Lanes{token_divisor_q[7][9:0]}};
    end
  end

  assign shift_o = channel_i ? shifts5_q : {Lanes{token_shift_q}};

endmodule
