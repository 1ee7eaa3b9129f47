// Result of a SELECT: tiers, list or map, scores; the entries for the payload FIFO (docs/engine.md, 5.9).
//
// cfg_i, compress_i  as in kv_select. tier_i, fresh_i: as kv_select_sequence gives them.
// clear1_i    a sweep begins: its first word is at stage 1.
// valid5_i    stage 5 of a word of it: word5_i, last5_i, keep5_i: its found lanes. elem4_i, prot4_i: one
//             cycle before, its lanes that hold positions, protected ones.
// give_i      a quarter of a word of scores is read, done_i with the last; give_beat_i: two cycles later, the beat.
// cut_i       the empty entry of an aborted command is due.
// nonfinite_i, saturated_i  the flags for the last entry.
// push_*_o, row_i, row_*_o  as in kv_select.
// Nothing moves in a cycle with en_i = 0.
module kv_select_result #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter bit Tiers = 1'b1,
    localparam int unsigned WordW = $clog2(MaxTokens / Lanes),
    localparam int unsigned RowW = $clog2(MaxTokens)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [       255:0] cfg_i,
    input  logic                compress_i,
    input  logic [         1:0] tier_i,
    input  logic                fresh_i,
    input  logic                clear1_i,
    input  logic                valid5_i,
    input  logic [   WordW-1:0] word5_i,
    input  logic                last5_i,
    input  logic [   Lanes-1:0] keep5_i,
    input  logic [   Lanes-1:0] elem4_i,
    input  logic [   Lanes-1:0] prot4_i,
    input  logic                give_i,
    input  logic                done_i,
    input  logic [16*Lanes-1:0] give_beat_i,
    input  logic                cut_i,
    input  logic                nonfinite_i,
    input  logic                saturated_i,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o,
    output logic                push_nonfinite_o,
    output logic                push_saturated_o,
    input  logic [    RowW-1:0] row_i,
    output logic [         1:0] row_tier_o,
    output logic                row_kept_o
);

  if (kv_pkg::LAT_SELECT_EMIT != 8 || kv_pkg::LAT_SELECT_SCORES != 4) begin : g_latency
    $error("kv_select_result: built for other latencies");
  end

  logic [1:0] form;
  logic tiers, bitmap, more, emitting;

  assign form     = cfg_i[kv_pkg::REQ_RESULT_LSB+:2];
  assign tiers    = Tiers && (compress_i || form == 2'(kv_pkg::RESULT_TIERS));
  assign bitmap   = !compress_i && form == 2'(kv_pkg::RESULT_BITMAP);
  assign more     = compress_i || cfg_i[kv_pkg::REQ_SCORES_OUT_LSB];
  assign emitting = valid5_i && (!Tiers || tier_i == 2'd3);

  logic [4*Lanes-1:0] tier7;

  if (Tiers) begin : g_label
    logic [Lanes-1:0] elem5_q, prot5_q;

    always_ff @(posedge clk_i)
      if (en_i) begin
        elem5_q <= elem4_i;
        prot5_q <= prot4_i;
      end

    kv_select_label #(
        .Lanes    (Lanes),
        .MaxTokens(MaxTokens)
    ) u_label (
        .clk_i,
        .rst_i,
        .en_i,
        .tier_i,
        .prot_i    (tier_i >= cfg_i[kv_pkg::REQ_PROT_TIER_LSB+:2]),
        .fresh_i,
        .valid5_i,
        .word5_i,
        .keep5_i,
        .elem5_i   (elem5_q),
        .prot5_i   (prot5_q),
        .tier7_o   (tier7),
        .row_i,
        .row_tier_o,
        .row_kept_o
    );
  end else begin : g_no_label
    assign tier7 = '0;
    assign row_tier_o = '0;
    assign row_kept_o = 1'b0;

    logic unused;
    assign unused = &{1'b0, row_i, tier_i, fresh_i, elem4_i, prot4_i};
  end

  // List and map.
  logic list_valid, list_last, map_valid, map_last;
  logic [5:0] list_bytes, map_bytes;
  logic [16*Lanes-1:0] list_data, map_data;
  logic map6_q, map7_q, last6_q, last7_q;
  logic [3:0] word6_q;
  logic [Lanes-1:0] keep6_q, keep7_q;

  kv_select_pack #(
      .Lanes(Lanes),
      .WordW(WordW)
  ) u_pack (
      .clk_i,
      .rst_i,
      .en_i,
      .clear_i     (clear1_i),
      .valid5_i    (emitting && !bitmap && !tiers),
      .last5_i,
      .word5_i,
      .keep5_i,
      .push_valid_o(list_valid),
      .push_last_o (list_last),
      .push_bytes_o(list_bytes),
      .push_data_o (list_data)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      map6_q <= 1'b0;
      map7_q <= 1'b0;
    end else if (en_i) begin
      map6_q <= emitting && (bitmap || tiers);
      map7_q <= map6_q;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      last6_q <= last5_i;
      last7_q <= last6_q;
      word6_q <= word5_i[3:0];
      keep6_q <= keep5_i;
      keep7_q <= keep6_q;
    end

  kv_select_map #(
      .Lanes(Lanes),
      .Tiers(Tiers)
  ) u_map (
      .clk_i,
      .rst_i,
      .en_i,
      .tiers_i     (tiers),
      .n_i         (cfg_i[kv_pkg::REQ_DIMS_LSB+:8]),
      .valid7_i    (map7_q),
      .last7_i     (last7_q),
      .word6_i     (word6_q),
      .keep7_i     (keep7_q),
      .tier7_i     (tier7),
      .push_valid_o(map_valid),
      .push_last_o (map_last),
      .push_bytes_o(map_bytes),
      .push_data_o (map_data)
  );

  // Entries. If something follows, what would be the last is a full one, or none if it is empty.
  logic [2:1] give_q, give_last_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) give_q <= '0;
    else if (en_i) give_q <= {give_q[1], give_i};
  end

  always_ff @(posedge clk_i) if (en_i) give_last_q <= {give_last_q[1], done_i};

  always_comb begin
    push_valid_o = map_valid || (list_valid && !(more && list_bytes == '0));
    push_data_o  = list_valid ? list_data : map_data;
    push_bytes_o = more ? 6'(2 * Lanes) : list_valid ? list_bytes : map_bytes;
    push_last_o  = !more && (list_valid ? list_last : map_valid && map_last);
    if (give_q[2]) begin
      push_valid_o = 1'b1;
      push_data_o  = give_beat_i;
      push_last_o  = give_last_q[2] && !compress_i;
    end
    if (cut_i) begin
      push_valid_o = 1'b1;
      push_bytes_o = 6'd0;
      push_last_o  = 1'b1;
    end
  end

  assign push_nonfinite_o = push_last_o && nonfinite_i;
  assign push_saturated_o = push_last_o && saturated_i;

  // The other fields are read where they are needed.
  logic unused_cfg;
  assign unused_cfg = &{1'b0, cfg_i};

endmodule
