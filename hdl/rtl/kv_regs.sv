// Registers, counters and interrupt behind AXI4-Lite (docs/engine.md, sections 2 and 5.2).
//
// A write is performed in the clock cycle in which its address and data are both held
// and bvalid is low, a read likewise; a register is read as it stands at the start of
// the cycle. Neither waits for the core: accesses take 3 clock cycles from the first
// valid to the response, however frozen the core is. The readies come from registers.
//
// soft_rst_o is 1 in the clock cycle after a write of CTRL with the soft reset bit; soft_rst_next_o, in that
// of the write, tells it.
// ev_* add to the counters at the end of the cycle: those of the core (token, groups,
// saturated, nonfinite, error) only with en_i, the others in every clock cycle.
module kv_regs #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter logic [11:0] Features = 12'hFFF,  // built in, bits kv_pkg::FEAT_*
    parameter logic [31:0] BuildHash = 32'h0  // what BUILD_HASH reads
) (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        en_i,
    input  logic [11:0] s_axil_awaddr,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    input  logic [ 3:0] s_axil_wstrb,
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic [ 1:0] s_axil_bresp,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [11:0] s_axil_araddr,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [ 1:0] s_axil_rresp,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready,
    output logic        irq_o,
    output logic        soft_rst_o,
    output logic        soft_rst_next_o,
    input  logic        busy_i,
    input  logic        resetting_i,
    input  logic [ 2:0] flight_i,
    input  logic        ev_stall_in_i,
    input  logic        ev_stall_out_i,
    input  logic        ev_beat_in_i,
    input  logic        ev_beat_out_i,
    input  logic        ev_packet_i,
    input  logic        ev_token_i,
    input  logic [ 9:0] ev_groups_i,
    input  logic [ 5:0] ev_saturated_i,
    input  logic [ 9:0] ev_nonfinite_i,
    input  logic        ev_error_i,
    input  logic [ 2:0] ev_status_i
);

  localparam logic [1:0] Okay = 2'b00, SlvErr = 2'b10;

  (* mem2reg *)
  logic [31:0] counter_q[11];  // in the order of their addresses, CYCLES first
  logic [7:0] errors_q;
  logic [1:0] irq_status_q;
  logic [31:0] irq_enable_q, scratch_q;
  logic [31:0] status;
  logic clear_q;

  assign status = {24'b0, 1'b0, flight_i, 2'b0, resetting_i, busy_i};
  assign irq_o  = (irq_status_q & irq_enable_q[1:0]) != '0;

  // AXI4-Lite
  logic aw_q, w_q, ar_q;
  logic [11:0] awaddr_q, araddr_q;
  logic [31:0] wdata_q;
  logic wstrb_q;  // all strobes set
  logic write, write_ok, read, read_ok;
  logic [31:0] read_data;

  assign s_axil_awready = ~aw_q;
  assign s_axil_wready = ~w_q;
  assign s_axil_arready = ~ar_q;
  assign write = aw_q & w_q & ~s_axil_bvalid;
  assign read = ar_q & ~s_axil_rvalid;

  always_comb begin
    case (awaddr_q)
      kv_pkg::REG_CTRL, kv_pkg::REG_ERRORS, kv_pkg::REG_IRQ_STATUS, kv_pkg::REG_IRQ_ENABLE,
      kv_pkg::REG_SCRATCH:
      write_ok = wstrb_q;
      default: write_ok = 1'b0;
    endcase
  end

  // Three banks of 16 words: what the build is, software registers, counters.
  logic [16*32-1:0] bank_build, bank_soft, bank_count;
  logic [15:0] has_build, has_soft, has_count;
  logic [ 3:0] word;

  assign bank_build = {
    {7{32'b0}}, MaxTokens, TileTokens, MaxDim, Lanes, 20'b0, Features, BuildHash, kv_pkg::SPEC_ID,
    kv_pkg::ABI_VERSION, kv_pkg::MAGIC
  };
  assign bank_soft = {
    {10{32'b0}}, scratch_q, irq_enable_q, 30'b0, irq_status_q, 24'b0, errors_q,
    status, 32'b0
  };
  always_comb begin
    bank_count = '0;
    for (int i = 0; i < 11; i++) bank_count[32*i+:32] = counter_q[i];
  end
  assign has_build = 16'h01FF;
  assign has_soft = 16'h003F;
  assign has_count = 16'h07FF;
  assign word = araddr_q[5:2];

  always_comb begin
    case ({araddr_q[11:6], araddr_q[1:0]})
      {kv_pkg::REG_MAGIC[11:6], 2'b00}: begin
        read_ok   = has_build[word];
        read_data = bank_build[32*word+:32];
      end
      {kv_pkg::REG_CTRL[11:6], 2'b00}: begin
        read_ok   = has_soft[word];
        read_data = bank_soft[32*word+:32];
      end
      {kv_pkg::REG_CYCLES[11:6], 2'b00}: begin
        read_ok   = has_count[word];
        read_data = bank_count[32*word+:32];
      end
      default: begin
        read_ok   = 1'b0;
        read_data = '0;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      aw_q          <= 1'b0;
      w_q           <= 1'b0;
      ar_q          <= 1'b0;
      awaddr_q      <= '0;
      araddr_q      <= '0;
      wdata_q       <= '0;
      wstrb_q       <= 1'b0;
      s_axil_bvalid <= 1'b0;
      s_axil_bresp  <= Okay;
      s_axil_rvalid <= 1'b0;
      s_axil_rresp  <= Okay;
      s_axil_rdata  <= '0;
    end else begin
      if (write) aw_q <= 1'b0;
      else if (s_axil_awvalid) aw_q <= 1'b1;
      if (write) w_q <= 1'b0;
      else if (s_axil_wvalid) w_q <= 1'b1;
      if (read) ar_q <= 1'b0;
      else if (s_axil_arvalid) ar_q <= 1'b1;
      if (s_axil_awvalid & ~aw_q) awaddr_q <= s_axil_awaddr;
      if (s_axil_arvalid & ~ar_q) araddr_q <= s_axil_araddr;
      if (s_axil_wvalid & ~w_q) begin
        wdata_q <= s_axil_wdata;
        wstrb_q <= s_axil_wstrb == 4'hF;
      end
      if (write) begin
        s_axil_bvalid <= 1'b1;
        s_axil_bresp  <= write_ok ? Okay : SlvErr;
      end else if (s_axil_bready) s_axil_bvalid <= 1'b0;
      if (read) begin
        s_axil_rvalid <= 1'b1;
        s_axil_rresp  <= read_ok ? Okay : SlvErr;
        s_axil_rdata  <= read_data;
      end else if (s_axil_rready) s_axil_rvalid <= 1'b0;
    end
  end

  // Software registers
  logic do_write;
  logic [7:0] errors_set, w1c_errors;
  logic [1:0] irq_set, w1c_irq;

  assign do_write   = write & write_ok;
  assign soft_rst_next_o = do_write && awaddr_q == kv_pkg::REG_CTRL && wdata_q[kv_pkg::CTRL_SOFT_RESET];
  assign w1c_errors = do_write && awaddr_q == kv_pkg::REG_ERRORS ? wdata_q[7:0] : '0;
  assign w1c_irq    = do_write && awaddr_q == kv_pkg::REG_IRQ_STATUS ? wdata_q[1:0] : '0;

  always_comb begin
    for (int i = 0; i < 8; i++) errors_set[i] = en_i && ev_error_i && ev_status_i == 3'(i);
    irq_set = '0;
    irq_set[kv_pkg::IRQ_DONE] = ev_packet_i;
    irq_set[kv_pkg::IRQ_ERROR] = en_i & ev_error_i;
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      soft_rst_o   <= 1'b0;
      clear_q      <= 1'b0;
      errors_q     <= '0;
      irq_status_q <= '0;
      irq_enable_q <= '0;
      scratch_q    <= '0;
    end else begin
      soft_rst_o <= soft_rst_next_o;
      clear_q <= do_write && awaddr_q == kv_pkg::REG_CTRL && wdata_q[kv_pkg::CTRL_CLEAR];
      if (do_write && awaddr_q == kv_pkg::REG_IRQ_ENABLE) irq_enable_q <= wdata_q;
      if (do_write && awaddr_q == kv_pkg::REG_SCRATCH) scratch_q <= wdata_q;
      errors_q <= clear_q ? '0 : (errors_q & ~w1c_errors) | errors_set;
      irq_status_q <= clear_q ? '0 : (irq_status_q & ~w1c_irq) | irq_set;
    end
  end

  // Counters
  logic [10:0] step;
  logic [109:0] add;  // 10 bits each

  assign step = {
    {4{en_i}}, ev_packet_i, ev_beat_out_i, ev_beat_in_i, ev_stall_out_i, ev_stall_in_i, busy_i, 1'b1
  };
  assign add = {
    ev_nonfinite_i, 4'b0, ev_saturated_i, ev_groups_i, 9'b0, ev_token_i, {7{10'd1}}
  };

  for (genvar i = 0; i < 11; i++) begin : gen_counter
    always_ff @(posedge clk_i) begin
      if (rst_i | clear_q) counter_q[i] <= '0;
      else if (step[i]) counter_q[i] <= counter_q[i] + {22'b0, add[10*i+:10]};
    end
  end

endmodule
