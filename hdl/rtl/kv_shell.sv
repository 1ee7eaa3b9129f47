// The shell: what stands between the pins and the patient core (docs/engine.md, 5.2).
//
// Two register slices carry the streams. core_en_o stops the core in every clock
// cycle in which it wants a beat that is not there (stall_in_o) or may give one
// that cannot be taken (stall_out_o); the latter has precedence. core_rst_o is
// rst_i or a soft reset.
//
// The three are registers: all that decides of the next clock cycle is known in this one.
// core_en_next_o is what core_en_o will be, for copies of it (kv_enable) near what they enable.
//
// To the core: in_valid_o/in_data_o/in_last_o offer the head of the input slice;
// in_take_i takes it (counts in enabled cycles only). in_want_next_i and out_want_next_i say
// what the core will want in the cycle after this, if this one is enabled; after a core reset it
// wants nothing. out_push_i, only where it wanted to, puts a beat into the
// output slice, in enabled cycles only.
//
// soft_rst_i (one clock cycle, told a cycle before by soft_rst_next_i) empties the input slice; then the rest of the
// packet under way on s_axis is dropped (discard_o) and the packet under way on
// m_axis is ended with one abort beat (abort_o), so both streams stay legal.
module kv_shell #(
    parameter int unsigned Lanes = 8  // fp16 elements per beat: 2, 4, 8 or 16
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic [16*Lanes-1:0] s_axis_tdata,
    input  logic                s_axis_tvalid,
    output logic                s_axis_tready,
    input  logic                s_axis_tlast,
    output logic [16*Lanes-1:0] m_axis_tdata,
    output logic                m_axis_tvalid,
    input  logic                m_axis_tready,
    output logic                m_axis_tlast,
    input  logic                soft_rst_i,
    input  logic                soft_rst_next_i,
    // core
    output logic                core_rst_o,
    output logic                core_en_o,
    output logic                core_en_next_o,
    output logic                in_valid_o,
    output logic [16*Lanes-1:0] in_data_o,
    output logic                in_last_o,
    input  logic                in_take_i,
    input  logic                in_want_next_i,
    input  logic                out_want_next_i,
    input  logic                out_push_i,
    input  logic [16*Lanes-1:0] out_data_i,
    input  logic                out_last_i,
    // state and events of this clock cycle
    output logic                stall_in_o,
    output logic                stall_out_o,
    output logic                discard_o,
    output logic                abort_o,
    output logic                out_busy_o,
    output logic                ev_beat_in_o,
    output logic                ev_beat_out_o,
    output logic                ev_packet_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam logic [Width-1:0] AbortBeat = Width'({8'(kv_pkg::MAGIC_ABORT), kv_pkg::RESP_MAGIC_LSB'(0)});

  logic s_mid_q, m_mid_q, discard_q, abort_q;
  logic s_mid_d, discard_d, abort_d, in_valid_d;
  logic i_valid, i_valid_next, i_pop;
  logic o_ready, o_full_next, o_push, o_last;
  logic [Width-1:0] o_data;
  logic abort_push, i_full_next, o_valid_next;
  logic in_want_q, out_want_q, in_want_d, out_want_d;
  logic freeze_out_d, freeze_in_d, halt_d;
  logic give_d, take_d, still_d;  // why the core will stand: what it says now, what it said

  kv_skid #(
      .Width(Width + 1)
  ) u_iskid (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .clear_i(soft_rst_i),
      .push_i (ev_beat_in_o),
      .data_i ({s_axis_tlast, s_axis_tdata}),
      .ready_o(s_axis_tready),
      .pop_i  (i_pop),
      .valid_o(i_valid),
      .data_o ({in_last_o, in_data_o}),
      .valid_next_o(i_valid_next),
      .full_next_o (i_full_next)
  );

  kv_skid #(
      .Width(Width + 1)
  ) u_oskid (
      .clk_i  (clk_i),
      .rst_i  (rst_i),
      .clear_i(1'b0),
      .push_i (o_push),
      .data_i ({o_last, o_data}),
      .ready_o(o_ready),
      .pop_i  (ev_beat_out_o),
      .valid_o(m_axis_tvalid),
      .data_o ({m_axis_tlast, m_axis_tdata}),
      .valid_next_o(o_valid_next),
      .full_next_o (o_full_next)
  );

  // The next clock cycle: what the core wants, what the slices hold. In one that is not enabled
  // the core stands still.
  assign in_want_d = ~soft_rst_i & (core_en_o ? in_want_next_i : in_want_q);
  assign out_want_d = ~soft_rst_i & (core_en_o ? out_want_next_i : out_want_q);
  assign discard_d = soft_rst_i ? s_mid_d : discard_q & ~(i_valid & in_last_o);
  assign abort_d = soft_rst_i ? m_mid_q : abort_q & ~abort_push;

  assign halt_d = soft_rst_next_i | abort_d;
  assign freeze_out_d = out_want_d & o_full_next;
  assign in_valid_d = i_valid_next & ~discard_d;
  assign freeze_in_d = in_want_d & ~in_valid_d;

  // Without the detour over what it wants: the core's word comes last.
  assign give_d = core_en_o & out_want_next_i & o_full_next;
  assign take_d = core_en_o & in_want_next_i & ~in_valid_d;
  assign still_d = ~core_en_o & ~soft_rst_i & (freeze_out_d | freeze_in_d);
  assign core_en_next_o = rst_i | ~(halt_d | still_d | give_d | take_d);
  assign core_rst_o = rst_i | soft_rst_i;

  assign in_valid_o = i_valid & ~discard_q;
  assign i_pop = discard_q ? i_valid : (core_en_o & in_take_i);

  assign abort_push = abort_q & o_ready & ~soft_rst_i;
  assign o_push = abort_push | (core_en_o & out_push_i);
  assign o_data = abort_q ? AbortBeat : out_data_i;
  assign o_last = abort_q | out_last_i;

  assign ev_beat_in_o = s_axis_tvalid & s_axis_tready;
  assign ev_beat_out_o = m_axis_tvalid & m_axis_tready;
  assign ev_packet_o = ev_beat_out_o & m_axis_tlast;
  assign discard_o = discard_q;
  assign abort_o = abort_q;
  assign out_busy_o = m_axis_tvalid;
  assign s_mid_d = ev_beat_in_o ? ~s_axis_tlast : s_mid_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      s_mid_q   <= 1'b0;
      m_mid_q   <= 1'b0;
      discard_q <= 1'b0;
      abort_q   <= 1'b0;
      in_want_q  <= 1'b0;
      out_want_q <= 1'b0;
      stall_in_o  <= 1'b0;
      stall_out_o <= 1'b0;
    end else begin
      s_mid_q <= s_mid_d;
      if (o_push) m_mid_q <= ~o_last;
      discard_q <= discard_d;
      abort_q   <= abort_d;
      in_want_q  <= in_want_d;
      out_want_q <= out_want_d;
      stall_in_o  <= freeze_in_d & ~freeze_out_d & ~halt_d;
      stall_out_o <= freeze_out_d & ~halt_d;
    end
    core_en_o <= core_en_next_o;
  end

  logic unused;
  assign unused = &{1'b0, i_full_next, o_valid_next};

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!core_rst_o && core_en_o) begin
      assert (!(out_push_i && !out_want_q))
      else $error("kv_shell: the core gives a beat without out_want");
      assert (!(in_take_i && !in_valid_o))
      else $error("kv_shell: the core takes a beat that is not there");
    end
`endif

endmodule
