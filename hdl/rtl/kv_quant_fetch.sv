// When the groups of QUANTIZE are read from the ring, which is in here.
//
// put_i, beat_i    a beat to keep, in t + 1; beats_i: beats of its group before it; see kv_quant_intake
// complete_i, complete2_i  in t + 2 and t + 4: the group is complete, {valid, tier, last, saturated, non-finite}
// served_i         the last extent of a per-channel group goes by
// channel_i to dims_i      settings; start_i: a packet starts
// end_i            Compress: see kv_quant, as done_o; clear_o, flush_o: see kv_quant_end
// read_o           a beat is read: from t + 12 on per token, from 11 cycles after served_i on per channel; or one that the end of
//                  a section left over. first_o: of its group; last_o: of its packet; bank_o, word_o: see kv_quant_drain;
//                  tag_o: {left over, tier, saturated, non-finite}
// beat_o           the beat, two cycles later
// ev_token_o, ev_groups_o  events of this cycle
// A beat a cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_fetch #(
    parameter int unsigned Lanes      = 8,
    parameter int unsigned MaxDim     = 256,
    parameter int unsigned TileTokens = 128,
    parameter bit          Compress   = 1'b0,
    parameter int unsigned FlushLatency = 20,
    localparam int unsigned WordW = $clog2(MaxDim / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic                channel_i,
    input  logic                fold_i,
    input  logic                by_tier_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic [        15:0] group_top_i,
    input  logic [         9:0] dims_i,
    input  logic                put_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic [        15:0] beats_i,
    input  logic [         5:0] complete_i,
    input  logic [         5:0] complete2_i,
    input  logic                served_i,
    input  logic                end_i,
    output logic                clear_o,
    output logic                flush_o,
    output logic                done_o,
    output logic                read_o,
    output logic                first_o,
    output logic                last_o,
    output logic [         4:0] tag_o,
    output logic [         1:0] bank_o,
    output logic [   WordW-1:0] word_o,
    output logic [16*Lanes-1:0] beat_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o
);

  // When to read: 12 cycles after a per-token group, or 11 after the last extent of a per-channel one.
  localparam int unsigned Wait = kv_pkg::LAT_QUANT_CHANNEL - 5;
  localparam int unsigned Join = Wait + 5 - kv_pkg::LAT_QUANT_TOKEN;
  logic [5:0] complete3_q;  // in t + 5
  logic [5:0] wait_q[1:Wait];
  logic [4:0] serving_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      complete3_q <= '0;
      for (int i = 1; i <= Wait; i++) wait_q[i] <= '0;
    end else if (en_i) begin
      complete3_q <= complete2_i;
      wait_q[1]   <= {channel_i && served_i, serving_q};
      for (int i = 2; i <= Wait; i++) wait_q[i] <= wait_q[i-1];
      if (!channel_i && complete2_i[5]) wait_q[Join] <= complete2_i;
    end
  end

  always_ff @(posedge clk_i) if (en_i && complete3_q[5]) serving_q <= complete3_q[4:0];

  // The end of a section of COMPRESS: rows left over are read, then the packer gives what it holds.
  logic rest_go;
  logic [15:0] rest_beats;

  if (Compress) begin : gen_end
    kv_quant_end #(
        .FlushLatency(FlushLatency)
    ) u_end (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i),
        .end_i       (end_i),
        .read_i      (read_o),
        .channel_i   (channel_i),
        .complete_i  (complete_i[5]),
        .started_i   (wait_q[Wait][5]),
        .beats_i     (beats_i),
        .clear_o     (clear_o),
        .rest_go_o   (rest_go),
        .rest_beats_o(rest_beats),
        .flush_o     (flush_o),
        .done_o      (done_o)
    );
  end else begin : gen_no_end
    assign {clear_o, rest_go, rest_beats, flush_o, done_o} = '0;
  end

  logic row, raw;

  kv_quant_drain #(
      .Lanes     (Lanes),
      .MaxDim    (MaxDim),
      .TileTokens(TileTokens),
      .TagW      (5)
  ) u_drain (
      .clk_i     (clk_i),
      .rst_i     (rst_i),
      .en_i      (en_i),
      .start_i   (start_i),
      .put_i     (put_i),
      .beat_i    (beat_i),
      .bank_i    (channel_i && !rest_go),
      .fold_i    (fold_i),
      .beats_i   (rest_go ? rest_beats : group_top_i),
      .top_word_i(top_word_i),
      .go_i      (wait_q[Wait][5] || rest_go),
      .go_last_i (wait_q[Wait][2] && !rest_go),
      .go_tag_i  ({rest_go, wait_q[Wait][4:3], wait_q[Wait][1:0] & {2{!rest_go}}}),
      .read_o    (read_o),
      .first_o   (first_o),
      .row_o     (row),
      .last_o    (last_o),
      .tag_o     (tag_o),
      .bank_o    (bank_o),
      .word_o    (word_o),
      .beat_o    (beat_o)
  );

  assign ev_token_o  = read_o && row;
  assign raw         = rest_go || (by_tier_i && tag_o[3:2] == 2'd0);
  assign ev_groups_o = read_o && first_o && !raw ? (channel_i ? dims_i : 10'd1) : '0;

  wire unused = &{1'b0, complete_i, beats_i, end_i};

endmodule
