// Beats of QUANTIZE on their way in: cleaned, as order keys, with their place in row and group.
//
// Beat in cycle t: beat_valid_i, beat_i, beat_last_i, tier_i, flags_i (see kv_quant). asym_next_i to group_top_i: settings.
// clear_i      counts of beats and rows start over
// In t + 1:
//   valid_o    the beat; beat_o: what the ring keeps of it: cleaned, with Compress as it came
//   keys_o     its order keys: unsigned numbers in the order of the values, of the magnitudes if symmetric;
//              keys2_o: a cycle later
//   word_o     beat of its row; first_o: of the first row (per token: beat) of its group; last_row_o: of the last row;
//              end_o: the last of its group
//   beats_o    beats of the group before this one
//   ev_nonfinite_o  elements that were cleaned
// complete_o, complete2_o  in t + 2 and t + 4: the group is complete: {valid, tier, last, saturated, non-finite}, the flags
//              those of its beats
// Always ready. Nothing moves in a cycle with en_i = 0.
module kv_quant_intake #(
    parameter int unsigned Lanes    = 8,
    parameter int unsigned MaxDim   = 256,
    parameter bit          Compress = 1'b0,
    parameter bit          Rotate   = 1'b0,
    localparam int unsigned WordW = $clog2(MaxDim / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                bf16_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic [         1:0] tier_i,
    input  logic [         1:0] flags_i,
    input  logic                asym_next_i,
    input  logic                offset_i,
    input  logic                token_i,
    input  logic                mixed_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic [         6:0] top_row_i,
    input  logic [        15:0] group_top_i,
    input  logic                clear_i,
    output logic                valid_o,
    output logic [16*Lanes-1:0] beat_o,
    output logic [16*Lanes-1:0] keys_o,
    output logic [16*Lanes-1:0] keys2_o,
    output logic [   WordW-1:0] word_o,
    output logic                first_o,
    output logic                last_row_o,
    output logic                end_o,
    output logic [        15:0] beats_o,
    output logic [         9:0] ev_nonfinite_o,
    output logic [         5:0] complete_o,
    output logic [         5:0] complete2_o
);

  // Cycle t: clean.
  logic [16*Lanes-1:0] clean, clean1_q;
  logic [Lanes-1:0] bad, bad1_q;
  logic valid1_q, last1_q;
  logic [1:0] tier1_q, flags1_q;

  for (genvar i = 0; i < Lanes; i++) begin : gen_clean
    kv_fp16_clean u_clean (
        .bf16_i(bf16_i),
        .x_i  (beat_i[16*i+:16]),
        .x_o  (clean[16*i+:16]),
        .bad_o(bad[i])
    );
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) valid1_q <= 1'b0;
    else if (en_i) valid1_q <= beat_valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      clean1_q <= clean;
      bad1_q   <= bad;
      last1_q  <= beat_last_i;
      tier1_q  <= tier_i;
      flags1_q <= Rotate ? flags_i : '0;
    end
  end

  assign valid_o = valid1_q;

  // With raw rows the ring keeps what came.
  if (Compress) begin : gen_keep_raw
    logic [16*Lanes-1:0] raw1_q;
    always_ff @(posedge clk_i) if (en_i) raw1_q <= beat_i;
    assign beat_o = raw1_q;
  end else begin : gen_keep_clean
    assign beat_o = clean1_q;
  end

  // Cycle t + 1: where the beat stands in its row and group.
  logic [WordW-1:0] word_q;
  logic [6:0] row_q;
  logic [15:0] beat_q;
  logic row_end;

  assign row_end    = word_q == top_word_i;
  assign last_row_o = row_q == top_row_i;
  assign first_o    = token_i ? beat_q == '0 : row_q == '0;
  assign end_o      = token_i ? beat_q == group_top_i : last_row_o && row_end;
  assign word_o     = word_q;
  assign beats_o    = beat_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_q <= '0;
      row_q  <= '0;
      beat_q <= '0;
    end else if (en_i && clear_i) begin
      row_q  <= '0;
      beat_q <= '0;
    end else if (en_i && valid1_q) begin
      word_q <= row_end ? '0 : word_q + 1'b1;
      if (row_end) row_q <= token_i || last_row_o ? '0 : row_q + 7'd1;
      beat_q <= (!token_i && !Compress) || end_o ? '0 : beat_q + 16'd1;
    end
  end

  // Order keys.
  logic [Lanes-1:0] flip1_q;  // negative, and not of magnitudes

  for (genvar i = 0; i < Lanes; i++) begin : gen_keys
    logic [15:0] x;
    assign x = clean1_q[16*i+:16];
    assign keys_o[16*i+:16] = offset_i ? {x[14:0], x[15]} : {!flip1_q[i], x[14:0] ^ {15{flip1_q[i]}}};
    always_ff @(posedge clk_i) if (en_i) flip1_q[i] <= asym_next_i && clean[16*i+15];
  end

  always_ff @(posedge clk_i) if (en_i) keys2_o <= keys_o;

  always_comb begin
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) ev_nonfinite_o += 10'(valid1_q && bad1_q[i]);
  end

  // Complete groups, with their flags and whether the packet ends.
  logic [1:0] taint_q;
  logic [5:0] complete_q[2:4];  // by cycles after the beat
  logic [1:0] taint;
  assign taint = ({1'b0, |bad1_q} | flags1_q | taint_q) & {Rotate, !mixed_i};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      taint_q <= '0;
      for (int i = 2; i <= 4; i++) complete_q[i] <= '0;
    end else if (en_i) begin
      if (valid1_q) taint_q <= taint & {Rotate && !end_o, !end_o};
      complete_q[2] <= {valid1_q && end_o, tier1_q, last1_q, taint};
      for (int i = 3; i <= 4; i++) complete_q[i] <= complete_q[i-1];
    end
  end

  assign complete_o  = complete_q[2];
  assign complete2_o = complete_q[4];

  wire unused = &{1'b0, flags_i};

endmodule
