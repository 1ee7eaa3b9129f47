// Parameters of the groups of QUANTIZE, kept for their items.
//
// put_i, min_i          in e + 8, see kv_quant_measure: a group's minimum; scale_i: in e + 9; shift_i, sig_i: in e + 10; recip_i: in e + 11
// bank_i, word_i        an item is read in cycle r: number of its per-channel group and its beat of the row
// min_o, flip_o         in r + 3; shift_o: in r + 5; sig_o and recip_o: in r + 8: for each lane; see kv_quant_item
// prefix_o              in r + 12: {minimum, scale} of a per-token group, of which the first item is read in r = e + 7
// pre_*                 scale beats of per-channel groups, see kv_quant; asym_i: with minima
// channel_i, offset_i, top_word_i  settings
// One group's parameters and one item a cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_params #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned ShiftW = 6,
    localparam int unsigned WordW = $clog2(MaxDim / Lanes)
) (
    input  logic                    clk_i,
    input  logic                    rst_i,
    input  logic                    en_i,
    input  logic                    asym_i,
    input  logic                    offset_i,
    input  logic                    channel_i,
    input  logic [       WordW-1:0] top_word_i,
    input  logic                    put_i,
    input  logic [            15:0] min_i,
    input  logic [            15:0] scale_i,
    input  logic [      ShiftW-1:0] shift_i,
    input  logic [             9:0] sig_i,
    input  logic [             9:0] recip_i,
    input  logic [             1:0] bank_i,
    input  logic [       WordW-1:0] word_i,
    output logic [    16*Lanes-1:0] min_o,
    output logic                    flip_o,
    output logic [ShiftW*Lanes-1:0] shift_o,
    output logic [    10*Lanes-1:0] sig_o,
    output logic [    10*Lanes-1:0] recip_o,
    output logic [            31:0] prefix_o,
    input  logic                    pre_start_i,
    output logic                    pre_valid_o,
    output logic [    16*Lanes-1:0] pre_data_o,
    output logic                    pre_last_o
);

  // By cycles after e.
  logic [11:9] put_q;
  logic [15:0] min9_q;
  logic [ShiftW-1:0] shift2_q;
  logic [9:0] sig2_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) put_q <= '0;
    else if (en_i) put_q <= {put_q[10:9], put_i};
  end

  // By cycles after the read.
  logic [31:0] prefix_q[3:12];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      min9_q   <= min_i;
      shift2_q <= shift_i;
      sig2_q   <= sig_i;
      if (put_q[9]) prefix_q[3] <= {min9_q, scale_i};
      for (int i = 4; i <= 12; i++) prefix_q[i] <= prefix_q[i-1];
    end
  end

  assign prefix_o = prefix_q[12];

  logic [16*Lanes-1:0] mins2;
  logic [ShiftW*Lanes-1:0] shifts4;
  logic [10*Lanes-1:0] sigs4, recips4;

  kv_quant_table #(
      .Lanes (Lanes),
      .MaxDim(MaxDim),
      .ShiftW(ShiftW)
  ) u_table (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .put_i      (put_q[9] && channel_i),
      .scale_i    (scale_i),
      .min_i      (min9_q),
      .shift_i    (shift2_q),
      .sig_i      (sig2_q),
      .recip_i    (recip_i),
      .top_word_i (top_word_i),
      .asym_i     (asym_i),
      .bank_i     (bank_i),
      .word_i     (word_i),
      .min_o      (mins2),
      .shift_o    (shifts4),
      .sig_o      (sigs4),
      .recip_o    (recips4),
      .pre_start_i(pre_start_i),
      .pre_valid_o(pre_valid_o),
      .pre_data_o (pre_data_o),
      .pre_last_o (pre_last_o)
  );

  kv_quant_item #(
      .Lanes (Lanes),
      .ShiftW(ShiftW)
  ) u_item (
      .clk_i        (clk_i),
      .en_i         (en_i),
      .channel_i    (channel_i),
      .offset_i     (offset_i),
      .min_i        (mins2),
      .shift_i      (shifts4),
      .sig_i        (sigs4),
      .recip_i      (recips4),
      .put_i        (put_i),
      .token_min_i  (min_i),
      .put_div_i    (put_q[11]),
      .token_shift_i(shift2_q),
      .token_sig_i  (sig2_q),
      .token_recip_i(recip_i),
      .min_o        (min_o),
      .flip_o       (flip_o),
      .shift_o      (shift_o),
      .sig_o        (sig_o),
      .recip_o      (recip_o)
  );

endmodule
