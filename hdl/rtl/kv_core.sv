// The patient core: front, units, payload FIFO, back (docs/engine.md, 5.3).
//
// rst_i is the core reset (hard or soft), en_i the core's clock enable. In an enabled cycle
// with in_want_o a beat is offered, and out_want_o is answered by room for a beat; the shell
// sees to both, so nothing in here depends on a cycle with en_i = 0 but the counts of
// such cycles (stall_in_i, stall_out_i), which only travel into the trailers.
//
// ev_*: events of this cycle, to be counted if it is enabled. flight_o: descriptors in flight.
// A command without its bit in Features has no unit, and the front refuses it. One kind of
// command is in flight at a time, so the units' pushes and events never meet.
module kv_core #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned MaxTokens = 4096,
    parameter logic [3:0] Features = 4'hF
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                in_valid_i,
    input  logic [16*Lanes-1:0] in_data_i,
    input  logic                in_last_i,
    output logic                in_take_o,
    output logic                in_want_o,
    output logic                out_want_o,
    output logic                out_push_o,
    output logic [16*Lanes-1:0] out_data_o,
    output logic                out_last_o,
    input  logic                stall_in_i,
    input  logic                stall_out_i,
    output logic                idle_o,
    output logic [         2:0] flight_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o,
    output logic                ev_error_o,
    output logic [         2:0] ev_status_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned HeadBeats = 256 / Width;
  localparam int unsigned PayloadDepth = 1 << $clog2(MaxDim / Lanes + 8 * HeadBeats + 16);
  localparam int unsigned CountW = $clog2(PayloadDepth + 1);
  localparam int unsigned Units = 4;
  localparam int unsigned DescW = 8 + 16 + 8 + 3 * 32;
  localparam int unsigned OutcomeW = 8 + 32;
  localparam int unsigned EntryW = Width + 6 + 4;

  // Counts of the core, zeroed by its reset only.
  logic [31:0] cycle_q, stall_in_q, stall_out_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      cycle_q     <= '0;
      stall_in_q  <= '0;
      stall_out_q <= '0;
    end else begin
      if (en_i) cycle_q <= cycle_q + 32'd1;
      if (stall_in_i) stall_in_q <= stall_in_q + 32'd1;
      if (stall_out_i) stall_out_q <= stall_out_q + 32'd1;
    end
  end

  // Front
  logic desc_push, desc_valid, outcome_push, done, empty;
  logic [DescW-1:0] desc_in, desc_out;
  logic [OutcomeW-1:0] outcome_in, outcome_out;
  logic [Units-1:0] unit, start, ready, beat_valid;
  logic [1:0] cfg_scheme;
  logic cfg_axis;
  logic [2:0] cfg_group;
  logic [3:0] cfg_bits;
  logic [23:0] cfg_rows;
  logic [16:0] cfg_dims, cfg_sinks, cfg_recent, cfg_topk;
  logic [Width-1:0] beat;
  logic beat_last, beat_abort;

  kv_front #(
      .Lanes(Lanes),
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features),
      .MarkBack(HeadBeats + 2)
  ) u_front (
      .clk_i           (clk_i),
      .rst_i           (rst_i),
      .en_i            (en_i),
      .in_valid_i      (in_valid_i),
      .in_data_i       (in_data_i),
      .in_last_i       (in_last_i),
      .in_take_o       (in_take_o),
      .in_want_o       (in_want_o),
      .idle_o          (idle_o),
      .now_cycle_i     (cycle_q),
      .now_stall_in_i  (stall_in_q),
      .now_stall_out_i (stall_out_q),
      .flight_i        (flight_o),
      .none_i          (!desc_valid),
      .desc_push_o     (desc_push),
      .desc_opcode_o   (desc_in[7:0]),
      .desc_tag_o      (desc_in[23:8]),
      .desc_status_o   (desc_in[31:24]),
      .desc_mark_o     (desc_in[63:32]),
      .desc_stall_in_o (desc_in[95:64]),
      .desc_stall_out_o(desc_in[127:96]),
      .outcome_push_o  (outcome_push),
      .outcome_status_o(outcome_in[7:0]),
      .outcome_bytes_o (outcome_in[39:8]),
      .empty_o         (empty),
      .unit_o          (unit),
      .start_o         (start),
      .cfg_scheme_o    (cfg_scheme),
      .cfg_axis_o      (cfg_axis),
      .cfg_group_o     (cfg_group),
      .cfg_bits_o      (cfg_bits),
      .cfg_rows_o      (cfg_rows),
      .cfg_dims_o      (cfg_dims),
      .cfg_sinks_o     (cfg_sinks),
      .cfg_recent_o    (cfg_recent),
      .cfg_topk_o      (cfg_topk),
      .ready_i         (ready),
      .beat_valid_o    (beat_valid),
      .beat_o          (beat),
      .beat_last_o     (beat_last),
      .beat_abort_o    (beat_abort)
  );

  kv_fifo #(
      .Width(DescW),
      .Depth(kv_pkg::MAX_IN_FLIGHT)
  ) u_descriptors (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .push_i (desc_push),
      .data_i (desc_in),
      .pop_i  (done),
      .valid_o(desc_valid),
      .data_o (desc_out),
      .count_o(flight_o)
  );

  logic [2:0] outcome_count;
  logic outcome_valid;
  kv_fifo #(
      .Width(OutcomeW),
      .Depth(kv_pkg::MAX_IN_FLIGHT)
  ) u_outcomes (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .push_i (outcome_push),
      .data_i (outcome_in),
      .pop_i  (done),
      .valid_o(outcome_valid),
      .data_o (outcome_out),
      .count_o(outcome_count)
  );

  // Units. An entry, from bit 0: last, pre, non-finite, saturated, bytes, beat.
  logic [Units-1:0] push_valid;
  logic [Units*EntryW-1:0] push_entry;
  logic [CountW-1:0] pf_count;
  logic [Units-1:0] token;
  logic [Units*10-1:0] groups, nonfinite;
  logic [Units*5-1:0] saturated;
  logic pre_start, pre_valid, pre_last;
  logic [Width-1:0] pre_data;

  assign token[0]     = 1'b0;
  assign groups[0+:10]    = '0;
  assign nonfinite[0+:10] = '0;
  assign saturated[0+:5] = '0;

  if (Features[kv_pkg::FEAT_ECHO]) begin : gen_echo
    kv_echo #(
        .Lanes(Lanes),
        .PayloadDepth(PayloadDepth)
    ) u_echo (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i),
        .bytes_i     (cfg_rows[20:0]),
        .beat_valid_i(beat_valid[0]),
        .beat_i      (beat),
        .beat_last_i (beat_last),
        .ready_o     (ready[0]),
        .pf_count_i  (pf_count),
        .push_valid_o(push_valid[0]),
        .push_data_o (push_entry[EntryW*0+10+:Width]),
        .push_bytes_o(push_entry[EntryW*0+4+:6]),
        .push_last_o (push_entry[EntryW*0+0])
    );
    assign push_entry[EntryW*0+1+:3] = 3'b000;
  end else begin : gen_no_echo
    assign ready[0] = 1'b0;
    assign push_valid[0] = 1'b0;
    assign push_entry[EntryW*0+:EntryW] = '0;
  end

  if (Features[kv_pkg::FEAT_QUANTIZE]) begin : gen_quant
    kv_quant #(
        .Lanes(Lanes),
        .MaxDim(MaxDim),
        .TileTokens(TileTokens)
    ) u_quant (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i),
        .start_i         (start[1]),
        .scheme_i        (cfg_scheme),
        .axis_i          (cfg_axis),
        .group_i         (cfg_group),
        .bits_i          (cfg_bits),
        .rows_i          (cfg_rows),
        .dims_i          (cfg_dims[9:0]),
        .beat_valid_i    (beat_valid[1]),
        .beat_i          (beat),
        .beat_last_i     (beat_last),
        .ready_o         (ready[1]),
        .push_valid_o    (push_valid[1]),
        .push_data_o     (push_entry[EntryW*1+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*1+4+:6]),
        .push_last_o     (push_entry[EntryW*1+0]),
        .push_pre_o      (push_entry[EntryW*1+1]),
        .push_nonfinite_o(push_entry[EntryW*1+2]),
        .ev_token_o      (token[1]),
        .ev_groups_o     (groups[10+:10]),
        .ev_nonfinite_o  (nonfinite[10+:10]),
        .pre_start_i     (pre_start),
        .pre_valid_o     (pre_valid),
        .pre_data_o      (pre_data),
        .pre_last_o      (pre_last)
    );
    assign push_entry[EntryW*1+3] = 1'b0;
    assign saturated[5+:5] = '0;
  end else begin : gen_no_quant
    assign ready[1] = 1'b0;
    assign push_valid[1] = 1'b0;
    assign push_entry[EntryW*1+:EntryW] = '0;
    assign token[1] = 1'b0;
    assign groups[10+:10] = '0;
    assign saturated[5+:5] = '0;
    assign nonfinite[10+:10] = '0;
    assign pre_valid = 1'b0;
    assign pre_data = '0;
    assign pre_last = 1'b0;
  end

  if (Features[kv_pkg::FEAT_DEQUANTIZE]) begin : gen_dequant
    kv_dequant #(
        .Lanes(Lanes),
        .MaxDim(MaxDim),
        .TileTokens(TileTokens),
        .PayloadDepth(PayloadDepth)
    ) u_dequant (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i),
        .start_i         (start[2]),
        .scheme_i        (cfg_scheme),
        .axis_i          (cfg_axis),
        .group_i         (cfg_group),
        .bits_i          (cfg_bits),
        .rows_i          (cfg_rows),
        .dims_i          (cfg_dims[9:0]),
        .beat_valid_i    (beat_valid[2]),
        .beat_i          (beat),
        .beat_last_i     (beat_last),
        .ready_o         (ready[2]),
        .pf_count_i      (pf_count),
        .push_valid_o    (push_valid[2]),
        .push_data_o     (push_entry[EntryW*2+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*2+4+:6]),
        .push_last_o     (push_entry[EntryW*2+0]),
        .push_pre_o      (push_entry[EntryW*2+1]),
        .push_nonfinite_o(push_entry[EntryW*2+2]),
        .push_saturated_o(push_entry[EntryW*2+3]),
        .ev_token_o      (token[2]),
        .ev_groups_o     (groups[20+:10]),
        .ev_saturated_o  (saturated[10+:5]),
        .ev_nonfinite_o  (nonfinite[20+:10])
    );
  end else begin : gen_no_dequant
    assign ready[2] = 1'b0;
    assign push_valid[2] = 1'b0;
    assign push_entry[EntryW*2+:EntryW] = '0;
    assign token[2] = 1'b0;
    assign groups[20+:10] = '0;
    assign saturated[10+:5] = '0;
    assign nonfinite[20+:10] = '0;
  end

  if (Features[kv_pkg::FEAT_SELECT]) begin : gen_select
    kv_select #(
        .Lanes(Lanes),
        .MaxTokens(MaxTokens)
    ) u_select (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i),
        .start_i         (start[3]),
        .rows_i          (cfg_rows),
        .n_i             (cfg_dims),
        .sinks_i         (cfg_sinks),
        .recent_i        (cfg_recent),
        .topk_i          (cfg_topk),
        .beat_valid_i    (beat_valid[3]),
        .beat_i          (beat),
        .beat_last_i     (beat_last),
        .abort_i         (beat_abort),
        .ready_o         (ready[3]),
        .push_valid_o    (push_valid[3]),
        .push_data_o     (push_entry[EntryW*3+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*3+4+:6]),
        .push_last_o     (push_entry[EntryW*3+0]),
        .push_nonfinite_o(push_entry[EntryW*3+2]),
        .push_saturated_o(push_entry[EntryW*3+3]),
        .ev_saturated_o  (saturated[15+:5]),
        .ev_nonfinite_o  (nonfinite[30+:10])
    );
    assign push_entry[EntryW*3+1] = 1'b0;
  end else begin : gen_no_select
    assign ready[3] = 1'b0;
    assign push_valid[3] = 1'b0;
    assign push_entry[EntryW*3+:EntryW] = '0;
    assign saturated[15+:5] = '0;
    assign nonfinite[30+:10] = '0;
  end
  assign token[3]  = 1'b0;
  assign groups[30+:10] = '0;

  always_comb begin
    ev_token_o     = |token;
    ev_groups_o    = '0;
    ev_saturated_o = '0;
    ev_nonfinite_o = '0;
    for (int i = 0; i < Units; i++) begin
      ev_groups_o |= groups[10*i+:10];
      ev_saturated_o |= saturated[5*i+:5];
      ev_nonfinite_o |= nonfinite[10*i+:10];
    end
  end

  // Payload FIFO. The empty last entry of a command without payload is the front's.
  logic entry_push, entry_valid, entry_pop;
  logic [EntryW-1:0] entry_in, entry_out;

  always_comb begin
    entry_in = '0;
    for (int i = 0; i < Units; i++) if (unit[i]) entry_in |= push_entry[EntryW*i+:EntryW];
    if (empty) entry_in[9:0] = 10'd1;
  end
  assign entry_push = empty | (|push_valid);

  kv_fifo #(
      .Width(EntryW),
      .Depth(PayloadDepth)
  ) u_payload (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .en_i   (en_i),
      .push_i (entry_push),
      .data_i (entry_in),
      .pop_i  (entry_pop),
      .valid_o(entry_valid),
      .data_o (entry_out),
      .count_o(pf_count)
  );

  kv_back #(
      .Lanes(Lanes)
  ) u_back (
      .clk_i            (clk_i),
      .rst_i            (rst_i),
      .en_i             (en_i),
      .desc_valid_i     (desc_valid),
      .desc_opcode_i    (desc_out[7:0]),
      .desc_tag_i       (desc_out[23:8]),
      .desc_status_i    (desc_out[31:24]),
      .desc_mark_i      (desc_out[63:32]),
      .desc_stall_in_i  (desc_out[95:64]),
      .desc_stall_out_i (desc_out[127:96]),
      .outcome_status_i (outcome_out[7:0]),
      .outcome_bytes_i  (outcome_out[39:8]),
      .done_o           (done),
      .entry_valid_i    (entry_valid),
      .entry_data_i     (entry_out[10+:Width]),
      .entry_bytes_i    (entry_out[9:4]),
      .entry_last_i     (entry_out[0]),
      .entry_pre_i      (entry_out[1]),
      .entry_nonfinite_i(entry_out[2]),
      .entry_saturated_i(entry_out[3]),
      .entry_pop_o      (entry_pop),
      .pre_start_o      (pre_start),
      .pre_valid_i      (pre_valid),
      .pre_data_i       (pre_data),
      .pre_last_i       (pre_last),
      .now_cycle_i      (cycle_q),
      .now_stall_in_i   (stall_in_q),
      .now_stall_out_i  (stall_out_q),
      .out_want_o       (out_want_o),
      .out_push_o       (out_push_o),
      .out_data_o       (out_data_o),
      .out_last_o       (out_last_o),
      .error_valid_o    (ev_error_o),
      .error_status_o   (ev_status_o)
  );

  // Not every set of units reads everything.
  logic unused;
  assign unused = &{
    1'b0, outcome_count, outcome_valid, start, beat_valid, beat_abort, pre_start, cfg_scheme, cfg_axis,
    cfg_group, cfg_bits, cfg_rows, cfg_dims, cfg_sinks, cfg_recent, cfg_topk
  };

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert ($countones({empty, push_valid}) <= 1)
      else $error("kv_core: two entries pushed at once");
      assert ((push_valid & ~unit) == '0)
      else $error("kv_core: a unit pushes out of its turn");
      assert (!(ev_error_o && !outcome_valid))
      else $error("kv_core: a trailer without an outcome");
    end
`endif

endmodule
