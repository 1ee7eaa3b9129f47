// Register requests of the host as AXI4-Lite accesses (docs/link.md, section 4).
//
// pay_valid_i  payload bytes as they come; the last six are the request's address and value.
// request_i    a whole READ or WRITE (write_i) with id_i. The same id as the last performed sends the kept
//              answer again; another starts an access, unless one is under way: then refused_o, in the same cycle.
// due_o        an answer waits to be sent, until sent_i; id_o, resp_o, position_o and value_o are that answer, and
//              stay until another access ends (id_o: begins).
// position_i   is kept as position_o when the access ends.
// m_axil_*     one access at a time; valid holds until ready, wstrb is all ones.
// Addresses beyond 12 bits are answered DECERR and do not appear on m_axil. value_o is 0 unless a read gave OKAY.
// rst_i forgets everything; the slave has to be reset with it.
// Latency: request_i to valid 1 cycle, answer to due_o 1 cycle.
module kv_link_regs (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        pay_valid_i,
    input  logic [ 7:0] pay_data_i,
    input  logic        request_i,
    input  logic        write_i,
    input  logic [ 7:0] id_i,
    output logic        refused_o,
    output logic        due_o,
    input  logic        sent_i,
    output logic [ 7:0] id_o,
    output logic [ 1:0] resp_o,
    output logic [ 7:0] position_o,
    output logic [31:0] value_o,
    input  logic [ 7:0] position_i,
    output logic [11:0] m_axil_awaddr,
    output logic        m_axil_awvalid,
    input  logic        m_axil_awready,
    output logic [31:0] m_axil_wdata,
    output logic [ 3:0] m_axil_wstrb,
    output logic        m_axil_wvalid,
    input  logic        m_axil_wready,
    input  logic [ 1:0] m_axil_bresp,
    input  logic        m_axil_bvalid,
    output logic        m_axil_bready,
    output logic [11:0] m_axil_araddr,
    output logic        m_axil_arvalid,
    input  logic        m_axil_arready,
    input  logic [31:0] m_axil_rdata,
    input  logic [ 1:0] m_axil_rresp,
    input  logic        m_axil_rvalid,
    output logic        m_axil_rready
);

  localparam logic [1:0] Okay = 2'b00, DecErr = 2'b11;

  logic [47:0] payload_q;  // the last six payload bytes
  logic [11:0] addr_q;
  logic [31:0] data_q;
  logic known_q;  // id_q was performed, or is being performed
  logic busy_q, aw_q, w_q, ar_q, due_q;
  logic [7:0] id_q, position_q;
  logic [1:0] resp_q;
  logic [31:0] value_q;
  logic again, begins, beyond, ends;

  assign again          = known_q & id_q == id_i;
  assign refused_o      = request_i & ~again & busy_q;
  assign begins         = request_i & ~again & ~busy_q;
  assign beyond         = payload_q[15:12] != '0;
  assign ends           = busy_q & (m_axil_bvalid | m_axil_rvalid);
  assign due_o          = due_q;
  assign id_o           = id_q;
  assign resp_o         = resp_q;
  assign position_o     = position_q;
  assign value_o        = value_q;
  assign m_axil_awaddr  = addr_q;
  assign m_axil_awvalid = aw_q;
  assign m_axil_wdata   = data_q;
  assign m_axil_wstrb   = 4'hF;
  assign m_axil_wvalid  = w_q;
  assign m_axil_bready  = busy_q;
  assign m_axil_araddr  = addr_q;
  assign m_axil_arvalid = ar_q;
  assign m_axil_rready  = busy_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      known_q <= 1'b0;
      busy_q  <= 1'b0;
      aw_q    <= 1'b0;
      w_q     <= 1'b0;
      ar_q    <= 1'b0;
      due_q   <= 1'b0;
    end else begin
      if (begins) begin
        known_q <= 1'b1;
        busy_q  <= ~beyond;
        aw_q    <= write_i & ~beyond;
        w_q     <= write_i & ~beyond;
        ar_q    <= ~write_i & ~beyond;
        due_q   <= beyond;
      end else begin
        if (ends) busy_q <= 1'b0;
        if (m_axil_awready) aw_q <= 1'b0;
        if (m_axil_wready) w_q <= 1'b0;
        if (m_axil_arready) ar_q <= 1'b0;
        if (ends | (request_i & again & ~busy_q)) due_q <= 1'b1;
        else if (sent_i) due_q <= 1'b0;
      end
    end
    if (pay_valid_i) payload_q <= {pay_data_i, payload_q[47:8]};
    if (begins) begin
      id_q   <= id_i;
      addr_q <= payload_q[11:0];
      data_q <= payload_q[47:16];
    end
    if (begins | ends) begin
      position_q <= position_i;
      if (begins) resp_q <= DecErr;
      else resp_q <= m_axil_bvalid ? m_axil_bresp : m_axil_rresp;
      value_q <= ends & m_axil_rvalid & m_axil_rresp == Okay ? m_axil_rdata : '0;
    end
  end

endmodule
