// Bus side of the FTDI synchronous FIFO chips, in the chip's clock: FT232H/FT2232H (Bytes = 1), FT600 (2), FT601 (4).
//
// ft_*    the chip's pins. All outputs come from registers; ft_data_i, ft_be_i, ft_rxf_n_i and ft_txe_n_i are sampled at the
//         rising edge. The chip gives a word at an edge with rd_n = 0 and rxf_n = 0 and takes one at an edge with wr_n = 0 and
//         txe_n = 0. ft_oe_o drives the data and byte enable pins. oe_n goes low a cycle before rd_n, and a cycle is left free before the
//         pins are driven.
// rx_*    words from the chip with their byte enables. rx_space_i promises room for 4 more words; there is no ready.
// tx_*    words to the chip; taken with tx_valid_i and tx_ready_o.
// siwu_n  goes low for a cycle when the chip has taken words and Idle cycles long none came: it then sends what it has
//         at once. A chip without room (txe_n = 1) does not hold the bus: its word is kept and shown again.
// A direction gives way after Burst words if the other one wants the bus, so neither starves.
// Latency: rxf_n low to the first word 4 cycles; tx_valid_i to the first word on the pins 3 cycles, on an idle bus.
module kv_ft_bus #(
    parameter int unsigned Bytes = 1,
    parameter int unsigned Burst = 256  // power of two
) (
    input  logic               ft_clk_i,
    input  logic               rst_i,
    input  logic [8*Bytes-1:0] ft_data_i,
    output logic [8*Bytes-1:0] ft_data_o,
    input  logic [  Bytes-1:0] ft_be_i,
    output logic [  Bytes-1:0] ft_be_o,
    output logic               ft_oe_o,
    input  logic               ft_rxf_n_i,
    input  logic               ft_txe_n_i,
    output logic               ft_rd_n_o,
    output logic               ft_wr_n_o,
    output logic               ft_oe_n_o,
    output logic               ft_siwu_n_o,
    output logic               rx_valid_o,
    output logic [8*Bytes-1:0] rx_data_o,
    output logic [  Bytes-1:0] rx_be_o,
    input  logic               rx_space_i,
    input  logic               tx_valid_i,
    output logic               tx_ready_o,
    input  logic [8*Bytes-1:0] tx_data_i,
    input  logic [  Bytes-1:0] tx_be_i
);

  localparam int unsigned CountW = $clog2(Burst) + 1;
  localparam int unsigned IdleLog2 = 5;  // cycles without a word to send that end a write burst

  typedef enum logic [2:0] {Idle, Enable, Read, Turn, Write} state_e;
  state_e state_q = Idle;
  logic [CountW-1:0] count_q;  // words since the direction changed; stops at Burst
  logic [IdleLog2:0] idle_q = '0;  // cycles since the chip took a word; stops
  logic writes_q = 1'b0;  // the direction of the last burst
  logic rd_n_q = 1'b1, wr_n_q = 1'b1, oe_n_q = 1'b1, siwu_n_q = 1'b1, oe_q = 1'b0, rx_valid_q = 1'b0;
  logic hold_q = 1'b0, wrote_q = 1'b0;  // tx_data_q has a word; the chip took one since siwu_n
  logic [8*Bytes-1:0] tx_data_q, rx_data_q;
  logic [Bytes-1:0] tx_be_q, rx_be_q;
  logic may_read, may_write, long, taken, got, hold_d;

  assign ft_data_o   = tx_data_q;
  assign ft_be_o     = tx_be_q;
  assign ft_oe_o     = oe_q;
  assign ft_rd_n_o   = rd_n_q;
  assign ft_wr_n_o   = wr_n_q;
  assign ft_oe_n_o   = oe_n_q;
  assign ft_siwu_n_o = siwu_n_q;
  assign rx_valid_o  = rx_valid_q;
  assign rx_data_o   = rx_data_q;
  assign rx_be_o     = rx_be_q;

  assign may_read   = ~ft_rxf_n_i & rx_space_i;
  assign may_write  = ~ft_txe_n_i & hold_q;
  assign taken      = ~wr_n_q & ~ft_txe_n_i;  // the chip takes the word on the pins
  assign got        = ~rd_n_q & ~ft_rxf_n_i;  // the chip gives a word
  assign long       = count_q[CountW-1];
  assign tx_ready_o = ~hold_q | taken;
  assign hold_d     = (hold_q & ~taken) | tx_valid_i;

  always_ff @(posedge ft_clk_i) begin
    if (rst_i) begin
      state_q    <= Idle;
      rd_n_q     <= 1'b1;
      wr_n_q     <= 1'b1;
      oe_n_q     <= 1'b1;
      oe_q       <= 1'b0;
      siwu_n_q   <= 1'b1;
      rx_valid_q <= 1'b0;
      hold_q     <= 1'b0;
      wrote_q    <= 1'b0;
      idle_q     <= '0;
    end else begin
      rx_valid_q <= got;
      hold_q     <= hold_d;
      siwu_n_q   <= ~(wrote_q & idle_q[IdleLog2]);
      if (taken) begin
        wrote_q <= 1'b1;
        idle_q  <= '0;
      end else begin
        if (idle_q[IdleLog2]) wrote_q <= 1'b0;
        else idle_q <= idle_q + (IdleLog2 + 1)'(1);
      end
      case (state_q)
        Idle: begin
          if (may_read & ~(long & ~writes_q & may_write)) begin
            state_q <= Enable;
            oe_n_q  <= 1'b0;
          end else if (may_write) begin
            state_q <= Write;
            oe_q    <= 1'b1;
          end
        end
        Enable: begin
          state_q <= Read;
          rd_n_q  <= 1'b0;
        end
        Read: begin
          if (ft_rxf_n_i | ~rx_space_i | (long & may_write)) begin
            state_q <= Turn;
            rd_n_q  <= 1'b1;
            oe_n_q  <= 1'b1;
          end
        end
        Write: begin
          if (ft_txe_n_i | (may_read & (long | ~hold_d)) | (~hold_d & idle_q[IdleLog2])) begin
            state_q <= Turn;
            wr_n_q  <= 1'b1;
            oe_q    <= 1'b0;
          end else wr_n_q <= ~hold_d;
        end
        default: state_q <= Idle;
      endcase
    end
    if ((state_q == Enable & writes_q) | (state_q == Write & ~writes_q)) count_q <= '0;
    else if ((got | taken) & ~long) count_q <= count_q + CountW'(1);
    if (state_q == Enable) writes_q <= 1'b0;
    else if (state_q == Write) writes_q <= 1'b1;
    if (tx_valid_i & tx_ready_o) begin
      tx_data_q <= tx_data_i;
      tx_be_q   <= tx_be_i;
    end
    rx_data_q <= ft_data_i;
    rx_be_q   <= ft_be_i;
  end

`ifndef SYNTHESIS
  always_ff @(posedge ft_clk_i) begin
    assert (!(oe_q && !oe_n_q))
    else $error("kv_ft_bus: both sides drive the bus");
    assert (wr_n_q || oe_q)
    else $error("kv_ft_bus: a word is shown on pins that are not driven");
  end
`endif

endmodule
