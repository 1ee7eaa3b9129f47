// Proof of kv_link_regs: a register request is performed exactly once, and answered by what
// it gave.
//
// Requests, repeated or not, come at any time; the slave takes address and data, and answers, when
// it likes, but answers only what it was asked. The requests are kept here a second time.
//
// 1. Each request with an id other than the last performed, and an address that exists, brings one access: its address
//    and data are offered, stay as they are, and are taken once; no other request brings any.
// 2. One that comes while an access is under way is refused, and has no other effect.
// 3. An answer is due when the access has ended, when the same id comes again, and for an address that does not exist; never before, and
//    it carries the id, what the slave said, the position of that moment, and 0 unless it was a read that gave OKAY.
module fv_link_regs (
    input logic        clk_i,
    input logic        rst_i,
    input logic        pay_valid_i,
    input logic [ 7:0] pay_data_i,
    input logic        request_i,
    input logic        write_i,
    input logic [ 7:0] id_i,
    input logic        sent_i,
    input logic [ 7:0] position_i,
    input logic        awready_i,
    input logic        wready_i,
    input logic        arready_i,
    input logic        answer_i,
    input logic [ 1:0] resp_i,
    input logic [31:0] rdata_i
);

  logic first_q = 1'b1;
  logic refused, due, awvalid, wvalid, bready, arvalid, rready, bvalid, rvalid;
  logic [7:0] id, position;
  logic [1:0] resp;
  logic [31:0] value, wdata;
  logic [11:0] awaddr, araddr;
  logic [3:0] wstrb;

  kv_link_regs dut (
      .clk_i,
      .rst_i,
      .pay_valid_i,
      .pay_data_i,
      .request_i,
      .write_i,
      .id_i,
      .refused_o     (refused),
      .due_o         (due),
      .sent_i,
      .id_o          (id),
      .resp_o        (resp),
      .position_o    (position),
      .value_o       (value),
      .position_i,
      .m_axil_awaddr (awaddr),
      .m_axil_awvalid(awvalid),
      .m_axil_awready(awready_i),
      .m_axil_wdata  (wdata),
      .m_axil_wstrb  (wstrb),
      .m_axil_wvalid (wvalid),
      .m_axil_wready (wready_i),
      .m_axil_bresp  (resp_i),
      .m_axil_bvalid (bvalid),
      .m_axil_bready (bready),
      .m_axil_araddr (araddr),
      .m_axil_arvalid(arvalid),
      .m_axil_arready(arready_i),
      .m_axil_rdata  (rdata_i),
      .m_axil_rresp  (resp_i),
      .m_axil_rvalid (rvalid),
      .m_axil_rready (rready)
  );

  // The last six payload bytes, as the frame has them; a request has had six.
  logic [7:0] p0_q, p1_q, p2_q, p3_q, p4_q, p5_q;
  logic [2:0] had_q = 3'd0;

  // The request under way, kept from the contract: what is still to be taken, and what was asked.
  logic known_q, open_q, addr_left_q, data_left_q, was_write_q, due_q;
  logic [7:0] last_q, position_q;
  logic [11:0] addr_q;
  logic [31:0] data_q, value_q;
  logic [1:0] resp_q;
  logic fresh, exists, slave_done;

  assign fresh      = request_i && !(known_q && id_i == last_q);
  assign exists     = p1_q[7:4] == '0;
  assign slave_done = answer_i && open_q && !addr_left_q && !data_left_q;
  assign bvalid     = slave_done && was_write_q;
  assign rvalid     = slave_done && !was_write_q;

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (pay_valid_i) {p5_q, p4_q, p3_q, p2_q, p1_q, p0_q} <= {pay_data_i, p5_q, p4_q, p3_q, p2_q, p1_q};
    if (pay_valid_i && had_q != 3'd6) had_q <= had_q + 3'd1;
    if (rst_i) begin
      known_q     <= 1'b0;
      open_q      <= 1'b0;
      addr_left_q <= 1'b0;
      data_left_q <= 1'b0;
      due_q       <= 1'b0;
    end else begin
      if (fresh && !open_q) begin
        known_q     <= 1'b1;
        last_q      <= id_i;
        open_q      <= exists;
        addr_left_q <= exists;
        data_left_q <= exists && write_i;
        was_write_q <= write_i;
        addr_q      <= {p1_q[3:0], p0_q};
        data_q      <= {p5_q, p4_q, p3_q, p2_q};
        due_q       <= !exists;
        if (!exists) begin
          resp_q     <= 2'd3;
          value_q    <= '0;
          position_q <= position_i;
        end
      end else begin
        if (awvalid && awready_i || arvalid && arready_i) addr_left_q <= 1'b0;
        if (wvalid && wready_i) data_left_q <= 1'b0;
        if (slave_done) begin
          open_q     <= 1'b0;
          resp_q     <= resp_i;
          value_q    <= !was_write_q && resp_i == '0 ? rdata_i : '0;
          position_q <= position_i;
        end
        if (slave_done || (request_i && !fresh && !open_q)) due_q <= 1'b1;
        else if (sent_i) due_q <= 1'b0;
      end
    end
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!sent_i || due);
    assume (!request_i || had_q == 3'd6);
  end

  (* hierconn *) wire [47:0] \dut.payload_q ;
  (* hierconn *) wire \dut.known_q ;

  always_comb
    if (!first_q) begin
      assert (awvalid == (addr_left_q && was_write_q && open_q));
      assert (arvalid == (addr_left_q && !was_write_q && open_q));
      assert (wvalid == (data_left_q && open_q));
      if (awvalid) assert (awaddr == addr_q);
      if (arvalid) assert (araddr == addr_q);
      if (wvalid) assert (wdata == data_q && wstrb == 4'hF);
      assert (bready == open_q && rready == open_q);
      if (!rst_i) assert (refused == (fresh && open_q));
      assert (due == due_q);
      if (known_q) assert (id == last_q);
      if (due) assert (resp == resp_q && position == position_q && value == value_q && !open_q);
      // Why.
      assert (\dut.known_q == known_q && (known_q || !open_q && !due_q));
      if (known_q && !open_q) assert (resp == resp_q && position == position_q && value == value_q);
      if (open_q) assert (awaddr == addr_q && araddr == addr_q && wdata == data_q);
      assert (open_q || !addr_left_q && !data_left_q);
      assert (!data_left_q || was_write_q);
      assert (had_q <= 3'd6);
      if (had_q > 3'd0) assert (\dut.payload_q [47:40] == p5_q);
      if (had_q > 3'd1) assert (\dut.payload_q [39:32] == p4_q);
      if (had_q > 3'd2) assert (\dut.payload_q [31:24] == p3_q);
      if (had_q > 3'd3) assert (\dut.payload_q [23:16] == p2_q);
      if (had_q > 3'd4) assert (\dut.payload_q [15:8] == p1_q);
      if (had_q > 3'd5) assert (\dut.payload_q [7:0] == p0_q);
    end

endmodule
