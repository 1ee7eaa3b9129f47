// Front of the core: takes packets apart and dispatches commands (docs/engine.md, 5.4).
//
// in_*      the beat the shell offers; in_take_o takes it in this (enabled) cycle.
//           in_want_next_o: in the next cycle, if this one is enabled, the core cannot go on without one.
//           idle_o comes from registers.
// now_*     the core's counts of enabled, STALL_IN and STALL_OUT cycles at the start
//           of the cycle.
// flight_i  descriptors in flight, none_i: there are none.
// stamp_o   the first header beat is taken: the counts of this cycle are desc_mark_o (the cycle count less MarkBack, so
//           that the back need not add a constant), desc_stall_in_o and desc_stall_out_o.
// desc_*    a descriptor is pushed (dispatch, cycle x); the counts that go with it are those of the last stamp_o.
// outcome_* status and BytesIn of a command are pushed, once for each descriptor.
// empty_o   the front's own empty last entry is pushed into the payload FIFO (x + 1).
// unit_o    one-hot, bit opcode - 1: the unit of the last dispatched command (0: refused).
// start_o   one-hot, in x + 1; cfg_o, the header, holds from then to the next dispatch.
// ready_next_i  which units take a beat in the next cycle, if this one is enabled. In the cycle of a dispatch
//           what its unit says holds for the new command: if that is of another kind, the unit is empty.
// beat_*    a beat for that unit, only if it said so.
//           beat_part_o: the part of the payload it belongs to, beat_part_end_o: as its last,
//           beat_row_end_o: as the last of a row (see kv_front_count). beat_abort_o: TLAST
//           came with this beat, too early, in a SINK or the selection part of a SELECT or COMPRESS.
//
// Nothing is taken while the command at hand may not be dispatched yet; a packet of which
// the first beat has been taken is waited for (in_want_next_o) up to the end of its payload.
module kv_front #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter logic [11:0] Features = 12'hFFF,  // built in, bits kv_pkg::FEAT_*
    parameter int unsigned MarkBack = 4  // the constant part of Cycles
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                in_valid_i,
    input  logic [16*Lanes-1:0] in_data_i,
    input  logic                in_last_i,
    output logic                in_take_o,
    output logic                in_want_next_o,
    output logic                idle_o,
    input  logic [        31:0] now_cycle_i,
    input  logic [        31:0] now_stall_in_i,
    input  logic [        31:0] now_stall_out_i,
    input  logic [         2:0] flight_i,
    input  logic                none_i,
    output logic                stamp_o,
    output logic                desc_push_o,
    output logic [         7:0] desc_opcode_o,
    output logic [        15:0] desc_tag_o,
    output logic [         2:0] desc_status_o,
    output logic [        31:0] desc_mark_o,
    output logic [        31:0] desc_stall_in_o,
    output logic [        31:0] desc_stall_out_o,
    output logic                outcome_push_o,
    output logic [         2:0] outcome_status_o,
    output logic [        31:0] outcome_bytes_o,
    output logic                empty_o,
    output logic [         6:0] unit_o,
    output logic [         6:0] start_o,
    output logic [       255:0] cfg_o,
    input  logic [         6:0] ready_next_i,
    output logic [         6:0] beat_valid_o,
    output logic [16*Lanes-1:0] beat_o,
    output logic                beat_last_o,
    output logic [         1:0] beat_part_o,
    output logic                beat_part_end_o,
    output logic                beat_row_end_o,
    output logic                beat_abort_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned HeadBeats = 256 / Width;
  localparam bit HasScore = Features[kv_pkg::FEAT_SELECT] || Features[kv_pkg::FEAT_COMPRESS];
  localparam int unsigned BytesB = $clog2(2 * Lanes);
  localparam int unsigned BeatsW = 32 - BytesB;

  typedef enum logic [2:0] {
    Head,
    Check,
    Pay,
    Pad,
    Drain
  } state_e;

  state_e state_q, state_d;
  logic [2:0] hb_q;  // header beat index
  logic [255:0] head_q;
  logic short_q, tlast_q;  // TLAST before the last header beat, on it
  logic checked_q;  // not the first cycle of CHECK
  logic [BeatsW-1:0] beats_q;  // payload beats taken
  logic [BeatsW-1:0] beats_now;
  logic last_ok_q, same_q;  // the last command dispatched was not refused

  logic head_take, head_done, in_payload, last, dispatch, begins, may, pay, cut, pay_end;
  logic [6:0] next_unit;
  logic blank_q;  // not PAY, beside state_q for the width of a beat
  logic unit_ready_q, unit_ready_next;  // the unit takes a beat
  logic [2:0] status;
  logic refused, empty;
  logic [6:0] op_unit;
  logic source;  // payload goes out only

  kv_front_check #(
      .MaxDim(MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens(MaxTokens),
      .Features(Features)
  ) u_check (
      .clk_i    (clk_i),
      .en_i     (en_i),
      .header_i (head_q),
      .short_i  (short_q),
      .tlast_i  (tlast_q),
      .status_o (status),
      .refused_o(refused),
      .empty_o  (empty)
  );

  kv_front_count #(
      .Lanes(Lanes),
      .HasRun(Features[kv_pkg::FEAT_DEQUANTIZE]),
      .HasRows(HasScore || Features[kv_pkg::FEAT_QUANTIZE]),
      .HasScore(HasScore)
  ) u_count (
      .clk_i     (clk_i),
      .en_i      (en_i),
      .header_i  (head_q),
      .load_i    (state_q == Check),
      .beat_i    (in_payload & unit_ready_q),
      .last_o    (last),
      .part_o    (beat_part_o),
      .part_end_o(beat_part_end_o),
      .row_end_o (beat_row_end_o)
  );

  assign idle_o = state_q == Head && hb_q == '0;
  assign in_payload = state_q == Pay || state_q == Pad;
  assign pay = state_q == Pay && unit_ready_q;
  assign in_take_o = ((state_q == Head || state_q == Drain) && in_valid_i) || pay;

  assign head_take = state_q == Head && in_valid_i;
  assign head_done = head_take && (in_last_i || hb_q == 3'(HeadBeats - 1));

  // Only the same kind of ECHO, QUANTIZE or DEQUANTIZE again may overlap what is in flight.
  assign may = none_i || (flight_i < 3'(kv_pkg::MAX_IN_FLIGHT) && same_q && !refused);
  assign dispatch = state_q == Check && checked_q && may;
  // The same for a command with a payload, of which it is known that it is not refused.
  assign begins = state_q == Check && checked_q && !refused && !empty && !source &&
                  (none_i || (flight_i < 3'(kv_pkg::MAX_IN_FLIGHT) && same_q));
  assign op_unit = 7'(8'd1 << head_q[2:0] >> 1);
  assign source = head_q[2:0] == 3'(kv_pkg::OP_SOURCE);

  // TLAST within a selection part or a SINK ends the command.
  assign cut = in_last_i && (!beat_part_o[1] || unit_o[kv_pkg::OP_SINK-1]);
  assign pay_end = pay && (last || cut);

  always_comb begin
    state_d = state_q;
    case (state_q)
      Head: if (head_done) state_d = Check;
      Check:
      if (begins) state_d = Pay;
      else if (dispatch) state_d = (short_q || tlast_q) ? Head : Drain;
      Pay:
      if (pay_end) state_d = in_last_i ? Head : Drain;
      else if (pay && in_last_i) state_d = Pad;
      Pad: if (unit_ready_q && last) state_d = Head;
      default: if (in_valid_i && in_last_i) state_d = Head;
    endcase
  end

  // A payload that is about to begin is that of the header at hand.
  assign next_unit = (state_q == Check ? op_unit : unit_o) & ready_next_i;
  assign unit_ready_next = next_unit != '0;
  assign in_want_next_o  = (head_take && !head_done) || (state_d == Pay && unit_ready_next);

  always_ff @(posedge clk_i)
    if (en_i) begin
      unit_ready_q <= unit_ready_next;
      blank_q      <= state_d != Pay;
    end

  always_ff @(posedge clk_i) begin
    if (rst_i) beat_valid_o <= '0;
    else if (en_i) beat_valid_o <= next_unit & {7{state_d == Pay || state_d == Pad}};
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q   <= Head;
      hb_q      <= '0;
      checked_q <= 1'b0;
      last_ok_q <= 1'b0;
      unit_o    <= '0;
      start_o   <= '0;
      empty_o   <= 1'b0;
    end else if (en_i) begin
      state_q   <= state_d;
      checked_q <= state_q == Check;
      if (head_done) hb_q <= '0;
      else if (head_take) hb_q <= hb_q + 3'd1;
      start_o <= '0;
      empty_o <= 1'b0;
      if (dispatch) begin
        last_ok_q <= !refused;
        unit_o    <= refused ? '0 : op_unit;
        start_o   <= (refused || empty) ? '0 : op_unit;
        empty_o   <= refused || empty;
      end
    end
  end

  // Header. Of words that no command built reads, only whether they are 0.
  localparam bit HasTile = HasScore || Features[kv_pkg::FEAT_QUANTIZE] || Features[kv_pkg::FEAT_DEQUANTIZE];
  localparam logic [7:0] WordRead = {
    HasScore || Features[kv_pkg::FEAT_LINK], {3{HasScore}}, HasTile, 1'b1, HasTile, 1'b1
  };

  logic [255:0] head_in;
  always_comb
    for (int i = 0; i < 8; i++) begin
      head_in[32*i+:32] = in_data_i[32*(i%(Width/32))+:32];
      if (!WordRead[i]) head_in[32*i+:32] = {31'b0, |head_in[32*i+:32]};
    end

  always_ff @(posedge clk_i) begin
    if (en_i && head_take) begin
      for (int i = 0; i < HeadBeats; i++) begin
        if (hb_q == 3'(i)) head_q[Width*i+:Width] <= head_in[Width*i+:Width];
        else if (hb_q == '0) head_q[Width*i+:Width] <= '0;
      end
      short_q <= in_last_i && hb_q != 3'(HeadBeats - 1);
      tlast_q <= in_last_i && hb_q == 3'(HeadBeats - 1);
    end
  end

  // The dispatched command. In a legal header of the same opcode all other bits of words
  // 1 and 3 are 0, but those that only SELECT and COMPRESS read.
  logic alike;
  assign alike = head_q[7:0] == cfg_o[7:0] && head_q[47:32] == cfg_o[47:32] &&
                 head_q[kv_pkg::REQ_ROTATE_LSB+:2] == cfg_o[kv_pkg::REQ_ROTATE_LSB+:2] &&
                 head_q[115:96] == cfg_o[115:96];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      same_q <= last_ok_q && alike && head_q[2:0] < 3'(kv_pkg::OP_SELECT);
      if (dispatch) cfg_o <= head_q;
    end
  end

  assign beats_now = beats_q + BeatsW'(state_q == Pay);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (state_q == Check) beats_q <= '0;
      else if (pay) beats_q <= beats_now;
    end
  end

  assign desc_push_o = dispatch;
  assign desc_opcode_o = head_q[kv_pkg::REQ_OPCODE_LSB+:8];
  assign desc_tag_o = head_q[kv_pkg::REQ_TAG_LSB+:16];
  assign desc_status_o = status;
  assign stamp_o = head_take && hb_q == '0;
  assign desc_mark_o = now_cycle_i - MarkBack;
  assign desc_stall_in_o = now_stall_in_i;
  assign desc_stall_out_o = now_stall_out_i;

  // An outcome is due when a command without payload is dispatched and when a payload ends.
  assign outcome_push_o = (dispatch && (refused || empty || source)) || pay_end ||
                          (state_q == Pad && unit_ready_q && last);
  assign outcome_bytes_o = state_q == Check ? '0 : {beats_now, {BytesB{1'b0}}};
  always_comb begin
    if (state_q == Check) outcome_status_o = status;
    else if (state_q == Pad || !last) outcome_status_o = 3'(kv_pkg::ST_TRUNCATED);
    else outcome_status_o = in_last_i ? 3'(kv_pkg::ST_OK) : 3'(kv_pkg::ST_OVERLONG);
  end

  assign beat_o = in_data_i & {Width{!blank_q}};
  assign beat_last_o = last;
  assign beat_abort_o = state_q == Pay && cut && !last;

`ifndef SYNTHESIS
  logic want_q;
  always_ff @(posedge clk_i)
    if (rst_i) want_q <= 1'b0;
    else if (en_i) begin
      want_q <= in_want_next_o;
      assert (!(want_q && !in_valid_i))
      else $error("kv_front: enabled without the beat it wants");
      assert (want_q == (state_q == Head && hb_q != '0 || pay))
      else $error("kv_front: wants something else than it said");
    end
`endif

endmodule
