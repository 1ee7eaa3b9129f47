// The shell: what stands between the pins and the patient core (docs/engine.md, 5.2).
//
// Two register slices carry the streams. core_en_o stops the core in every clock
// cycle in which it wants a beat that is not there (stall_in_o) or may give one
// that cannot be taken (stall_out_o); the latter has precedence. core_rst_o is
// rst_i or a soft reset.
//
// To the core: in_valid_o/in_data_o/in_last_o offer the head of the input slice;
// in_take_i takes it (counts in enabled cycles only). in_want_i and out_want_i
// come from registers of the core. out_push_i with out_want_i puts a beat into the
// output slice, in enabled cycles only.
//
// soft_rst_i (one clock cycle) empties the input slice; then the rest of the
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
    // core
    output logic                core_rst_o,
    output logic                core_en_o,
    output logic                in_valid_o,
    output logic [16*Lanes-1:0] in_data_o,
    output logic                in_last_o,
    input  logic                in_take_i,
    input  logic                in_want_i,
    input  logic                out_want_i,
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
  logic s_mid_d;
  logic i_valid, i_pop;
  logic o_ready, o_push, o_last;
  logic [Width-1:0] o_data;
  logic freeze_out, freeze_in, halt, abort_push;

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
      .data_o ({in_last_o, in_data_o})
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
      .data_o ({m_axis_tlast, m_axis_tdata})
  );

  assign freeze_out = out_want_i & ~o_ready;
  assign freeze_in = in_want_i & ~in_valid_o & ~freeze_out;
  assign halt = soft_rst_i | abort_q;
  assign stall_out_o = freeze_out & ~halt;
  assign stall_in_o = freeze_in & ~halt;
  assign core_rst_o = rst_i | soft_rst_i;
  // Not written as ~freeze_in: freeze_out stops the core anyway, which saves a level.
  assign core_en_o = ~(halt | freeze_out | (in_want_i & ~in_valid_o));

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
    end else begin
      s_mid_q <= s_mid_d;
      if (o_push) m_mid_q <= ~o_last;
      if (soft_rst_i) begin
        discard_q <= s_mid_d;
        abort_q   <= m_mid_q;
      end else begin
        if (i_valid && in_last_o) discard_q <= 1'b0;
        if (abort_push) abort_q <= 1'b0;
      end
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!core_rst_o && core_en_o) begin
      assert (!(out_push_i && !out_want_i))
      else $error("kv_shell: the core gives a beat without out_want");
      assert (!(in_take_i && !in_valid_o))
      else $error("kv_shell: the core takes a beat that is not there");
    end
`endif

endmodule
