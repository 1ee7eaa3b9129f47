// QUANTIZE (docs/engine.md, sections 3, 4 and 5.7): rows of fp16 in; scales, minima and packed codes out.
//
// The unit interface is that of all units (see kv_units): always ready; a beat taken in cycle t; pushes into the
// payload FIFO, at most one a cycle, never refused; events of the cycle. Scale beats of per-channel groups come on
// pre_*: pre_start_i in cycle c, one beat a cycle from c + 2 on.
//
// Timing, t being the cycle of a group's last beat:
//   per token     extent t + 5, scale t + 14, ring read from t + 12 on
//   per channel   extents t + 6 + channel, scales t + 15 + channel, ring read from t + 16 + dims on
//   ring read r   element r + 2, code r + 11, push r + 14
// Nothing moves in a cycle with en_i = 0. Ties and overflow: see kv_quant_lane, kv_quant_scale; nothing overflows.
module kv_quant #(
    parameter int unsigned Lanes      = 8,
    parameter int unsigned MaxDim     = 256,
    parameter int unsigned TileTokens = 128
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic [         1:0] scheme_i,
    input  logic                axis_i,
    input  logic [         2:0] group_i,
    input  logic [         3:0] bits_i,
    input  logic                layout_i,
    input  logic [        23:0] rows_i,
    input  logic [         9:0] dims_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    output logic                ready_o,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o,
    output logic                push_pre_o,
    output logic                push_nonfinite_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         9:0] ev_nonfinite_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o
);

  localparam int unsigned WordW = $clog2(MaxDim / Lanes);
  localparam int unsigned LaneW = $clog2(Lanes);

  assign ready_o = 1'b1;

  // Settings, a cycle after they are given; with what follows from them: beats of a row and of a group, less one.
  logic asym, asym_q, offset_q, fold_q, channel, channel_q;
  logic [WordW-1:0] top_word_q;
  logic [15:0] row_beats, group_beats, group_top_q;
  logic [7:0] group_rows;
  logic [6:0] top_row_q;
  logic [3:0] width, width_q, bits_q;
  logic [7:0] limit_q;

  assign asym       = scheme_i == 2'(kv_pkg::SCHEME_ASYM);
  assign channel    = axis_i == 1'(kv_pkg::AXIS_CHANNEL);
  assign row_beats  = 16'(dims_i) >> LaneW;
  assign group_rows = 8'd16 << group_i[1:0];
  assign width      = asym ? bits_i : bits_i - 4'd1;

  always_comb begin
    if (channel) group_beats = 16'(row_beats << (4'd4 + 4'(group_i[1:0])));
    else if (group_i == 3'(kv_pkg::GROUP_ROW)) group_beats = row_beats;
    else group_beats = 16'(group_rows) >> LaneW;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      asym_q      <= asym;
      offset_q    <= scheme_i == 2'(kv_pkg::SCHEME_OFFSET);
      fold_q      <= layout_i == 1'(kv_pkg::LAYOUT_BLOCK) && bits_i == 4'd4;
      channel_q   <= channel;
      top_word_q  <= WordW'(row_beats - 16'd1);
      top_row_q   <= 7'(group_rows - 8'd1);
      group_top_q <= group_beats - 16'd1;
      width_q     <= width;
      bits_q      <= bits_i;
      limit_q     <= scheme_i == 2'(kv_pkg::SCHEME_OFFSET) ? 8'd8 : 8'((9'd1 << width) - 9'd1);
    end
  end

  // Cycle t: clean.
  logic [16*Lanes-1:0] clean, clean1_q;
  logic [Lanes-1:0] bad, bad1_q;
  logic valid1_q, last1_q;

  for (genvar i = 0; i < Lanes; i++) begin : gen_clean
    kv_fp16_clean u_clean (
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
    end
  end

  // Cycle t + 1: where the beat stands in its row and group.
  logic [WordW-1:0] word_q;
  logic [6:0] row_q;
  logic [15:0] beat_q;
  logic row_end, group_first, group_end, last_row;

  assign row_end     = word_q == top_word_q;
  assign last_row    = row_q == top_row_q;
  assign group_first = channel_q ? row_q == '0 : beat_q == '0;
  assign group_end   = channel_q ? last_row && row_end : beat_q == group_top_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_q <= '0;
      row_q  <= '0;
      beat_q <= '0;
    end else if (en_i && valid1_q) begin
      word_q <= row_end ? '0 : word_q + 1'b1;
      if (row_end) row_q <= !channel_q || last_row ? '0 : row_q + 7'd1;
      beat_q <= channel_q || group_end ? '0 : beat_q + 16'd1;
    end
  end

  // And as order keys: unsigned numbers in the order of the values; of the magnitudes if symmetric.
  logic [16*Lanes-1:0] keys1, keys2_q;

  for (genvar i = 0; i < Lanes; i++) begin : gen_keys
    logic [15:0] x;
    assign x = clean1_q[16*i+:16];
    assign keys1[16*i+:16] = offset_q ? {x[14:0], x[15]} : {!(asym_q && x[15]), x[14:0] ^ {15{asym_q && x[15]}}};
  end

  always_ff @(posedge clk_i) if (en_i) keys2_q <= keys1;

  always_comb begin
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) ev_nonfinite_o += 10'(valid1_q && bad1_q[i]);
  end

  // Complete groups: in t + 2 to t + 5, with whether an input was not finite and the packet ends.
  logic taint_q;
  logic [2:0] complete_q[2:5];  // {valid, last, nonfinite}
  logic taint;
  assign taint = |bad1_q || taint_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      taint_q <= 1'b0;
      for (int i = 2; i <= 5; i++) complete_q[i] <= '0;
    end else if (en_i) begin
      if (valid1_q) taint_q <= !group_end && taint;
      complete_q[2] <= {valid1_q && group_end, last1_q, taint};
      for (int i = 3; i <= 5; i++) complete_q[i] <= complete_q[i-1];
    end
  end

  // Extents: cycle e, which is t + 5 per token (done repeats complete_q) and t + 6 + channel per channel.
  logic done, serve, served;
  logic [15:0] token_least, token_most, channel_least, channel_most, least, most;

  kv_quant_extent #(
      .Lanes(Lanes)
  ) u_extent (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .valid_i(valid1_q),
      .first_i(group_first),
      .last_i (group_end),
      .tag_i  (offset_q),
      .keys_i (keys1),
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
      .word_i    (word_q),
      .valid_i   (valid1_q && channel_q),
      .first_i   (group_first),
      .last_i    (last_row),
      .done_i    (group_end),
      .top_word_i(top_word_q),
      .keys_i    (keys2_q),
      .serve_o   (serve),
      .served_o  (served),
      .least_o   (channel_least),
      .most_o    (channel_most)
  );

  assign least = value(channel_q ? channel_least : token_least);
  assign most  = value(channel_q ? channel_most : token_most);

  function automatic logic [15:0] value(input logic [15:0] key);
    value = offset_q ? {key[0], key[15:1]} : {!key[15], key[14:0] ^ {15{!key[15]}}};
  endfunction

  // Scales: cycle e + 9. With an offset the element that gave the scale is in place of the minimum.
  logic [15:0] scale;
  logic [15:0] min_q[1:9];
  logic [ 5:0] shift;
  logic [ 9:0] sig, recip;
  logic [ 5:0] shift2_q;
  logic [ 9:0] sig2_q;
  logic [11:1] put_q;

  kv_quant_scale u_scale (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .high_i (most),
      .low_i  (least),
      .sym_i  (!asym_q),
      .offset_i(offset_q),
      .width_i(width_q),
      .scale_o(scale)
  );

  kv_quant_recip u_recip (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .scale_i(scale[14:0]),
      .shift_o(shift),
      .sig_o  (sig),
      .recip_o(recip)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) put_q <= '0;
    else if (en_i) put_q <= {put_q[10:1], channel_q ? serve : done};
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      min_q[1] <= offset_q ? most : least;
      for (int i = 2; i <= 9; i++) min_q[i] <= min_q[i-1];
    end
  end

  // When to read the ring: 12 cycles after a per-token group, or 11 after its last extent.
  localparam int unsigned Wait = kv_pkg::LAT_QUANT_CHANNEL - 5;
  localparam int unsigned Join = Wait + 5 - kv_pkg::LAT_QUANT_TOKEN;
  logic [2:0] wait_q[1:Wait];
  logic [1:0] serving_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      for (int i = 1; i <= Wait; i++) wait_q[i] <= '0;
    end else if (en_i) begin
      wait_q[1] <= {channel_q && served, serving_q};
      for (int i = 2; i <= Wait; i++) wait_q[i] <= wait_q[i-1];
      if (!channel_q && complete_q[4][2]) wait_q[Join] <= complete_q[4];
    end
  end

  always_ff @(posedge clk_i) if (en_i && complete_q[5][2]) serving_q <= complete_q[5][1:0];

  // Ring reads.
  logic read, first, row, last, nonfinite;
  logic [1:0] bank;
  logic [WordW-1:0] word;
  logic [16*Lanes-1:0] beat2;

  kv_quant_drain #(
      .Lanes     (Lanes),
      .MaxDim    (MaxDim),
      .TileTokens(TileTokens)
  ) u_drain (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (en_i),
      .start_i       (start_i),
      .put_i         (valid1_q),
      .beat_i        (clean1_q),
      .channel_i     (channel_q),
      .fold_i        (fold_q),
      .beats_i       (group_top_q),
      .top_word_i    (top_word_q),
      .go_i          (wait_q[Wait][2]),
      .go_last_i     (wait_q[Wait][1]),
      .go_nonfinite_i(wait_q[Wait][0]),
      .read_o        (read),
      .first_o       (first),
      .row_o         (row),
      .last_o        (last),
      .nonfinite_o   (nonfinite),
      .bank_o        (bank),
      .word_o        (word),
      .beat_o        (beat2)
  );

  assign ev_token_o  = read && row;
  assign ev_groups_o = read && first ? (channel_q ? dims_i : 10'd1) : '0;

  // Parameters of the items: of their channels, or of their group, held while it is read. x: cycles after the read.
  logic [16*Lanes-1:0] mins1, mins2_q;
  logic [6*Lanes-1:0] shifts3, shifts4_q;
  logic [20*Lanes-1:0] divisors3, divisors4_q, divisors5_q, divisors6_q, divisors7_q;  // {reciprocals, significands}
  logic [15:0] token_min_q;
  logic token_flip2_q;
  logic [5:0] token_shift_q;
  logic [19:0] token_divisor5_q, token_divisor6_q;
  logic [31:0] prefix_q[3:12];

  kv_quant_table #(
      .Lanes (Lanes),
      .MaxDim(MaxDim)
  ) u_table (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .put_i      (put_q[9] && channel_q),
      .scale_i    (scale),
      .min_i      (min_q[9]),
      .shift_i    (shift2_q),
      .sig_i      (sig2_q),
      .recip_i    (recip),
      .top_word_i (top_word_q),
      .asym_i     (asym_q),
      .bank_i     (bank),
      .word_i     (word),
      .min_o      (mins1),
      .shift_o    (shifts3),
      .sig_o      (divisors3[0+:10*Lanes]),
      .recip_o    (divisors3[10*Lanes+:10*Lanes]),
      .pre_start_i(pre_start_i),
      .pre_valid_o(pre_valid_o),
      .pre_data_o (pre_data_o),
      .pre_last_o (pre_last_o)
  );

  // Of a per-token group with its first item read at r = e + 7: the minimum is there in r + 1, the shift in r + 4,
  // scale and minimum for the packer in r + 12.
  always_ff @(posedge clk_i) begin
    if (en_i) begin
      shift2_q <= shift;
      sig2_q   <= sig;
      if (put_q[7]) token_min_q <= min_q[7];
      token_flip2_q <= offset_q && !token_min_q[15];
      if (put_q[10]) token_shift_q <= shift;
      if (put_q[11]) token_divisor5_q <= {recip, sig2_q};
      token_divisor6_q <= token_divisor5_q;
      if (put_q[9]) prefix_q[3] <= {min_q[9], scale};
      for (int i = 4; i <= 12; i++) prefix_q[i] <= prefix_q[i-1];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      mins2_q     <= channel_q ? mins1 : {Lanes{token_min_q}};
      shifts4_q   <= shifts3;
      divisors4_q <= divisors3;
      divisors5_q <= divisors4_q;
      divisors6_q <= divisors5_q;
      divisors7_q <= channel_q ? divisors6_q : {{Lanes{token_divisor6_q[19:10]}}, {Lanes{token_divisor6_q[9:0]}}};
    end
  end

  // Lanes: element r + 2, code r + 11.
  logic [8*Lanes-1:0] codes;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    kv_quant_lane u_lane (
        .clk_i  (clk_i),
        .en_i   (en_i),
        .x_i    (beat2[16*i+:16]),
        .min_i  (mins2_q[16*i+:16]),
        .sym_i  (!asym_q),
        .flip_i (token_flip2_q),
        .offset_i(offset_q),
        .limit_i(limit_q),
        .shift_i(channel_q ? shifts4_q[6*i+:6] : token_shift_q),
        .sig_i  (divisors7_q[10*i+:10]),
        .recip_i(divisors7_q[10*(Lanes+i)+:10]),
        .code_o (codes[8*i+:8])
    );
  end

  // Items alongside, and the packer.
  logic [3:0] item_q[1:11];  // {valid, first, last, nonfinite}

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      for (int i = 1; i <= 11; i++) item_q[i] <= '0;
    end else if (en_i) begin
      item_q[1] <= {read, first, last, nonfinite};
      for (int i = 2; i <= 11; i++) item_q[i] <= item_q[i-1];
    end
  end

  kv_quant_pack #(
      .Lanes(Lanes)
  ) u_pack (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            (en_i),
      .token_i         (!channel_q),
      .asym_i          (asym_q),
      .fold_i          (fold_q),
      .bits_i          (bits_q),
      .item_i          (item_q[11][3]),
      .first_i         (item_q[11][2]),
      .last_i          (item_q[11][1]),
      .nonfinite_i     (item_q[11][0]),
      .codes_i         (codes),
      .prefix_i        (prefix_q[12]),
      .push_valid_o    (push_valid_o),
      .push_data_o     (push_data_o),
      .push_bytes_o    (push_bytes_o),
      .push_last_o     (push_last_o),
      .push_pre_o      (push_pre_o),
      .push_nonfinite_o(push_nonfinite_o)
  );

  wire unused = &{1'b0, rows_i};

endmodule
