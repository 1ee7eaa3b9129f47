// Back of the core: builds the responses (docs/engine.md, 5.5).
//
// For each descriptor: header beats, then the entries of the payload FIFO up to the one
// marked last, then trailer beats, at most one beat a cycle through out_*. out_want_next_o
// says that a beat may be given in the next cycle, if this one is enabled; the shell then keeps
// room for it, so nothing here waits for the outside. It takes knowing whether there will be a
// descriptor and an entry: desc_next_i, entry_next_i.
//
// An entry marked pre is held back until the scales of its channel group are out:
// pre_start_o pulses in cycle c, the unit gives the beats with pre_valid_i in
// c + LAT_PREFIX and on, the last one with pre_last_i; the entry follows.
//
// now_*: the core's counts at the start of the cycle. In the cycle q of the first trailer
// beat they are compared with those in the descriptor (desc_mark_i already holds the
// constant part of Cycles), and error_valid_o tells a status other than OK.
// desc_mark_i, desc_stall_*_i and outcome_bytes_i are read in trailer beats only.
// The descriptor and the outcome are popped with the last trailer beat (done_o).
module kv_back #(
    parameter int unsigned Lanes = 8  // fp16 elements per beat: 2, 4, 8 or 16
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                desc_valid_i,
    input  logic                desc_next_i,
    input  logic [         7:0] desc_opcode_i,
    input  logic [        15:0] desc_tag_i,
    input  logic [         2:0] desc_status_i,
    input  logic [        31:0] desc_mark_i,
    input  logic [        31:0] desc_stall_in_i,
    input  logic [        31:0] desc_stall_out_i,
    input  logic [         2:0] outcome_status_i,
    input  logic [        31:0] outcome_bytes_i,
    output logic                done_o,
    input  logic                entry_valid_i,
    input  logic                entry_next_i,
    input  logic [16*Lanes-1:0] entry_data_i,
    input  logic [         5:0] entry_bytes_i,
    input  logic                entry_last_i,
    input  logic                entry_pre_i,
    input  logic                entry_nonfinite_i,
    input  logic                entry_saturated_i,
    output logic                entry_pop_o,
    output logic                pre_start_o,
    input  logic                pre_valid_i,
    input  logic [16*Lanes-1:0] pre_data_i,
    input  logic                pre_last_i,
    input  logic [        31:0] now_cycle_i,
    input  logic [        31:0] now_stall_in_i,
    input  logic [        31:0] now_stall_out_i,
    output logic                out_want_next_o,
    output logic                out_push_o,
    output logic [16*Lanes-1:0] out_data_o,
    output logic                out_last_o,
    output logic                error_valid_o,
    output logic [         2:0] error_status_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned HeadBeats = 256 / Width;

  typedef enum logic [1:0] {
    RHead,
    Body,
    Tail
  } state_e;
  typedef enum logic [1:0] {
    PreIdle,
    PreBusy,
    PreDone
  } pre_e;

  state_e state_q, state_d;
  pre_e pre_q;
  logic [2:0] beat_q;
  logic beat_end;
  logic frame_q;  // not BODY, beside state_q for the width of a beat
  logic [30:0] bytes_q;  // payload bytes given: 1 GiB at most
  logic nonfinite_q, saturated_q;
  logic [2:0] status_q;  // of the outcome, as of the cycle before: it stands since then at least
  logic error_q;
  logic head_push, tail_push, first_tail, hold, body;
  logic [31:0] cycles, stall_in, stall_out;
  logic [255:0] head, tail;

  assign beat_end = beat_q == 3'(HeadBeats - 1);
  assign head_push = state_q == RHead && (desc_valid_i || beat_q != '0);
  assign tail_push = state_q == Tail;
  assign first_tail = tail_push && beat_q == '0;
  assign body = state_q == Body && entry_valid_i;
  assign hold = entry_pre_i && pre_q != PreDone;
  assign pre_start_o = body && entry_pre_i && pre_q == PreIdle;
  assign entry_pop_o = body && !hold;
  assign done_o = tail_push && beat_end;

  assign out_push_o = head_push || tail_push || (entry_pop_o && entry_bytes_i != '0) ||
                      (body && pre_valid_i);
  assign out_last_o = done_o;

  assign error_valid_o = first_tail && error_q;
  assign error_status_o = status_q;

  always_comb begin
    state_d = state_q;
    case (state_q)
      RHead: if (head_push && beat_end) state_d = Body;
      Body: if (entry_pop_o && entry_last_i) state_d = Tail;
      default: if (beat_end) state_d = RHead;
    endcase
  end

  // Within header and trailer the next beat is certain.
  always_comb begin
    case (state_d)
      RHead: out_want_next_o = (head_push && !beat_end) || desc_next_i;
      Body: out_want_next_o = entry_next_i;
      default: out_want_next_o = 1'b1;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      state_q <= RHead;
      frame_q <= 1'b1;
      pre_q   <= PreIdle;
      beat_q  <= '0;
    end else if (en_i) begin
      if (head_push || tail_push) beat_q <= beat_end ? '0 : beat_q + 3'd1;
      state_q <= state_d;
      frame_q <= state_d != Body;
      if (pre_start_o) pre_q <= PreBusy;
      else if (pre_valid_i && pre_last_i) pre_q <= PreDone;
      else if (entry_pop_o) pre_q <= PreIdle;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      status_q <= outcome_status_i;
      error_q  <= outcome_status_i != 3'(kv_pkg::ST_OK);
      if (state_q == RHead) begin
        bytes_q     <= '0;
        nonfinite_q <= 1'b0;
        saturated_q <= 1'b0;
      end else if (body) begin
        if (pre_valid_i) bytes_q <= bytes_q + 31'(2 * Lanes);
        else if (entry_pop_o) begin
          bytes_q     <= bytes_q + 31'(entry_bytes_i);
          nonfinite_q <= nonfinite_q | entry_nonfinite_i;
          saturated_q <= saturated_q | entry_saturated_i;
        end
      end
    end
  end

  // What the counts say at q. Trailer beats after the first read the registers.
  logic [31:0] cycles_now, stall_in_now, stall_out_now;
  logic [31:0] cycles_q, stall_in_q, stall_out_q;

  assign cycles_now    = now_cycle_i - desc_mark_i;
  assign stall_in_now  = now_stall_in_i - desc_stall_in_i;
  assign stall_out_now = now_stall_out_i - desc_stall_out_i;

  always_ff @(posedge clk_i) begin
    if (en_i && first_tail) begin
      cycles_q    <= cycles_now;
      stall_in_q  <= stall_in_now;
      stall_out_q <= stall_out_now;
    end
  end

  if (HeadBeats == 1) begin : gen_one_beat
    assign cycles    = cycles_now;
    assign stall_in  = stall_in_now;
    assign stall_out = stall_out_now;
    logic unused;
    assign unused = &{1'b0, cycles_q, stall_in_q, stall_out_q};
  end else begin : gen_beats
    assign cycles    = cycles_q;
    assign stall_in  = stall_in_q;
    assign stall_out = stall_out_q;
  end

  always_comb begin
    head = '0;
    head[kv_pkg::RESP_OPCODE_LSB+:8] = desc_opcode_i;
    head[kv_pkg::RESP_MAGIC_LSB+:8] = 8'(kv_pkg::MAGIC_RESPONSE);
    head[kv_pkg::RESP_TAG_LSB+:16] = desc_tag_i;
    head[kv_pkg::RESP_STATUS_LSB+:3] = desc_status_i;
    tail = '0;
    tail[kv_pkg::TRAIL_OPCODE_LSB+:8] = desc_opcode_i;
    tail[kv_pkg::TRAIL_MAGIC_LSB+:8] = 8'(kv_pkg::MAGIC_TRAILER);
    tail[kv_pkg::TRAIL_TAG_LSB+:16] = desc_tag_i;
    tail[kv_pkg::TRAIL_STATUS_LSB+:3] = status_q;
    tail[kv_pkg::TRAIL_FLAGS_LSB+kv_pkg::FLAG_NON_FINITE] = nonfinite_q;
    tail[kv_pkg::TRAIL_FLAGS_LSB+kv_pkg::FLAG_SATURATED] = saturated_q;
    tail[kv_pkg::TRAIL_BYTES_IN_LSB+:32] = outcome_bytes_i;
    tail[kv_pkg::TRAIL_BYTES_OUT_LSB+:32] = {1'b0, bytes_q};
    tail[kv_pkg::TRAIL_CYCLES_LSB+:32] = cycles;
    tail[kv_pkg::TRAIL_STALL_IN_LSB+:32] = stall_in;
    tail[kv_pkg::TRAIL_STALL_OUT_LSB+:32] = stall_out;
  end

  always_comb begin
    out_data_o = '0;
    if (!frame_q) out_data_o = pre_q == PreBusy ? pre_data_i : entry_data_i;
    else
      for (int i = 0; i < HeadBeats; i++)
        if (beat_q == 3'(i)) out_data_o = tail_push ? tail[Width*i+:Width] : head[Width*i+:Width];
  end

`ifndef SYNTHESIS
  // The scales come when the contract says, and only then.
  logic [kv_pkg::LAT_PREFIX-1:0] wait_q;
  logic want_q;
  always_ff @(posedge clk_i)
    if (rst_i) begin
      wait_q <= '0;
      want_q <= 1'b0;
    end else if (en_i) begin
      want_q <= out_want_next_o;
      assert (want_q == (head_push || body || tail_push))
      else $error("kv_back: wants something else than it said");
      wait_q <= kv_pkg::LAT_PREFIX'({wait_q, pre_start_o});
      assert (!wait_q[kv_pkg::LAT_PREFIX-1] || pre_valid_i)
      else $error("kv_back: the scales are late");
      assert (!pre_valid_i || (pre_q == PreBusy && wait_q[kv_pkg::LAT_PREFIX-2:0] == '0))
      else $error("kv_back: scales that nobody asked for");
    end
`endif

endmodule
