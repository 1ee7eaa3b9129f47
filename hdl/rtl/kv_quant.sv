// QUANTIZE (docs/engine.md, sections 3, 4 and 5.7): rows of fp16 in; scales, minima and packed codes out.
//
// The unit interface is that of all units (see kv_units): always ready; a beat taken in cycle t; pushes into the
// payload FIFO, at most one a cycle, never refused; events of the cycle. Scale beats of per-channel groups come on
// pre_*: pre_start_i in cycle c, one beat a cycle from c + 2 on.
//
// Timing, t being the cycle of a group's last beat:
//   per token     extent t + 4, scale t + 11, ring read from t + 12 on
//   per channel   extents t + 4 + channel, scales t + 11 + channel, ring read from t + 16 + dims on
//   ring read r   element r + 1, code r + 11, push r + 14
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

  // Settings: beats of a row and of a group, less one.
  logic asym, offset, fold, channel;
  logic [WordW-1:0] top_word;
  logic [15:0] row_beats, group_beats, group_top;
  logic [7:0] group_rows;
  logic [3:0] width;
  logic [7:0] limit;

  assign asym       = scheme_i == 2'(kv_pkg::SCHEME_ASYM);
  assign offset     = scheme_i == 2'(kv_pkg::SCHEME_OFFSET);
  assign fold       = layout_i == 1'(kv_pkg::LAYOUT_BLOCK) && bits_i == 4'd4;
  assign channel    = axis_i == 1'(kv_pkg::AXIS_CHANNEL);
  assign row_beats  = 16'(dims_i) >> LaneW;
  assign top_word   = WordW'(row_beats - 16'd1);
  assign group_rows = 8'd16 << group_i[1:0];
  assign width      = asym ? bits_i : bits_i - 4'd1;
  assign limit      = offset ? 8'd8 : 8'((9'd1 << width) - 9'd1);

  always_comb begin
    if (channel) group_beats = 16'(row_beats << (4'd4 + 4'(group_i[1:0])));
    else if (group_i == 3'(kv_pkg::GROUP_ROW)) group_beats = row_beats;
    else group_beats = 16'(group_rows) >> LaneW;
  end
  assign group_top = group_beats - 16'd1;

  // Cycle t: where the beat stands in its row and group.
  logic [WordW-1:0] word_q;
  logic [6:0] row_q;
  logic [15:0] beat_q;
  logic row_end, group_first, group_end, last_row;

  assign row_end     = word_q == top_word;
  assign last_row    = row_q == 7'(group_rows - 8'd1);
  assign group_first = channel ? row_q == '0 : beat_q == '0;
  assign group_end   = channel ? last_row && row_end : beat_q == group_top;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      word_q <= '0;
      row_q  <= '0;
      beat_q <= '0;
    end else if (en_i && beat_valid_i) begin
      word_q <= row_end ? '0 : word_q + 1'b1;
      if (row_end) row_q <= !channel || last_row ? '0 : row_q + 7'd1;
      beat_q <= channel || group_end ? '0 : beat_q + 16'd1;
    end
  end

  // Cycle t + 1: clean, keep in the ring, turn into order keys (unsigned numbers in the order of the
  // values; of the magnitudes if symmetric).
  logic [16*Lanes-1:0] raw1_q, clean1, keys1;
  logic [Lanes-1:0] bad1;
  logic valid1_q, first1_q, lastrow1_q, end1_q, last1_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) valid1_q <= 1'b0;
    else if (en_i) valid1_q <= beat_valid_i;
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      raw1_q     <= beat_i;
      first1_q   <= group_first;
      lastrow1_q <= last_row;
      end1_q     <= group_end;
      last1_q    <= beat_last_i;
    end
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_clean
    kv_fp16_clean u_clean (
        .x_i  (raw1_q[16*i+:16]),
        .x_o  (clean1[16*i+:16]),
        .bad_o(bad1[i])
    );
    assign keys1[16*i+:16] = offset ? {clean1[16*i+:15], clean1[16*i+15]} :
                             clean1[16*i+15] && asym ? ~clean1[16*i+:16] : {1'b1, clean1[16*i+:15]};
  end

  always_comb begin
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) ev_nonfinite_o += 10'(valid1_q && bad1[i]);
  end

  // Complete groups: in t + 2 to t + 4, with whether an input was not finite and the packet ends.
  logic taint_q;
  logic [2:0] complete2_q, complete3_q, complete4_q;  // {valid, last, nonfinite}
  logic taint;
  assign taint = |bad1 || taint_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      taint_q     <= 1'b0;
      complete2_q <= '0;
      complete3_q <= '0;
      complete4_q <= '0;
    end else if (en_i) begin
      if (valid1_q) taint_q <= !end1_q && taint;
      complete2_q <= {valid1_q && end1_q, last1_q, taint};
      complete3_q <= complete2_q;
      complete4_q <= complete3_q;
    end
  end

  // Cycle t + 4: extents. done4 repeats complete4_q.
  logic done4, serve, served;
  logic [15:0] token_least, token_most, channel_least, channel_most, least, most;

  kv_quant_extent #(
      .Lanes(Lanes)
  ) u_extent (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .valid_i(valid1_q),
      .first_i(first1_q),
      .last_i (end1_q),
      .tag_i  (offset),
      .keys_i (keys1),
      .done_o (done4),
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
      .fetch_i   (beat_valid_i),
      .word_i    (word_q),
      .valid_i   (valid1_q && channel),
      .first_i   (first1_q),
      .last_i    (lastrow1_q),
      .done_i    (end1_q),
      .top_word_i(top_word),
      .keys_i    (keys1),
      .serve_o   (serve),
      .served_o  (served),
      .least_o   (channel_least),
      .most_o    (channel_most)
  );

  assign least = channel ? channel_least : token_least;
  assign most  = channel ? channel_most : token_most;

  function automatic logic [15:0] value(input logic [15:0] key);
    value = offset ? {key[0], key[15:1]} : key[15] ? {1'b0, key[14:0]} : ~key;
  endfunction

  // Scales: t + 11; with their reciprocals and minima in t + 12 (+ channel).
  logic [15:0] scale11, scale12_q;
  logic [15:0] min_q[5:12];
  logic [ 5:0] shift12;
  logic [ 9:0] sig12;
  logic [17:0] recip12;
  logic [12:5] put_q;

  kv_quant_scale u_scale (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .high_i (value(most)),
      .low_i  (value(least)),
      .sym_i  (!asym),
      .offset_i(offset),
      .width_i(width),
      .scale_o(scale11)
  );

  kv_quant_recip u_recip (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .scale_i(scale11[14:0]),
      .shift_o(shift12),
      .sig_o  (sig12),
      .recip_o(recip12)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) put_q <= '0;
    else if (en_i) put_q <= {put_q[11:5], channel ? serve : done4};
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      scale12_q <= scale11;
      min_q[5]  <= value(least);
      for (int i = 6; i <= 12; i++) min_q[i] <= min_q[i-1];
    end
  end

  // When to read the ring: 12 cycles after a per-token group, or 13 after its last extent.
  localparam int unsigned Wait = kv_pkg::LAT_QUANT_CHANNEL - 3;
  localparam int unsigned Join = Wait + 5 - kv_pkg::LAT_QUANT_TOKEN;
  logic [2:0] wait_q[1:Wait];
  logic [1:0] serving_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      for (int i = 1; i <= Wait; i++) wait_q[i] <= '0;
    end else if (en_i) begin
      wait_q[1] <= {channel && served, serving_q};
      for (int i = 2; i <= Wait; i++) wait_q[i] <= wait_q[i-1];
      if (!channel && complete4_q[2]) wait_q[Join] <= complete4_q;
    end
  end

  always_ff @(posedge clk_i) if (en_i && complete3_q[2]) serving_q <= complete3_q[1:0];

  // Ring reads.
  logic read, first, row, last, nonfinite;
  logic [1:0] bank;
  logic [WordW-1:0] word;
  logic [16*Lanes-1:0] beat1;

  kv_quant_drain #(
      .Lanes     (Lanes),
      .MaxDim    (MaxDim),
      .TileTokens(TileTokens)
  ) u_drain (
      .clk_i         (clk_i),
      .rst_i         (rst_i),
      .en_i          (en_i),
      .put_i         (valid1_q),
      .beat_i        (clean1),
      .channel_i     (channel),
      .fold_i        (fold),
      .beats_i       (group_top),
      .top_word_i    (top_word),
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
      .beat_o        (beat1)
  );

  assign ev_token_o  = read && row;
  assign ev_groups_o = read && first ? (channel ? dims_i : 10'd1) : '0;

  // Parameters of the items: of their channels, or of their group, held from the cycle after its first read.
  logic [16*Lanes-1:0] mins;
  logic [6*Lanes-1:0] shifts;
  logic [10*Lanes-1:0] sigs;
  logic [18*Lanes-1:0] recips;
  logic [15:0] token_min_q;
  logic token_flip_q;
  logic [5:0] token_shift_q[1:3];
  logic [27:0] token_divisor_q[1:5];
  logic [31:0] prefix_q[1:12];

  kv_quant_table #(
      .Lanes (Lanes),
      .MaxDim(MaxDim)
  ) u_table (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .put_i      (put_q[12] && channel),
      .scale_i    (scale12_q),
      .min_i      (min_q[12]),
      .shift_i    (shift12),
      .sig_i      (sig12),
      .recip_i    (recip12),
      .top_word_i (top_word),
      .asym_i     (asym),
      .bank_i     (bank),
      .word_i     (word),
      .min_o      (mins),
      .shift_o    (shifts),
      .sig_o      (sigs),
      .recip_o    (recips),
      .pre_start_i(pre_start_i),
      .pre_valid_o(pre_valid_o),
      .pre_data_o (pre_data_o),
      .pre_last_o (pre_last_o)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (put_q[12]) begin
        token_min_q        <= min_q[12];
        token_flip_q       <= scale12_q[15];
        token_shift_q[1]   <= shift12;
        token_divisor_q[1] <= {recip12, sig12};
        prefix_q[1]        <= {min_q[12], scale12_q};
      end
      for (int i = 2; i <= 3; i++) token_shift_q[i] <= token_shift_q[i-1];
      for (int i = 2; i <= 5; i++) token_divisor_q[i] <= token_divisor_q[i-1];
      for (int i = 2; i <= 12; i++) prefix_q[i] <= prefix_q[i-1];
    end
  end

  // Lanes: element r + 1, code r + 11.
  logic [8*Lanes-1:0] codes;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    kv_quant_lane u_lane (
        .clk_i  (clk_i),
        .en_i   (en_i),
        .x_i    (beat1[16*i+:16]),
        .min_i  (channel ? mins[16*i+:16] : token_min_q),
        .sym_i  (!asym),
        .flip_i (token_flip_q && offset),
        .offset_i(offset),
        .limit_i(limit),
        .shift_i(channel ? shifts[6*i+:6] : token_shift_q[3]),
        .sig_i  (channel ? sigs[10*i+:10] : token_divisor_q[5][9:0]),
        .recip_i(channel ? recips[18*i+:18] : token_divisor_q[5][27:10]),
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
      .token_i         (!channel),
      .asym_i          (asym),
      .fold_i          (fold),
      .bits_i          (bits_i),
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

  wire unused = &{1'b0, start_i, rows_i, scale11[15]};

endmodule
