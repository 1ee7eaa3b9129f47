// Proof of kv_regs against docs/engine.md, sections 2 and 5.2, for all parameter values of
// one build and whatever the master and the engine do (the master need not even keep its
// valids up).
//
// 1. A response that is offered stays as it is until it is taken.
// 2. Every write (an address and a word handed over) and every read is answered exactly
//    once, in order, two cycles after it is complete unless an answer is still waiting.
// 3. What it answers is what the contract says: SLVERR and no effect for what may not be
//    accessed, the register's value at the start of the cycle of the read otherwise.
// 4. Registers, counters, interrupt, soft reset and clear do what the contract says: they
//    are kept here a second time, from the contract, and compared in every cycle.
module fv_regs (
    input logic        clk_i,
    input logic        rst_i,
    input logic        en_i,
    input logic [11:0] s_axil_awaddr,
    input logic        s_axil_awvalid,
    input logic [31:0] s_axil_wdata,
    input logic [ 3:0] s_axil_wstrb,
    input logic        s_axil_wvalid,
    input logic        s_axil_bready,
    input logic [11:0] s_axil_araddr,
    input logic        s_axil_arvalid,
    input logic        s_axil_rready,
    input logic        busy_i,
    input logic        resetting_i,
    input logic [ 2:0] flight_i,
    input logic        ev_stall_in_i,
    input logic        ev_stall_out_i,
    input logic        ev_beat_in_i,
    input logic        ev_beat_out_i,
    input logic        ev_packet_i,
    input logic        ev_token_i,
    input logic [ 9:0] ev_groups_i,
    input logic [ 4:0] ev_saturated_i,
    input logic [ 9:0] ev_nonfinite_i,
    input logic        ev_error_i,
    input logic [ 2:0] ev_status_i
);

  logic first_q = 1'b1;
  logic s_axil_awready, s_axil_wready, s_axil_bvalid, s_axil_arready, s_axil_rvalid;
  logic [1:0] s_axil_bresp, s_axil_rresp;
  logic [31:0] s_axil_rdata;
  logic irq, soft_rst, soft_rst_next, told_q;

  kv_regs #(
      .Lanes     (4),
      .MaxDim    (64),
      .TileTokens(32),
      .MaxTokens (512),
      .Features  (4'hB),
      .BuildHash (32'h1234_5678)
  ) dut (
      .clk_i,
      .rst_i,
      .en_i,
      .s_axil_awaddr,
      .s_axil_awvalid,
      .s_axil_awready,
      .s_axil_wdata,
      .s_axil_wstrb,
      .s_axil_wvalid,
      .s_axil_wready,
      .s_axil_bresp,
      .s_axil_bvalid,
      .s_axil_bready,
      .s_axil_araddr,
      .s_axil_arvalid,
      .s_axil_arready,
      .s_axil_rdata,
      .s_axil_rresp,
      .s_axil_rvalid,
      .s_axil_rready,
      .irq_o     (irq),
      .soft_rst_o(soft_rst),
      .soft_rst_next_o(soft_rst_next),
      .busy_i,
      .resetting_i,
      .flight_i,
      .ev_stall_in_i,
      .ev_stall_out_i,
      .ev_beat_in_i,
      .ev_beat_out_i,
      .ev_packet_i,
      .ev_token_i,
      .ev_groups_i,
      .ev_saturated_i,
      .ev_nonfinite_i,
      .ev_error_i,
      .ev_status_i
  );

  always_ff @(posedge clk_i) first_q <= 1'b0;
  always_comb assume (!first_q || rst_i);

  // 1
  logic b_stays_q, r_stays_q;
  logic [1:0] bresp_q, rresp_q;
  logic [31:0] rdata_q;

  always_ff @(posedge clk_i) begin
    b_stays_q <= !rst_i && s_axil_bvalid && !s_axil_bready;
    r_stays_q <= !rst_i && s_axil_rvalid && !s_axil_rready;
    bresp_q   <= s_axil_bresp;
    rresp_q   <= s_axil_rresp;
    rdata_q   <= s_axil_rdata;
  end

  always_comb
    if (!first_q) begin
      if (b_stays_q) assert (s_axil_bvalid && s_axil_bresp == bresp_q);
      if (r_stays_q)
        assert (s_axil_rvalid && s_axil_rresp == rresp_q && s_axil_rdata == rdata_q);
    end

  // 2: addresses, words and reads handed over and not yet answered by a handshake.
  logic [1:0] aw_open_q, w_open_q, ar_open_q;
  logic aw_beat, w_beat, b_beat, ar_beat, r_beat;
  logic perform_write, perform_read, wrote_q, read_q;

  assign aw_beat = s_axil_awvalid && s_axil_awready;
  assign w_beat  = s_axil_wvalid && s_axil_wready;
  assign b_beat  = s_axil_bvalid && s_axil_bready;
  assign ar_beat = s_axil_arvalid && s_axil_arready;
  assign r_beat  = s_axil_rvalid && s_axil_rready;
  assign perform_write = aw_open_q != 2'd0 && w_open_q != 2'd0 && !s_axil_bvalid;
  assign perform_read  = ar_open_q != 2'd0 && !s_axil_rvalid;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      aw_open_q <= 2'd0;
      w_open_q  <= 2'd0;
      ar_open_q <= 2'd0;
      wrote_q   <= 1'b0;
      read_q    <= 1'b0;
    end else begin
      aw_open_q <= aw_open_q + 2'(aw_beat) - 2'(b_beat);
      w_open_q  <= w_open_q + 2'(w_beat) - 2'(b_beat);
      ar_open_q <= ar_open_q + 2'(ar_beat) - 2'(r_beat);
      wrote_q   <= perform_write;
      read_q    <= perform_read;
    end
  end

  always_comb
    if (!first_q) begin
      // No answer without an access, and none is forgotten: with one waiting to be taken
      // there is room for one more, so no more than two are open.
      assert (!s_axil_bvalid || (aw_open_q != 2'd0 && w_open_q != 2'd0));
      assert (!s_axil_rvalid || ar_open_q != 2'd0);
      assert (s_axil_awready == (aw_open_q == 2'(s_axil_bvalid)));
      assert (s_axil_wready == (w_open_q == 2'(s_axil_bvalid)));
      assert (s_axil_arready == (ar_open_q == 2'(s_axil_rvalid)));
      assert (aw_open_q <= 2'd1 + 2'(s_axil_bvalid));
      assert (w_open_q <= 2'd1 + 2'(s_axil_bvalid));
      assert (ar_open_q <= 2'd1 + 2'(s_axil_rvalid));
      if (wrote_q) assert (s_axil_bvalid);
      if (read_q) assert (s_axil_rvalid);
    end

  // 3, 4: the contract's registers. An address is that of the access which is not answered yet.
  logic [11:0] awaddr_q, araddr_q;
  logic [31:0] wdata_q;
  logic [3:0] wstrb_q;
  (* mem2reg *)
  logic [31:0] count_q[11];
  logic [31:0] scratch_q, enable_q;
  logic [7:0] errors_q;
  logic [1:0] pending_q;
  logic clear_q, soft_q, writable, good;
  logic [31:0] value, answer_q;
  logic readable, bad_write_q, bad_read_q;

  always_comb begin
    writable = wstrb_q == 4'b1111;
    case (awaddr_q)
      12'h040, 12'h048, 12'h04C, 12'h050, 12'h054: ;
      default: writable = 1'b0;
    endcase
  end
  assign good = perform_write && writable;

  always_comb begin
    readable = 1'b1;
    case (araddr_q)
      12'h000: value = 32'h4B56_4143;
      12'h004: value = kv_pkg::ABI_VERSION;
      12'h008: value = kv_pkg::SPEC_ID;
      12'h00C: value = 32'h1234_5678;
      12'h010: value = 32'hB;
      12'h014: value = 32'd4;
      12'h018: value = 32'd64;
      12'h01C: value = 32'd32;
      12'h020: value = 32'd512;
      12'h040: value = 32'd0;
      12'h044: value = {25'd0, flight_i, 2'd0, resetting_i, busy_i};
      12'h048: value = {24'd0, errors_q};
      12'h04C: value = {30'd0, pending_q};
      12'h050: value = enable_q;
      12'h054: value = scratch_q;
      12'h080: value = count_q[0];
      12'h084: value = count_q[1];
      12'h088: value = count_q[2];
      12'h08C: value = count_q[3];
      12'h090: value = count_q[4];
      12'h094: value = count_q[5];
      12'h098: value = count_q[6];
      12'h09C: value = count_q[7];
      12'h0A0: value = count_q[8];
      12'h0A4: value = count_q[9];
      12'h0A8: value = count_q[10];
      default: begin
        value    = 32'd0;
        readable = 1'b0;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (aw_beat) awaddr_q <= s_axil_awaddr;
    if (ar_beat) araddr_q <= s_axil_araddr;
    if (w_beat) begin
      wdata_q <= s_axil_wdata;
      wstrb_q <= s_axil_wstrb;
    end
    answer_q    <= value;
    bad_read_q  <= !readable;
    bad_write_q <= !writable;
    clear_q     <= !rst_i && good && awaddr_q == 12'h040 && wdata_q[1];
    told_q      <= !rst_i && soft_rst_next;
    soft_q      <= !rst_i && good && awaddr_q == 12'h040 && wdata_q[0];
    if (rst_i) begin
      enable_q  <= 32'd0;
      scratch_q <= 32'd0;
    end else if (good && awaddr_q == 12'h050) enable_q <= wdata_q;
    else if (good && awaddr_q == 12'h054) scratch_q <= wdata_q;
    if (rst_i || clear_q) begin
      errors_q  <= 8'd0;
      pending_q <= 2'd0;
      for (int i = 0; i < 11; i++) count_q[i] <= 32'd0;
    end else begin
      for (int s = 0; s < 8; s++)
        if (en_i && ev_error_i && ev_status_i == 3'(s)) errors_q[s] <= 1'b1;
        else if (good && awaddr_q == 12'h048 && wdata_q[s]) errors_q[s] <= 1'b0;
      if (ev_packet_i) pending_q[0] <= 1'b1;
      else if (good && awaddr_q == 12'h04C && wdata_q[0]) pending_q[0] <= 1'b0;
      if (en_i && ev_error_i) pending_q[1] <= 1'b1;
      else if (good && awaddr_q == 12'h04C && wdata_q[1]) pending_q[1] <= 1'b0;
      count_q[0] <= count_q[0] + 32'd1;
      if (busy_i) count_q[1] <= count_q[1] + 32'd1;
      if (ev_stall_in_i) count_q[2] <= count_q[2] + 32'd1;
      if (ev_stall_out_i) count_q[3] <= count_q[3] + 32'd1;
      if (ev_beat_in_i) count_q[4] <= count_q[4] + 32'd1;
      if (ev_beat_out_i) count_q[5] <= count_q[5] + 32'd1;
      if (ev_packet_i) count_q[6] <= count_q[6] + 32'd1;
      if (en_i) begin
        if (ev_token_i) count_q[7] <= count_q[7] + 32'd1;
        count_q[8]  <= count_q[8] + 32'(ev_groups_i);
        count_q[9]  <= count_q[9] + 32'(ev_saturated_i);
        count_q[10] <= count_q[10] + 32'(ev_nonfinite_i);
      end
    end
  end

  always_comb
    if (!first_q) begin
      assert (irq == ((pending_q & enable_q[1:0]) != 2'd0));
      assert (soft_rst == soft_q);
      assert (soft_rst == told_q);
      if (wrote_q) assert (s_axil_bresp == (bad_write_q ? 2'b10 : 2'b00));
      if (read_q) begin
        assert (s_axil_rresp == (bad_read_q ? 2'b10 : 2'b00));
        assert (s_axil_rdata == answer_q);
      end
    end

  // The module's own state is that of the contract.
  (* hierconn *) wire [11:0] \dut.awaddr_q ;
  (* hierconn *) wire [11:0] \dut.araddr_q ;
  (* hierconn *) wire [31:0] \dut.wdata_q ;
  (* hierconn *) wire \dut.wstrb_q ;
  (* hierconn *) wire \dut.clear_q ;
  (* hierconn *) wire [31:0] \dut.scratch_q ;
  (* hierconn *) wire [31:0] \dut.irq_enable_q ;
  (* hierconn *) wire [1:0] \dut.irq_status_q ;
  (* hierconn *) wire [7:0] \dut.errors_q ;
  (* hierconn *) wire [511:0] \dut.bank_count ;

  always_comb
    if (!first_q) begin
      if (!s_axil_awready) assert (\dut.awaddr_q == awaddr_q);
      if (!s_axil_arready) assert (\dut.araddr_q == araddr_q);
      if (!s_axil_wready) begin
        assert (\dut.wdata_q == wdata_q);
        assert (\dut.wstrb_q == (wstrb_q == 4'b1111));
      end
      assert (\dut.clear_q == clear_q);
      assert (\dut.scratch_q == scratch_q);
      assert (\dut.irq_enable_q == enable_q);
      assert (\dut.irq_status_q == pending_q);
      assert (\dut.errors_q == errors_q);
      for (int i = 0; i < 11; i++) assert (\dut.bank_count [32*i+:32] == count_q[i]);
    end

endmodule
