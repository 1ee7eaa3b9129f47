// Extents of the groups of QUANTIZE, and from them scales, minima and divisors.
//
// A beat in cycle t + 1, see kv_quant_intake: valid_i, first_i, last_row_i, end_i, word_i, keys_i and, a cycle later, keys2_i.
// tier_i    in t + 4: tier of the row that ends there, with by_tier_i. The others: settings.
// served_o  the last extent of a per-channel group goes by
// Cycle e, in which an extent is known, is t + 5 per token and t + 6 + channel per channel; t the cycle of the group's last beat.
// put_o, min_o  in e + 8: it has one; its minimum; with an offset the element that gives the scale
// scale_o       in e + 9; shift_o, sig_o, recip_o: see kv_quant_recip
// One extent a cycle; groups of either axis, never both at once. Nothing moves in a cycle with en_i = 0.
module kv_quant_measure #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned MaxDim = 256,
    parameter bit          Bf16   = 1'b0,
    localparam int unsigned WordW  = $clog2(MaxDim / Lanes),
    localparam int unsigned ShiftW = Bf16 ? 9 : 6
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                bf16_i,
    input  logic                asym_i,
    input  logic                offset_i,
    input  logic                channel_i,
    input  logic                token_i,
    input  logic                by_tier_i,
    input  logic [         3:0] width_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic                valid_i,
    input  logic                first_i,
    input  logic                last_row_i,
    input  logic                end_i,
    input  logic [   WordW-1:0] word_i,
    input  logic [16*Lanes-1:0] keys_i,
    input  logic [16*Lanes-1:0] keys2_i,
    input  logic [         1:0] tier_i,
    output logic                served_o,
    output logic                put_o,
    output logic [        15:0] min_o,
    output logic [        15:0] scale_o,
    output logic [  ShiftW-1:0] shift_o,
    output logic [         9:0] sig_o,
    output logic [         9:0] recip_o
);

  // Extents: cycle e.
  logic done, serve;
  logic [15:0] token_least, token_most, channel_least, channel_most, least, most;

  kv_quant_extent #(
      .Lanes(Lanes)
  ) u_extent (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .valid_i(valid_i),
      .first_i(first_i),
      .last_i (end_i),
      .tag_i  (offset_i),
      .keys_i (keys_i),
      .done_o (done),
      .least_o(token_least),
      .most_o (token_most)
  );

  kv_quant_columns #(
      .Lanes (Lanes),
      .MaxDim(MaxDim)
  ) u_columns (
      .clk_i     (clk_i),
      .rst_i     (rst_i),
      .en_i      (en_i),
      .word_i    (word_i),
      .valid_i   (valid_i && channel_i),
      .first_i   (first_i),
      .last_i    (last_row_i),
      .done_i    (end_i),
      .top_word_i(top_word_i),
      .keys_i    (keys2_i),
      .serve_o   (serve),
      .served_o  (served_o),
      .least_o   (channel_least),
      .most_o    (channel_most)
  );

  assign least = token_i ? token_least : channel_least;
  assign most  = token_i ? token_most : channel_most;

  // Scales: cycle e + 9.
  logic [15:0] min_q[1:8];
  logic [8:1] put_q;
  logic [3:0] bits, width, width_q;

  kv_quant_tier u_tier (
      .by_tier_i(by_tier_i),
      .asym_i   (asym_i),
      .tier_i   (tier_i),
      .bits_i   ('0),
      .width_i  (width_i),
      .bits_o   (bits),
      .width_o  (width)
  );

  always_ff @(posedge clk_i) if (en_i) width_q <= width;

  kv_quant_scale #(
      .Bf16(Bf16)
  ) u_scale (
      .clk_i   (clk_i),
      .en_i    (en_i),
      .bf16_i  (bf16_i),
      .high_i  (most),
      .low_i   (least),
      .sym_i   (!asym_i),
      .offset_i(offset_i),
      .width_i (width_q),
      .scale_o (scale_o)
  );

  kv_quant_recip #(
      .Bf16(Bf16)
  ) u_recip (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .bf16_i (bf16_i),
      .scale_i(scale_o[14:0]),
      .shift_o(shift_o),
      .sig_o  (sig_o),
      .recip_o(recip_o)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) put_q <= '0;
    else if (en_i) put_q <= {put_q[7:1], channel_i ? serve : done};
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      min_q[1] <= offset_i ? most : least;
      for (int i = 2; i <= 8; i++) min_q[i] <= min_q[i-1];
    end
  end

  assign put_o = put_q[8];
  assign min_o = min_q[8];

  wire unused = &{1'b0, bits};

endmodule
