// The units that move bytes as they are: ECHO, and SOURCE and SINK in one (see kv_units).
//
// en_i            bit 0 for ECHO, bit 1 for the other; likewise push_valid_o and push_entry_o, an entry each
// start_i         bit 0: a SOURCE, bit 1: a SINK. cfg_i: the request header
// beat_valid_i    bit 0: a beat for ECHO, bit 1: for SINK; beat_last_i, beat_abort_i: see kv_units
// ready_o, ready_next_o  of ECHO, SOURCE, SINK, from bit 0; ECHO's come from room_i and room_next_i
// One without its bit in Features is not built: never ready, never pushing. Latencies are those of kv_echo and kv_prbs.
module kv_units_bytes #(
    parameter int unsigned Lanes = 8,
    parameter logic [11:0] Features = 12'hFFF,
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [         1:0] en_i,
    input  logic [         1:0] start_i,
    input  logic [       255:0] cfg_i,
    input  logic [         1:0] beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic                beat_abort_i,
    input  logic                room_i,
    input  logic                room_next_i,
    output logic [         2:0] ready_o,
    output logic [         2:0] ready_next_o,
    output logic [         1:0] push_valid_o,
    output logic [2*EntryW-1:0] push_entry_o
);

  localparam int unsigned Width = 16 * Lanes;

  if (Features[kv_pkg::FEAT_ECHO]) begin : gen_echo
    kv_echo #(
        .Lanes(Lanes)
    ) u_echo (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i[0]),
        .bytes_i     (cfg_i[kv_pkg::REQ_ROWS_LSB+:21]),
        .beat_valid_i(beat_valid_i[0]),
        .beat_i      (beat_i),
        .beat_last_i (beat_last_i),
        .ready_o     (ready_o[0]),
        .room_i      (room_i),
        .push_valid_o(push_valid_o[0]),
        .push_data_o (push_entry_o[10+:Width]),
        .push_bytes_o(push_entry_o[4+:6]),
        .push_last_o (push_entry_o[0])
    );
    assign push_entry_o[1+:3] = 3'b000;
    assign ready_next_o[0] = room_next_i;
  end else begin : gen_no_echo
    assign ready_o[0] = 1'b0;
    assign ready_next_o[0] = 1'b0;
    assign push_valid_o[0] = 1'b0;
    assign push_entry_o[0+:EntryW] = '0;
  end

  if (Features[kv_pkg::FEAT_LINK]) begin : gen_link
    kv_prbs #(
        .Lanes(Lanes)
    ) u_prbs (
        .clk_i       (clk_i),
        .rst_i       (rst_i),
        .en_i        (en_i[1]),
        .source_i    (start_i[0]),
        .sink_i      (start_i[1]),
        .bytes_i     (cfg_i[kv_pkg::REQ_ROWS_LSB+:31]),
        .seed_i      (cfg_i[kv_pkg::REQ_SEED_LSB+:31]),
        .room_i      (room_i),
        .beat_valid_i(beat_valid_i[1]),
        .beat_i      (beat_i),
        .beat_last_i (beat_last_i),
        .abort_i     (beat_abort_i),
        .push_valid_o(push_valid_o[1]),
        .push_data_o (push_entry_o[EntryW+10+:Width]),
        .push_bytes_o(push_entry_o[EntryW+4+:6]),
        .push_last_o (push_entry_o[EntryW])
    );
    assign push_entry_o[EntryW+1+:3] = 3'b000;
    assign ready_o[2:1] = 2'b11;
    assign ready_next_o[2:1] = 2'b11;
  end else begin : gen_no_link
    assign push_valid_o[1] = 1'b0;
    assign push_entry_o[EntryW+:EntryW] = '0;
    assign ready_o[2:1] = 2'b00;
    assign ready_next_o[2:1] = 2'b00;
  end

  wire unused = &{1'b0, clk_i, rst_i, en_i, start_i, cfg_i, beat_valid_i, beat_i, beat_last_i, beat_abort_i, room_i, room_next_i};

endmodule
