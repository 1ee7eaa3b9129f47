// The units of the core and what joins them (docs/engine.md, 5.3).
//
// unit_i (one-hot, bit opcode - 1) names the unit of the command at hand; start_i,
// beat_valid_i and ready_o have a bit for each unit. The other inputs go to all, as the units'
// own headers say. One kind of command is in flight at a time, so pushes and events never meet:
// they are ORed, and an entry is chosen by unit_i.
// An entry, from bit 0: last, pre, non-finite, saturated, 6 bits of bytes, the beat.
// room_i: the payload FIFO has 4 free places, for ECHO; pf_count_i: its count, for DEQUANTIZE.
// A unit without its bit in Features is not built: never ready, never pushing.
module kv_units #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter int unsigned PayloadDepth = 64,  // places of the payload FIFO
    parameter logic [3:0] Features = 4'hF,  // commands built in, bits kv_pkg::FEAT_*
    localparam int unsigned CountW = $clog2(PayloadDepth + 1),
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [         3:0] unit_i,
    input  logic [         3:0] start_i,
    input  logic [         1:0] scheme_i,
    input  logic                axis_i,
    input  logic [         2:0] group_i,
    input  logic [         3:0] bits_i,
    input  logic                layout_i,
    input  logic [        23:0] rows_i,
    input  logic [        16:0] dims_i,
    input  logic [        16:0] sinks_i,
    input  logic [        16:0] recent_i,
    input  logic [        16:0] topk_i,
    input  logic [         3:0] beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic                beat_abort_i,
    output logic [         3:0] ready_o,
    input  logic [  CountW-1:0] pf_count_i,
    input  logic                room_i,
    output logic                push_o,
    output logic [  EntryW-1:0] entry_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o,
    output logic                ev_token_o,
    output logic [         9:0] ev_groups_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned Units = 4;

  logic [Units-1:0] push_valid;
  logic [Units*EntryW-1:0] push_entry;
  logic [Units-1:0] token;
  logic [Units*10-1:0] groups, nonfinite;
  logic [Units*5-1:0] saturated;

  assign token[0]     = 1'b0;
  assign groups[0+:10]    = '0;
  assign nonfinite[0+:10] = '0;
  assign saturated[0+:5] = '0;

  if (Features[kv_pkg::FEAT_ECHO]) begin : gen_echo
    kv_echo #(
        .Lanes(Lanes)
    ) u_echo (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i),
        .bytes_i     (rows_i[20:0]),
        .beat_valid_i(beat_valid_i[0]),
        .beat_i      (beat_i),
        .beat_last_i (beat_last_i),
        .ready_o     (ready_o[0]),
        .room_i      (room_i),
        .push_valid_o(push_valid[0]),
        .push_data_o (push_entry[EntryW*0+10+:Width]),
        .push_bytes_o(push_entry[EntryW*0+4+:6]),
        .push_last_o (push_entry[EntryW*0+0])
    );
    assign push_entry[EntryW*0+1+:3] = 3'b000;
  end else begin : gen_no_echo
    assign ready_o[0] = 1'b0;
    assign push_valid[0] = 1'b0;
    assign push_entry[EntryW*0+:EntryW] = '0;
  end

  if (Features[kv_pkg::FEAT_QUANTIZE]) begin : gen_quant
    logic quant_done;
    kv_quant #(
        .Lanes(Lanes),
        .MaxDim(MaxDim),
        .TileTokens(TileTokens)
    ) u_quant (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i),
        .start_i         (start_i[1]),
        .scheme_i        (scheme_i),
        .axis_i          (axis_i),
        .group_i         (group_i),
        .bits_i          (bits_i),
        .layout_i        (layout_i),
        .rows_i          (rows_i),
        .dims_i          (dims_i[9:0]),
        .beat_valid_i    (beat_valid_i[1]),
        .beat_i          (beat_i),
        .beat_last_i     (beat_last_i),
        .ready_o         (ready_o[1]),
        .push_valid_o    (push_valid[1]),
        .push_data_o     (push_entry[EntryW*1+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*1+4+:6]),
        .push_last_o     (push_entry[EntryW*1+0]),
        .push_pre_o      (push_entry[EntryW*1+1]),
        .push_nonfinite_o(push_entry[EntryW*1+2]),
        .ev_token_o      (token[1]),
        .ev_groups_o     (groups[10+:10]),
        .ev_nonfinite_o  (nonfinite[10+:10]),
        .pre_start_i     (pre_start_i),
        .pre_valid_o     (pre_valid_o),
        .pre_data_o      (pre_data_o),
        .pre_last_o      (pre_last_o),
        .mixed_i         (1'b0),
        .tier_i          (2'd0),
        .end_i           (1'b0),
        .final_i         (1'b0),
        .done_o          (quant_done)
    );
    wire unused_done = &{1'b0, quant_done};
    assign push_entry[EntryW*1+3] = 1'b0;
    assign saturated[5+:5] = '0;
  end else begin : gen_no_quant
    assign ready_o[1] = 1'b0;
    assign push_valid[1] = 1'b0;
    assign push_entry[EntryW*1+:EntryW] = '0;
    assign token[1] = 1'b0;
    assign groups[10+:10] = '0;
    assign saturated[5+:5] = '0;
    assign nonfinite[10+:10] = '0;
    assign pre_valid_o = 1'b0;
    assign pre_data_o = '0;
    assign pre_last_o = 1'b0;
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
        .start_i         (start_i[2]),
        .scheme_i        (scheme_i),
        .axis_i          (axis_i),
        .group_i         (group_i),
        .bits_i          (bits_i),
        .layout_i        (layout_i),
        .rows_i          (rows_i),
        .dims_i          (dims_i[9:0]),
        .beat_valid_i    (beat_valid_i[2]),
        .beat_i          (beat_i),
        .beat_last_i     (beat_last_i),
        .ready_o         (ready_o[2]),
        .pf_count_i      (pf_count_i),
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
    assign ready_o[2] = 1'b0;
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
        .start_i         (start_i[3]),
        .rows_i          (rows_i),
        .n_i             (dims_i),
        .sinks_i         (sinks_i),
        .recent_i        (recent_i),
        .topk_i          (topk_i),
        .beat_valid_i    (beat_valid_i[3]),
        .beat_i          (beat_i),
        .beat_last_i     (beat_last_i),
        .abort_i         (beat_abort_i),
        .ready_o         (ready_o[3]),
        .push_valid_o    (push_valid[3]),
        .push_data_o     (push_entry[EntryW*3+10+:Width]),
        .push_bytes_o    (push_entry[EntryW*3+4+:6]),
        .push_last_o     (push_entry[EntryW*3+0]),
        .push_pre_o      (push_entry[EntryW*3+1]),
        .push_nonfinite_o(push_entry[EntryW*3+2]),
        .push_saturated_o(push_entry[EntryW*3+3]),
        .ev_saturated_o  (saturated[15+:5]),
        .ev_nonfinite_o  (nonfinite[30+:10])
    );
  end else begin : gen_no_select
    assign ready_o[3] = 1'b0;
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

  assign push_o = push_valid != '0;
  always_comb begin
    case ({unit_i[3] | unit_i[2], unit_i[3] | unit_i[1]})
      2'd0: entry_o = push_entry[EntryW*0+:EntryW];
      2'd1: entry_o = push_entry[EntryW*1+:EntryW];
      2'd2: entry_o = push_entry[EntryW*2+:EntryW];
      default: entry_o = push_entry[EntryW*3+:EntryW];
    endcase
  end

  // Not every set of units reads everything.
  logic unused;
  assign unused = &{
    1'b0, start_i, scheme_i, axis_i, group_i, bits_i, layout_i, rows_i, dims_i, sinks_i, recent_i, topk_i,
    beat_valid_i, beat_last_i, beat_abort_i, pf_count_i, room_i, pre_start_i
  };

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert ($countones(push_valid) <= 1)
      else $error("kv_units: two entries pushed at once");
      assert ((push_valid & ~unit_i) == '0)
      else $error("kv_units: a unit pushes out of its turn");
    end
`endif

endmodule
