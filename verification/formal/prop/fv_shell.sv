// Proof of kv_shell: the streams stay legal, whatever the outside, the core and soft resets do.
//
// 1. m_axis: a beat that is offered stays as it is until it is taken.
// 2. Every beat taken on s_axis comes to the core once, in its turn, unless a soft reset
//    empties the slice or it belongs to a packet that a soft reset cut.
// 3. Every beat the core gives, and every abort beat, leaves on m_axis once, in its turn.
// 4. Bit 0 of a beat marks the first of its packet (assumed on s_axis and of what the core
//    gives after its reset). The core then always starts with a first beat and never sees the
//    rest of a cut packet, and so does whoever listens on m_axis.
// 5. A cycle is one of: halted by a soft reset, stalled by the input, stalled by the output,
//    enabled; an enabled core has the beat it wants and room for the beat it may give. What the core wants is
//    what it said in the last enabled cycle, after its reset nothing; and every copy of the enable is the enable.
module fv_shell (
    input logic        clk_i,
    input logic        rst_i,
    input logic [31:0] s_axis_tdata,
    input logic        s_axis_tvalid,
    input logic        s_axis_tlast,
    input logic        m_axis_tready,
    input logic        soft_rst_next_i,
    input logic        in_take_i,
    input logic        in_want_next_i,
    input logic        out_want_next_i,
    input logic        out_push_i,
    input logic [31:0] out_data_i,
    input logic        out_last_i,
    input logic        pick_i
);

  localparam logic [31:0] AbortBeat = 32'h0000_4100;

  logic first_q = 1'b1;
  logic s_axis_tready, m_axis_tvalid, m_axis_tlast;
  logic [31:0] m_axis_tdata;
  logic core_rst, core_en, core_en_next, in_valid, in_last;
  logic soft_rst_q, in_want_q, out_want_q, en_q;
  logic [31:0] in_data;
  logic stall_in, stall_out, discard, abort, out_busy, beat_in, beat_out, packet;

  kv_shell #(
      .Lanes(2)
  ) dut (
      .clk_i,
      .rst_i,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .s_axis_tlast,
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready,
      .m_axis_tlast,
      .soft_rst_i   (soft_rst_q),
      .soft_rst_next_i,
      .core_rst_o   (core_rst),
      .core_en_o    (core_en),
      .core_en_next_o(core_en_next),
      .in_valid_o   (in_valid),
      .in_data_o    (in_data),
      .in_last_o    (in_last),
      .in_take_i,
      .in_want_next_i,
      .out_want_next_i,
      .out_push_i,
      .out_data_i,
      .out_last_i,
      .stall_in_o   (stall_in),
      .stall_out_o  (stall_out),
      .discard_o    (discard),
      .abort_o      (abort),
      .out_busy_o   (out_busy),
      .ev_beat_in_o (beat_in),
      .ev_beat_out_o(beat_out),
      .ev_packet_o  (packet)
  );

  // What happens at the ports in this cycle.
  logic s_beat, m_beat, core_in, core_out, i_pop, o_push, abort_push;
  logic [32:0] i_head, o_in;
  logic [1:0] i_count, o_count, i_ahead, o_ahead;
  logic i_follow, o_follow;
  logic [32:0] i_item, o_item;

  assign s_beat = s_axis_tvalid && s_axis_tready;
  assign m_beat = m_axis_tvalid && m_axis_tready;
  assign core_in = core_en && in_take_i;
  assign core_out = core_en && out_push_i;
  assign i_pop = discard ? i_count != 2'd0 : core_in;
  assign i_head = {in_last, in_data};
  assign abort_push = abort && o_count != 2'd2 && !soft_rst_q;
  assign o_push = abort_push || core_out;
  assign o_in = abort_push ? {1'b1, AbortBeat} : {out_last_i, out_data_i};

  fv_order #(
      .Width(33),
      .Depth(2)
  ) u_in (
      .clk_i,
      .rst_i   (rst_i | soft_rst_q),
      .pick_i,
      .push_i  (s_beat),
      .in_i    ({s_axis_tlast, s_axis_tdata}),
      .pop_i   (i_pop),
      .out_i   (i_head),
      .count_o (i_count),
      .follow_o(i_follow),
      .ahead_o (i_ahead),
      .item_o  (i_item)
  );

  fv_order #(
      .Width(33),
      .Depth(2)
  ) u_out (
      .clk_i,
      .rst_i,
      .pick_i,
      .push_i  (o_push),
      .in_i    (o_in),
      .pop_i   (m_beat),
      .out_i   ({m_axis_tlast, m_axis_tdata}),
      .count_o (o_count),
      .follow_o(o_follow),
      .ahead_o (o_ahead),
      .item_o  (o_item)
  );

  // Under way: the last beat that passed was not the last of its packet. On s_axis and
  // m_axis; taken and given by the core since its reset; pushed to m_axis.
  logic s_mid_q, m_mid_q, in_mid_q, out_mid_q, pushed_mid_q;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) begin
      s_mid_q      <= 1'b0;
      m_mid_q      <= 1'b0;
      pushed_mid_q <= 1'b0;
    end else begin
      if (s_beat) s_mid_q <= !s_axis_tlast;
      if (m_beat) m_mid_q <= !m_axis_tlast;
      if (o_push) pushed_mid_q <= !o_in[32];
    end
    soft_rst_q <= soft_rst_next_i && !rst_i;
    en_q       <= core_en_next;
    if (rst_i || soft_rst_q) begin
      in_mid_q   <= 1'b0;
      out_mid_q  <= 1'b0;
      in_want_q  <= 1'b0;
      out_want_q <= 1'b0;
    end else begin
      if (core_en) in_want_q <= in_want_next_i;
      if (core_en) out_want_q <= out_want_next_i;
      if (core_in) in_mid_q <= !in_last;
      if (core_out) out_mid_q <= !out_last_i;
    end
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!rst_i || !soft_rst_next_i);
    if (s_axis_tvalid) assume (s_axis_tdata[0] == !s_mid_q);
    if (core_en) begin
      assume (!out_push_i || out_want_q);
      assume (!in_take_i || in_valid);
      if (out_push_i) assume (out_data_i[0] == !out_mid_q);
    end
  end

  // 1
  logic stay_q;
  logic [32:0] offered_q;

  always_ff @(posedge clk_i) begin
    stay_q    <= !rst_i && m_axis_tvalid && !m_axis_tready;
    offered_q <= {m_axis_tlast, m_axis_tdata};
  end

  always_comb
    if (!first_q && stay_q) assert (m_axis_tvalid && {m_axis_tlast, m_axis_tdata} == offered_q);

  // 2, 3: what the slices show besides the order.
  always_comb
    if (!first_q) begin
      assert (s_axis_tready == (i_count != 2'd2));
      assert (in_valid == (i_count != 2'd0 && !discard));
      assert (m_axis_tvalid == (o_count != 2'd0));
      assert (out_busy == m_axis_tvalid);
      assert (core_rst == (rst_i || soft_rst_q));
      assert (core_en == en_q);
      if (!rst_i) begin
        assert (beat_in == s_beat);
        assert (beat_out == m_beat);
        assert (packet == (m_beat && m_axis_tlast));
      end
    end

  // 4
  always_comb
    if (!first_q && !rst_i) begin
      if (core_in) assert (in_data[0] == !in_mid_q);
      if (m_beat && {m_axis_tlast, m_axis_tdata} != {1'b1, AbortBeat})
        assert (m_axis_tdata[0] == !m_mid_q);
      // An abort beat ends a packet, it never stands alone.
      if (m_beat && {m_axis_tlast, m_axis_tdata} == {1'b1, AbortBeat}) assert (m_mid_q);
    end

  // 5
  logic [2:0] states;
  assign states = 3'(soft_rst_q || abort) + 3'(stall_in) + 3'(stall_out) + 3'(core_en);

  always_comb
    if (!first_q && !rst_i) begin
      assert (states == 3'd1);
      if (core_en) assert (!in_want_q || in_valid);
      if (core_en) assert (!out_want_q || o_count != 2'd2);
      assert (stall_out == (!soft_rst_q && !abort && out_want_q && o_count == 2'd2));
      assert (stall_in == (!soft_rst_q && !abort && !stall_out && in_want_q && !in_valid));
    end

  // Where the followed beats stand, and the chain of packets through the slices.
  (* hierconn *) wire [32:0] \dut.u_iskid.q1_q ;
  (* hierconn *) wire [32:0] \dut.u_oskid.q1_q ;
  (* hierconn *) wire \dut.o_ready ;
  (* hierconn *) wire \dut.s_mid_q ;
  (* hierconn *) wire \dut.m_mid_q ;
  (* hierconn *) wire \dut.in_want_q ;
  (* hierconn *) wire \dut.out_want_q ;
  logic [2:0] i_mid, o_mid;  // before the head, the second and what comes in next

  assign i_mid[0] = discard || in_mid_q;
  assign i_mid[1] = i_count != 2'd0 ? !in_last : i_mid[0];
  assign i_mid[2] = i_count == 2'd2 ? !\dut.u_iskid.q1_q [32] : i_mid[1];
  assign o_mid[0] = m_mid_q;
  assign o_mid[1] = o_count != 2'd0 ? !m_axis_tlast : o_mid[0];
  assign o_mid[2] = o_count == 2'd2 ? !\dut.u_oskid.q1_q [32] : o_mid[1];

  always_comb
    if (!first_q) begin
      if (i_follow) assert (i_item == (i_ahead == 2'd0 ? i_head : \dut.u_iskid.q1_q ));
      if (o_follow)
        assert (o_item == (o_ahead == 2'd0 ? {m_axis_tlast, m_axis_tdata} : \dut.u_oskid.q1_q ));
      assert (\dut.in_want_q == in_want_q);
      assert (\dut.out_want_q == out_want_q);
      assert (!discard || !in_mid_q);
      assert (\dut.o_ready == (o_count != 2'd2));
      assert (\dut.s_mid_q == s_mid_q);
      assert (i_mid[2] == s_mid_q);
      if (i_count != 2'd0) assert (in_data[0] == !i_mid[0]);
      if (i_count == 2'd2) assert (\dut.u_iskid.q1_q [0] == !i_mid[1]);
      assert (\dut.m_mid_q == pushed_mid_q);
      assert (pushed_mid_q == (abort || out_mid_q));
      assert (!abort || !out_mid_q);
      assert (o_mid[2] == pushed_mid_q);
      if (o_count != 2'd0) begin
        if ({m_axis_tlast, m_axis_tdata} == {1'b1, AbortBeat}) assert (o_mid[0]);
        else assert (m_axis_tdata[0] == !o_mid[0]);
      end
      if (o_count == 2'd2) begin
        if (\dut.u_oskid.q1_q == {1'b1, AbortBeat}) assert (o_mid[1]);
        else assert (\dut.u_oskid.q1_q [0] == !o_mid[1]);
      end
    end

endmodule
