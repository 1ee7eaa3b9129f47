// Bytes of the link to and from words of an FT60x, in the link's clock.
//
// From words: word_i with be_i is taken with word_valid_i and word_ready_o; its bytes with be_i set come out lowest first
// as rx_valid_o, rx_data_o, one a cycle and without a ready.
// To words: bytes are taken with tx_valid_i and tx_ready_o and leave, the earliest lowest, as word_o with be_o, held until
// word_ready_i; a word leaves when it is full, or when no byte came for Patience cycles (be_o then says how many).
// Latency: word to its first byte 2 cycles; a full word 1 cycle after its last byte. Nothing overflows: both directions
// wait.
module kv_ft_width #(
    parameter int unsigned Bytes = 4,  // 2 or 4
    parameter int unsigned Patience = 16
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               word_valid_i,
    output logic               word_ready_o,
    input  logic [8*Bytes-1:0] word_i,
    input  logic [  Bytes-1:0] be_i,
    output logic               rx_valid_o,
    output logic [        7:0] rx_data_o,
    input  logic               tx_valid_i,
    output logic               tx_ready_o,
    input  logic [        7:0] tx_data_i,
    output logic               word_valid_o,
    input  logic               word_ready_i,
    output logic [8*Bytes-1:0] word_o,
    output logic [  Bytes-1:0] be_o
);

  localparam int unsigned WaitW = $clog2(Patience + 1);

  // Words to bytes: the lowest byte is looked at in each cycle, and given if it is enabled.
  logic [8*Bytes-1:0] in_q;
  logic [Bytes-1:0] in_be_q = '0;
  logic rx_valid_q;
  logic [7:0] rx_data_q;

  assign word_ready_o = in_be_q[Bytes-1:1] == '0;
  assign rx_valid_o   = rx_valid_q;
  assign rx_data_o    = rx_data_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      in_be_q    <= '0;
      rx_valid_q <= 1'b0;
    end else begin
      in_be_q    <= word_ready_o ? (be_i & {Bytes{word_valid_i}}) : in_be_q >> 1;
      rx_valid_q <= in_be_q[0];
    end
    in_q      <= word_ready_o ? word_i : in_q >> 8;
    rx_data_q <= in_q[7:0];
  end

  // Bytes to words.
  logic [8*Bytes-1:0] out_q;
  logic [Bytes-1:0] out_be_q = '0, next_be;
  logic [WaitW-1:0] wait_q;
  logic full_q = 1'b0, take;

  assign word_valid_o = full_q;
  assign word_o       = out_q;
  assign be_o         = out_be_q;
  assign tx_ready_o   = ~full_q;
  assign take         = tx_valid_i & ~full_q;
  assign next_be      = {out_be_q[Bytes-2:0], 1'b1};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      out_be_q <= '0;
      full_q   <= 1'b0;
    end else if (full_q) begin
      if (word_ready_i) begin
        full_q   <= 1'b0;
        out_be_q <= '0;
      end
    end else if (take) begin
      out_be_q <= next_be;
      full_q   <= next_be[Bytes-1];
    end else if (out_be_q != '0 && wait_q == WaitW'(Patience)) full_q <= 1'b1;
    wait_q <= take || full_q ? '0 : wait_q + WaitW'(1);
    for (int i = 0; i < Bytes; i++) if (take && next_be[i] && !out_be_q[i]) out_q[8*i+:8] <= tx_data_i;
  end

endmodule
