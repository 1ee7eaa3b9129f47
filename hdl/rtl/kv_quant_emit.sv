// The items of QUANTIZE: what was read from the ring becomes codes, and these the beats of the response.
//
// read_i          an item is read in cycle r; first_i: of its group; last_i: of its packet; tag_i: {left over, tier, saturated,
//                 non-finite}; bank_i, word_i: see kv_quant_params; beat_i: in r + 2, its elements
// put_i to recip_i  parameters of groups, see kv_quant_params; asym_i to top_word_i: settings
// flush_i, final_i  Compress: see kv_quant_pack, in r + 11
// push_*_o        in r + 14, into the payload FIFO; push_flags_o: {saturated, non-finite}; pre_*: see kv_quant
// Element r + 3, code r + 11. With Compress beats come as they were, and items left over or of tier 0 go out so.
// An item every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_emit #(
    parameter int unsigned Lanes    = 8,
    parameter int unsigned MaxDim   = 256,
    parameter bit          Compress = 1'b0,
    parameter bit          Rotate   = 1'b0,
    parameter bit          Bf16     = 1'b0,
    localparam int unsigned WordW  = $clog2(MaxDim / Lanes),
    localparam int unsigned ShiftW = Bf16 ? 9 : 6
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                bf16_i,
    input  logic                asym_i,
    input  logic                offset_i,
    input  logic                fold_i,
    input  logic                channel_i,
    input  logic                by_tier_i,
    input  logic [         3:0] bits_i,
    input  logic [         3:0] width_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic                put_i,
    input  logic [        15:0] min_i,
    input  logic [        15:0] scale_i,
    input  logic [  ShiftW-1:0] shift_i,
    input  logic [         9:0] sig_i,
    input  logic [         9:0] recip_i,
    input  logic                read_i,
    input  logic                first_i,
    input  logic                last_i,
    input  logic [         4:0] tag_i,
    input  logic [         1:0] bank_i,
    input  logic [   WordW-1:0] word_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                flush_i,
    input  logic                final_i,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o,
    output logic                push_pre_o,
    output logic [         1:0] push_flags_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o
);

  // Numbers at the end of names: cycles after the read.
  logic [16*Lanes-1:0] mins3;
  logic [ShiftW*Lanes-1:0] shifts5;
  logic [10*Lanes-1:0] sigs8, recips8;
  logic flip3;
  logic [31:0] prefix12;

  kv_quant_params #(
      .Lanes (Lanes),
      .MaxDim(MaxDim),
      .ShiftW(ShiftW)
  ) u_params (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .asym_i     (asym_i),
      .offset_i   (offset_i),
      .channel_i  (channel_i),
      .top_word_i (top_word_i),
      .put_i      (put_i),
      .min_i      (min_i),
      .scale_i    (scale_i),
      .shift_i    (shift_i),
      .sig_i      (sig_i),
      .recip_i    (recip_i),
      .bank_i     (bank_i),
      .word_i     (word_i),
      .min_o      (mins3),
      .flip_o     (flip3),
      .shift_o    (shifts5),
      .sig_o      (sigs8),
      .recip_o    (recips8),
      .prefix_o   (prefix12),
      .pre_start_i(pre_start_i),
      .pre_valid_o(pre_valid_o),
      .pre_data_o (pre_data_o),
      .pre_last_o (pre_last_o)
  );

  logic [7:0] limit9;
  logic [3:0] bits11;
  logic item11, lead11, pre11, raw11, last11;
  logic [1:0] flags11;

  kv_quant_track #(
      .Compress(Compress)
  ) u_track (
      .clk_i    (clk_i),
      .rst_i    (rst_i),
      .en_i     (en_i),
      .asym_i   (asym_i),
      .offset_i (offset_i),
      .channel_i(channel_i),
      .by_tier_i(by_tier_i),
      .bits_i   (bits_i),
      .width_i  (width_i),
      .read_i   (read_i),
      .first_i  (first_i),
      .last_i   (last_i),
      .tag_i    (tag_i),
      .limit_o  (limit9),
      .item_o   (item11),
      .lead_o   (lead11),
      .pre_o    (pre11),
      .last_o   (last11),
      .raw_o    (raw11),
      .flags_o  (flags11),
      .bits_o   (bits11)
  );

  // Elements, of beats as they came once more cleaned; and these as they came, for the packer.
  logic [16*Lanes-1:0] beat3, beat11;

  if (Compress) begin : gen_raw
    kv_quant_raw #(
        .Lanes(Lanes)
    ) u_raw (
        .clk_i  (clk_i),
        .rst_i  (rst_i),
        .en_i   (en_i),
        .bf16_i (bf16_i),
        .beat_i (beat_i),
        .clean_o(beat3),
        .beat_o (beat11)
    );
  end else begin : gen_no_raw
    always_ff @(posedge clk_i) if (en_i) beat3 <= beat_i;
    assign beat11 = '0;
  end

  logic [8*Lanes-1:0] codes11;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    kv_quant_lane #(
        .Bf16(Bf16)
    ) u_lane (
        .clk_i   (clk_i),
        .en_i    (en_i),
        .bf16_i  (bf16_i),
        .x_i     (beat3[16*i+:16]),
        .min_i   (mins3[16*i+:16]),
        .sym_i   (!asym_i),
        .flip_i  (flip3),
        .offset_i(offset_i),
        .limit_i (limit9),
        .shift_i (shifts5[ShiftW*i+:ShiftW]),
        .sig_i   (sigs8[10*i+:10]),
        .recip_i (recips8[10*i+:10]),
        .code_o  (codes11[8*i+:8])
    );
  end

  kv_quant_pack #(
      .Lanes   (Lanes),
      .Compress(Compress),
      .Rotate  (Rotate)
  ) u_pack (
      .clk_i       (clk_i),
      .rst_i       (rst_i),
      .en_i        (en_i),
      .asym_i      (asym_i),
      .fold_i      (fold_i),
      .bits_i      (bits11),
      .item_i      (item11),
      .lead_i      (lead11),
      .pre_i       (pre11),
      .last_i      (last11),
      .flags_i     (flags11),
      .raw_i       (raw11),
      .beat_i      (beat11),
      .flush_i     (flush_i),
      .final_i     (final_i),
      .codes_i     (codes11),
      .prefix_i    (prefix12),
      .push_valid_o(push_valid_o),
      .push_data_o (push_data_o),
      .push_bytes_o(push_bytes_o),
      .push_last_o (push_last_o),
      .push_pre_o  (push_pre_o),
      .push_flags_o(push_flags_o)
  );

endmodule
