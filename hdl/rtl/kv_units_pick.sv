// SELECT, and what makes a COMPRESS of it and QUANTIZE (see kv_units).
//
// start_i, beat_valid_i, ready_o, ready_next_o  bit 0: SELECT, bit 1: COMPRESS; en_i: likewise copies of the enable
// compress_i         the command at hand is a COMPRESS; cfg_i: the request header
// beat_*_i           beats as they came, with their place in the payload, see kv_units
// push_valid_o, push_entry_o  an entry of SELECT; ev_*_o: its events
// For QUANTIZE, see kv_compress: keys_o: the section at hand is that of the keys; row_kept_o: the beat belongs to a kept row,
// row_tier_o: of this tier; section_end_o: the section ends; section_done_i: it has been given in full
// rows_nonfinite_i   elements of rows cleaned in this cycle
// nonfinite_o, saturated_o  of a COMPRESS so far
// Without its bit in Features either is not built: never ready, never pushing. Latencies are those of kv_select.
module kv_units_pick #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxTokens = 4096,
    parameter logic [11:0] Features = 12'hFFF,
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [         1:0] en_i,
    input  logic [         1:0] start_i,
    input  logic                compress_i,
    input  logic [       255:0] cfg_i,
    input  logic [         1:0] beat_valid_i,
    input  logic [16*Lanes-1:0] raw_i,
    input  logic [         1:0] beat_part_i,
    input  logic                beat_part_end_i,
    input  logic                beat_row_end_i,
    input  logic                beat_abort_i,
    output logic [         1:0] ready_o,
    output logic [         1:0] ready_next_o,
    output logic                push_valid_o,
    output logic [  EntryW-1:0] push_entry_o,
    output logic [         4:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o,
    output logic                keys_o,
    output logic                row_kept_o,
    output logic [         1:0] row_tier_o,
    output logic                section_end_o,
    input  logic                section_done_i,
    input  logic [         9:0] rows_nonfinite_i,
    output logic                nonfinite_o,
    output logic                saturated_o
);

  logic [$clog2(MaxTokens)-1:0] row;
  logic row_has_tier, select_done, select_nonfinite, rows_nonfinite;

  if (Features[kv_pkg::FEAT_SELECT]) begin : gen_select
    kv_select #(
        .Lanes(Lanes),
        .MaxTokens(MaxTokens),
        .Features(Features)
    ) u_select (
        .clk_i           (clk_i),
        .rst_i           (rst_i),
        .en_i            (en_i[1]),
        .start_i         (start_i != '0),
        .compress_i      (compress_i),
        .cfg_i           (cfg_i),
        .beat_valid_i    (beat_valid_i[0] || (beat_valid_i[1] && !beat_part_i[1])),
        .beat_i          (raw_i),
        .beat_rows_i     (beat_part_i[0]),
        .beat_part_end_i (beat_part_end_i),
        .beat_row_end_i  (beat_row_end_i),
        .abort_i         (beat_abort_i),
        .ready_o         (ready_o[0]),
        .ready_next_o    (ready_next_o[0]),
        .push_valid_o    (push_valid_o),
        .push_data_o     (push_entry_o[10+:16*Lanes]),
        .push_bytes_o    (push_entry_o[4+:6]),
        .push_last_o     (push_entry_o[0]),
        .push_nonfinite_o(push_entry_o[2]),
        .push_saturated_o(push_entry_o[3]),
        .nonfinite_o     (select_nonfinite),
        .saturated_o     (saturated_o),
        .ev_saturated_o  (ev_saturated_o),
        .ev_nonfinite_o  (ev_nonfinite_o),
        .done_o          (select_done),
        .row_i           (row),
        .row_tier_o      (row_tier_o),
        .row_kept_o      (row_has_tier)
    );
    assign push_entry_o[1] = 1'b0;
  end else begin : gen_no_select
    assign {ready_o[0], ready_next_o[0], push_valid_o, push_entry_o, ev_saturated_o, ev_nonfinite_o} = '0;
    assign {row_tier_o, row_has_tier, select_done, select_nonfinite, saturated_o} = '0;
  end

  if (Features[kv_pkg::FEAT_COMPRESS]) begin : gen_compress
    kv_compress #(
        .MaxTokens(MaxTokens)
    ) u_compress (
        .clk_i          (clk_i),
        .rst_i          (rst_i),
        .en_i           (en_i[0]),
        .start_i        (start_i[1]),
        .scores_out_i   (cfg_i[kv_pkg::REQ_SCORES_OUT_LSB]),
        .beat_valid_i   (beat_valid_i[1]),
        .beat_rows_i    (beat_part_i[1]),
        .beat_part_end_i(beat_part_end_i),
        .beat_row_end_i (beat_row_end_i),
        .ready_o        (ready_o[1]),
        .ready_next_o   (ready_next_o[1]),
        .select_ready_i (ready_o[0]),
        .select_ready_next_i(ready_next_o[0]),
        .select_done_i  (select_done && compress_i),
        .row_o          (row),
        .kept_i         (row_has_tier),
        .keys_o         (keys_o),
        .beat_kept_o    (row_kept_o),
        .end_o          (section_end_o),
        .section_done_i (section_done_i),
        .ev_nonfinite_i (rows_nonfinite_i),
        .nonfinite_o    (rows_nonfinite)
    );
  end else begin : gen_no_compress
    assign {ready_o[1], ready_next_o[1], keys_o, row_kept_o, section_end_o, rows_nonfinite, row} = '0;
  end

  assign nonfinite_o = select_nonfinite || rows_nonfinite;

  wire unused = &{
    1'b0, clk_i, rst_i, en_i, start_i, compress_i, cfg_i, beat_valid_i, raw_i, beat_part_i, beat_part_end_i, beat_row_end_i,
    beat_abort_i, section_done_i, rows_nonfinite_i, row, row_has_tier, select_done
  };

endmodule
