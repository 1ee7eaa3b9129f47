// The items of DEQUANTIZE on their way: cut from the beats of codes, joined with scale and minimum, restored.
//
// bf16_i to bits_i   settings, as of kv_dequant; channel_i and asym_i hold from the cycle before the first item on
// refill_i           code_beat_i, the next beat of codes, is taken; idle_i to next_lead_i: see kv_dequant_issue
// issue_i            an item is issued in cycle r: lead_i: with scale and minimum of its per-token group before it; last_i: the last;
//                    idx_i: its place in the row
// bank_*_i           of its channels: in r bank_bad_i: one was not finite, in r + 1 scales and minima; bank_nonfinite_i: how
//                    many came in this cycle; see kv_dequant_load
// push_*_o           the values, in r + LAT_DEQUANT_PIPE; flags and events as of kv_dequant
// One item a cycle; no handshake. Nothing moves in a cycle with en_i = 0.
//
// Stages: 0 ring to window (and the banks are read), 1 cut the codes apart, 2 their magnitudes, 3 to 11 the lane.
module kv_dequant_items #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter bit Bf16 = 1'b0,
    localparam int unsigned BeatBits = 16 * Lanes,
    localparam int unsigned ItemW = $clog2(MaxDim / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                bf16_i,
    input  logic                channel_i,
    input  logic                asym_i,
    input  logic                offset_i,
    input  logic                fold_i,
    input  logic [         3:0] bits_i,
    input  logic                refill_i,
    input  logic [BeatBits-1:0] code_beat_i,
    input  logic                idle_i,
    input  logic                issue_i,
    input  logic                lead_i,
    input  logic                next_lead_i,
    input  logic                spare_i,
    input  logic                last_i,
    input  logic [   ItemW-1:0] idx_i,
    input  logic                bank_bad_i,
    input  logic [BeatBits-1:0] bank_scale_i,
    input  logic [BeatBits-1:0] bank_min_i,
    input  logic [         5:0] bank_nonfinite_i,
    output logic                push_valid_o,
    output logic [BeatBits-1:0] push_data_o,
    output logic                push_last_o,
    output logic                push_nonfinite_o,
    output logic                push_saturated_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o
);

  // The settings a cycle later: before the first item is issued, but not before the first beat comes.
  logic asym_q, channel_q;
  always_ff @(posedge clk_i)
    if (en_i) begin
      asym_q    <= asym_i;
      channel_q <= channel_i;
    end

  // Which items are on their way; index is the stage.
  logic [kv_pkg::LAT_DEQUANT_PIPE:1] valid_q, last_q;
  logic [kv_pkg::LAT_DEQUANT_PIPE:2] nonfinite_q;
  logic take_lead_q, bank_bad1_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q     <= '0;
      take_lead_q <= 1'b0;
    end else if (en_i) begin
      valid_q     <= {valid_q[kv_pkg::LAT_DEQUANT_PIPE-1:1], issue_i};
      take_lead_q <= issue_i && lead_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      last_q      <= {last_q[kv_pkg::LAT_DEQUANT_PIPE-1:1], last_i};
      bank_bad1_q <= bank_bad_i;
    end
  end

  // Stage 1: scale and minimum of a per-token group.
  logic [15:0] lead_scale, lead_min, clean_scale, clean_min, scale2_q, min2_q;
  logic bad_scale, bad_min;
  logic [1:0] lead_bad;

  kv_fp16_clean u_clean_scale (
      .bf16_i(bf16_i),
      .x_i  (lead_scale),
      .x_o  (clean_scale),
      .bad_o(bad_scale)
  );

  kv_fp16_clean u_clean_min (
      .bf16_i(bf16_i),
      .x_i  (lead_min),
      .x_o  (clean_min),
      .bad_o(bad_min)
  );

  assign lead_bad = {take_lead_q && bad_min && asym_q, take_lead_q && bad_scale};
  // Per token the banks count nothing, per channel nothing leads.
  assign ev_nonfinite_o = 10'(bank_nonfinite_i) | {8'd0, &lead_bad, ^lead_bad};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (take_lead_q) begin
        scale2_q <= clean_scale;
        min2_q   <= asym_q ? clean_min : '0;
      end
      nonfinite_q <= {
        nonfinite_q[kv_pkg::LAT_DEQUANT_PIPE-1:2], channel_q ? bank_bad1_q : |lead_bad
      };
    end
  end

  // Stages 1 and 2: the words of the banks.
  logic [BeatBits-1:0] scale2, min2, scale3_q, min3_q, bank_scale2_q, bank_min2_q;

  assign scale2 = channel_q ? bank_scale2_q : {Lanes{scale2_q}};
  assign min2   = channel_q ? bank_min2_q : {Lanes{min2_q}};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      bank_scale2_q <= bank_scale_i;
      bank_min2_q   <= bank_min_i;
      scale3_q      <= scale2;
      min3_q        <= min2;
    end
  end

  // Stages 0 to 2 of the codes, 3 to 11 the lanes.
  logic [Lanes-1:0] neg3, saturated;
  logic [8*Lanes-1:0] mag3;

  kv_dequant_unpack #(
      .Lanes(Lanes)
  ) u_unpack (
      .clk_i,
      .rst_i,
      .en_i,
      .channel_i,
      .asym_i,
      .offset_i,
      .fold_i,
      .spare_i,
      .pos_i       (3'(32'(idx_i) % (16 / Lanes))),
      .bits_i,
      .refill_i,
      .beat_i      (code_beat_i),
      .idle_i,
      .issue_i,
      .last_i,
      .next_lead_i,
      .lead_scale_o(lead_scale),
      .lead_min_o  (lead_min),
      .neg_o       (neg3),
      .mag_o       (mag3)
  );

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    kv_dequant_lane #(
        .Bf16(Bf16)
    ) u_lane (
        .clk_i,
        .rst_i,
        .en_i,
        .bf16_i (bf16_i),
        .neg_i  (neg3[i]),
        .mag_i  (mag3[8*i+:8]),
        .scale_i(scale3_q[16*i+:16]),
        .min_i  (min3_q[16*i+:16]),
        .valid8_i(valid_q[kv_pkg::LAT_DEQUANT_PIPE-1]),
        .x_o    (push_data_o[16*i+:16]),
        .sat_o  (saturated[i])
    );
  end

  assign push_valid_o = valid_q[kv_pkg::LAT_DEQUANT_PIPE];
  assign push_last_o = last_q[kv_pkg::LAT_DEQUANT_PIPE];
  assign push_nonfinite_o = nonfinite_q[kv_pkg::LAT_DEQUANT_PIPE];
  assign push_saturated_o = |saturated;

  always_comb begin
    ev_saturated_o = '0;
    for (int i = 0; i < Lanes; i++)
      ev_saturated_o = ev_saturated_o + 5'(saturated[i]);
  end

endmodule
