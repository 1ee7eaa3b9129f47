// DEQUANTIZE: a quantized tile in, rows of fp16 or bfloat16 out (docs/engine.md, 4 and 5.8).
//
// start_i   one cycle after dispatch; the settings are valid from then on and stay until
//           the next dispatch. Further commands of the same kind may change rows_i only
//           while earlier ones are still at work; up to 4 are kept apart.
// beat_*_i  a beat taken in this cycle, only with ready_o; beat_last_i: the last expected.
// pf_count_i  entries of the payload FIFO at the start of the cycle: nothing is issued
//           unless LAT_DEQUANT_SLACK places are free, so that a push always finds room; and beside them,
//           with block_i other than ROTATE_NONE, those that a rotation of such blocks behind this unit needs.
// Bf16, bf16_i  rows, scales and minima are bfloat16. Rotate: block_i counts.
// push_*_o  an entry for the payload FIFO, LAT_DEQUANT_PIPE cycles after its item was issued.
//           Non-finite is set on all entries of a per-channel group, and on the first of a
//           per-token group, whose scale or minimum was not finite; saturated on entries with clamped lanes.
// ev_*_o    events of this cycle (docs/engine.md, section 2).
// One item of Lanes elements per cycle. Everything stands still in cycles with en_i = 0.
module kv_dequant #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned PayloadDepth = 64,
    parameter bit Rotate = 1'b0,
    parameter bit Bf16 = 1'b0
) (
    input  logic                              clk_i,
    input  logic                              rst_i,
    input  logic                              en_i,
    input  logic                              start_i,
    input  logic [                       1:0] scheme_i,
    input  logic                              axis_i,
    input  logic [                       2:0] group_i,
    input  logic [                       3:0] bits_i,
    input  logic                              layout_i,
    input  logic                              bf16_i,
    input  logic [                       1:0] block_i,
    input  logic [                      23:0] rows_i,
    input  logic [                       9:0] dims_i,
    input  logic                              beat_valid_i,
    input  logic [              16*Lanes-1:0] beat_i,
    input  logic                              beat_last_i,
    output logic                              ready_o,
    output logic                              ready_next_o,
    input  logic [$clog2(PayloadDepth+1)-1:0] pf_count_i,
    output logic                              push_valid_o,
    output logic [              16*Lanes-1:0] push_data_o,
    output logic [                       5:0] push_bytes_o,
    output logic                              push_last_o,
    output logic                              push_pre_o,
    output logic                              push_nonfinite_o,
    output logic                              push_saturated_o,
    output logic                              ev_token_o,
    output logic [                       9:0] ev_groups_o,
    output logic [                       4:0] ev_saturated_o,
    output logic [                       9:0] ev_nonfinite_o
);

  localparam int unsigned BeatBits = 16 * Lanes;
  localparam int unsigned ItemW = $clog2(MaxDim / Lanes);
  localparam int unsigned CodeDepth = 1 << $clog2(MaxDim / Lanes + 16);
  localparam int unsigned CodeW = $clog2(CodeDepth + 1);
  localparam int unsigned CountW = $clog2(PayloadDepth + 1);
  localparam int unsigned LaneStages = 9;
  localparam int unsigned Front = kv_pkg::LAT_DEQUANT_PIPE - LaneStages;

  if (Front != 3) begin : g_latency
    $error("kv_dequant: LAT_DEQUANT_PIPE must be 12");
  end

  logic asym, offset, fold, channel, bf16;
  assign bf16    = Bf16 && bf16_i;
  assign asym    = scheme_i == 2'(kv_pkg::SCHEME_ASYM);
  assign offset  = scheme_i == 2'(kv_pkg::SCHEME_OFFSET);
  assign fold    = layout_i == 1'(kv_pkg::LAYOUT_BLOCK) && bits_i == 4'd4;
  assign channel = axis_i == 1'(kv_pkg::AXIS_CHANNEL);

  // Loader and code FIFO. Its depth is a power of two: the top bit of the count says full.
  logic code_push, code_valid, code_mark, refill;
  logic [BeatBits-1:0] code_beat;
  logic [CodeW-1:0] code_count;
  logic code_full_next, code_next;
  logic free, bank_ok, bank_bad;
  logic [ItemW-1:0] idx;
  logic [BeatBits-1:0] bank_scale, bank_min;
  logic [5:0] bank_nonfinite;

  kv_dequant_load #(
      .Lanes (Lanes),
      .MaxDim(MaxDim)
  ) u_load (
      .clk_i,
      .rst_i,
      .en_i,
      .channel_i     (channel),
      .asym_i        (asym),
      .bf16_i        (bf16),
      .group_i       (group_i[1:0]),
      .bits_i,
      .dims_i,
      .beat_valid_i,
      .beat_i,
      .full_i        (code_count[CodeW-1]),
      .full_next_i   (code_full_next),
      .ready_o,
      .ready_next_o,
      .code_o        (code_push),
      .free_i        (free),
      .idx_i         (idx),
      .bank_ok_o     (bank_ok),
      .bank_bad_o    (bank_bad),
      .scale_o       (bank_scale),
      .min_o         (bank_min),
      .ev_nonfinite_o(bank_nonfinite)
  );

  kv_fifo #(
      .Width(BeatBits + 1),
      .Depth(CodeDepth)
  ) u_codes (
      .clk_i,
      .rst_i,
      .en_i,
      .push_i (code_push),
      .data_i ({beat_last_i, beat_i}),
      .pop_i  (refill),
      .valid_o(code_valid),
      .data_o ({code_mark, code_beat}),
      .count_o(code_count),
      .valid_next_o(code_next),
      .full_next_o (code_full_next)
  );

  // Stage 0.
  logic room, idle, issue, lead, next_lead, spare, last;

  localparam int unsigned Limit = PayloadDepth - kv_pkg::LAT_DEQUANT_SLACK;

  if (Rotate) begin : g_limit
    logic [CountW-1:0] limit_q;
    always_ff @(posedge clk_i)
      if (en_i)
        limit_q <= block_i == 2'(kv_pkg::ROTATE_NONE) ? CountW'(Limit) :
                   CountW'(Limit - kv_pkg::LAT_ROTATE) - CountW'((32 / Lanes) << block_i);
    assign room = pf_count_i <= limit_q;
  end else begin : g_fixed_limit
    assign room = pf_count_i <= CountW'(Limit);
  end

  kv_dequant_issue #(
      .Lanes     (Lanes),
      .MaxDim    (MaxDim),
      .TileTokens(TileTokens)
  ) u_issue (
      .clk_i,
      .rst_i,
      .en_i,
      .start_i,
      .channel_i   (channel),
      .asym_i      (asym),
      .fold_i      (fold),
      .group_i,
      .bits_i,
      .rows_i,
      .dims_i,
      .code_valid_i(code_valid),
      .code_mark_i (code_mark),
      .room_i      (room),
      .bank_ok_i   (bank_ok),
      .refill_o    (refill),
      .issue_o     (issue),
      .idle_o      (idle),
      .lead_o      (lead),
      .next_lead_o (next_lead),
      .spare_o     (spare),
      .last_o      (last),
      .idx_o       (idx),
      .free_o      (free),
      .ev_token_o,
      .ev_groups_o
  );

  kv_dequant_items #(
      .Lanes (Lanes),
      .MaxDim(MaxDim),
      .Bf16  (Bf16)
  ) u_items (
      .clk_i,
      .rst_i,
      .en_i,
      .bf16_i          (bf16),
      .channel_i       (channel),
      .asym_i          (asym),
      .offset_i        (offset),
      .fold_i          (fold),
      .bits_i,
      .refill_i        (refill),
      .code_beat_i     (code_beat),
      .idle_i          (idle),
      .issue_i         (issue),
      .lead_i          (lead),
      .next_lead_i     (next_lead),
      .spare_i         (spare),
      .last_i          (last),
      .idx_i           (idx),
      .bank_bad_i      (bank_bad),
      .bank_scale_i    (bank_scale),
      .bank_min_i      (bank_min),
      .bank_nonfinite_i(bank_nonfinite),
      .push_valid_o,
      .push_data_o,
      .push_last_o,
      .push_nonfinite_o,
      .push_saturated_o,
      .ev_saturated_o,
      .ev_nonfinite_o
  );

  assign push_bytes_o = 6'(2 * Lanes);
  assign push_pre_o = 1'b0;

  logic unused;
  assign unused = &{1'b0, bf16_i, block_i, code_next};

endmodule
