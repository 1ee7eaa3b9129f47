// The statistics side of QUANTIZE: beats in, the parameters of their groups out.
//
// beat_valid_i to flags_i  a beat in cycle t, see kv_quant; bf16_i to group_top_i: settings; clear_i: counts start over
// kept_o, beat_o           in t + 1: the beat for the ring; beats_o: beats of its group before it; ev_nonfinite_o: elements cleaned
// complete_o, complete2_o  in t + 2 and t + 4: its group is complete, see kv_quant_intake
// served_o, put_o to recip_o  parameters, see kv_quant_measure
// Always ready. Nothing moves in a cycle with en_i = 0.
module kv_quant_group #(
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
    input  logic                asym_next_i,
    input  logic                asym_i,
    input  logic                offset_i,
    input  logic                channel_i,
    input  logic                token_i,
    input  logic                mixed_i,
    input  logic                by_tier_i,
    input  logic [         3:0] width_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic [         6:0] top_row_i,
    input  logic [        15:0] group_top_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic [         1:0] tier_i,
    input  logic [         1:0] flags_i,
    input  logic                clear_i,
    output logic                kept_o,
    output logic [16*Lanes-1:0] beat_o,
    output logic [        15:0] beats_o,
    output logic [         9:0] ev_nonfinite_o,
    output logic [         5:0] complete_o,
    output logic [         5:0] complete2_o,
    output logic                served_o,
    output logic                put_o,
    output logic [        15:0] min_o,
    output logic [        15:0] scale_o,
    output logic [  ShiftW-1:0] shift_o,
    output logic [         9:0] sig_o,
    output logic [         9:0] recip_o
);

  // Of the beat of the cycle before.
  logic [16*Lanes-1:0] keys, keys2;
  logic [WordW-1:0] word;
  logic first, last_row, group_end;

  kv_quant_intake #(
      .Lanes   (Lanes),
      .MaxDim  (MaxDim),
      .Compress(Compress),
      .Rotate  (Rotate)
  ) u_intake (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (en_i),
      .bf16_i        (bf16_i),
      .beat_valid_i  (beat_valid_i),
      .beat_i        (beat_i),
      .beat_last_i   (beat_last_i),
      .tier_i        (tier_i),
      .flags_i       (flags_i),
      .asym_next_i   (asym_next_i),
      .offset_i      (offset_i),
      .token_i       (token_i),
      .mixed_i       (mixed_i),
      .top_word_i    (top_word_i),
      .top_row_i     (top_row_i),
      .group_top_i   (group_top_i),
      .clear_i       (clear_i),
      .valid_o       (kept_o),
      .beat_o        (beat_o),
      .keys_o        (keys),
      .keys2_o       (keys2),
      .word_o        (word),
      .first_o       (first),
      .last_row_o    (last_row),
      .end_o         (group_end),
      .beats_o       (beats_o),
      .ev_nonfinite_o(ev_nonfinite_o),
      .complete_o    (complete_o),
      .complete2_o   (complete2_o)
  );

  kv_quant_measure #(
      .Lanes (Lanes),
      .MaxDim(MaxDim),
      .Bf16  (Bf16)
  ) u_measure (
      .clk_i     (clk_i),
      .rst_i     (rst_i),
      .en_i      (en_i),
      .bf16_i    (bf16_i),
      .asym_i    (asym_i),
      .offset_i  (offset_i),
      .channel_i (channel_i),
      .token_i   (token_i),
      .by_tier_i (by_tier_i),
      .width_i   (width_i),
      .top_word_i(top_word_i),
      .valid_i   (kept_o),
      .first_i   (first),
      .last_row_i(last_row),
      .end_i     (group_end),
      .word_i    (word),
      .keys_i    (keys),
      .keys2_i   (keys2),
      .tier_i    (complete2_o[4:3]),
      .served_o  (served_o),
      .put_o     (put_o),
      .min_o     (min_o),
      .scale_o   (scale_o),
      .shift_o   (shift_o),
      .sig_o     (sig_o),
      .recip_o   (recip_o)
  );

endmodule
