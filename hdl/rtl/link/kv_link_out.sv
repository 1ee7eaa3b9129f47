// Stream from the engine to the host: a window of Slots frames, kept until they are acknowledged
// (docs/link.md, section 5).
//
// s_axis_*   beats of the engine; taken while there is room, a byte a cycle goes to the open frame. A frame is closed at
//            TLAST and when it holds LINK_MAX_PAYLOAD bytes.
// ready_o    a closed frame may be sent; seq_o is its number. start_i (only with ready_o) says that it is being sent.
// busy_i     from the cycle after start_i until the last byte of that frame was read: the slot is not
//            overwritten meanwhile, even if the frame is acknowledged.
// raddr_i    place to read: slot seq, byte; ram_o one cycle later. Byte 255 of a slot is its size (bit 0 cleared)
//            with the last flag in bit 0.
// ack_i      ack_next_i and ack_limit_i are a host's ACK: frees frames, sets the limit. fresh_o (same cycle): it
//            freed a frame or moved the limit. back_i (with or after the ACK): send again from the first
//            unacknowledged frame on.
// position_o number of the first frame with nothing in it that was given before now.
// waiting_o  there are closed frames that are not acknowledged.
// rst_i empties everything, zeroes the numbers and the limit.
// Cannot overflow: s_axis_tready is low when the slots are used up. An ACK of what was not closed is ignored.
module kv_link_out #(
    parameter int unsigned BeatBytes = 16,
    parameter int unsigned Slots = 8,  // power of two, 2 to 64
    localparam int unsigned SlotW = $clog2(Slots),
    localparam int unsigned CountW = $clog2(BeatBytes) + 1
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic [8*BeatBytes-1:0] s_axis_tdata,
    input  logic                   s_axis_tvalid,
    output logic                   s_axis_tready,
    input  logic                   s_axis_tlast,
    output logic                   ready_o,
    output logic [            7:0] seq_o,
    input  logic                   start_i,
    input  logic                   busy_i,
    input  logic [      SlotW+7:0] raddr_i,
    output logic [            7:0] ram_o,
    input  logic                   ack_i,
    input  logic [            7:0] ack_next_i,
    input  logic [            7:0] ack_limit_i,
    output logic                   fresh_o,
    input  logic                   back_i,
    output logic [            7:0] position_o,
    output logic                   waiting_o
);

  localparam logic [7:0] InfoAt = 8'hFF, Full = 8'(kv_link_pkg::LINK_MAX_PAYLOAD);

  // Filling: a beat moves byte by byte to slot fill_q.
  logic [8*BeatBytes-1:0] beat_q;
  logic [CountW-1:0] count_q;  // bytes of the beat still here
  logic tlast_q;
  logic [7:0] fill_q, size_q;  // frames closed; bytes in the open one
  logic closing_q;  // the open frame's info is written in this cycle
  logic room, move, final_byte;

  // Sending.
  logic [7:0] acked_q, kept_q, send_q, limit_q;
  logic [7:0] freed, ahead;
  logic acceptable;

  assign room          = (fill_q - kept_q) != 8'(Slots);
  assign move          = count_q != '0 & room & ~closing_q;
  assign final_byte    = count_q == CountW'(1);
  assign s_axis_tready = count_q == '0 | (move & final_byte);
  assign position_o    = fill_q + {7'b0, size_q != '0 | count_q != '0};

  kv_ram_1r1w #(
      .Width(8),
      .Depth(256 * Slots)
  ) u_ram (
      .clk_i  (clk_i),
      .en_i   (1'b1),
      .we_i   (move | closing_q),
      .waddr_i({fill_q[SlotW-1:0], closing_q ? InfoAt : size_q}),
      .data_i (closing_q ? {size_q[7:1], tlast_q} : beat_q[7:0]),
      .raddr_i(raddr_i),
      .zero_i (1'b0),
      .data_o (ram_o)
  );

  logic closed_last_q;  // TLAST of the beat whose last byte was moved last

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      count_q   <= '0;
      fill_q    <= '0;
      size_q    <= '0;
      closing_q <= 1'b0;
    end else begin
      if (s_axis_tvalid & s_axis_tready) count_q <= CountW'(BeatBytes);
      else if (move) count_q <= count_q - CountW'(1);
      closing_q <= move & final_byte & (closed_last_q | size_q == Full - 8'd1);
      if (closing_q) begin
        fill_q <= fill_q + 8'd1;
        size_q <= '0;
      end else if (move) size_q <= size_q + 8'd1;
    end
    if (s_axis_tvalid & s_axis_tready) beat_q <= s_axis_tdata;
    else if (move) beat_q <= {8'b0, beat_q[8*BeatBytes-1:8]};
    if (s_axis_tvalid & s_axis_tready) closed_last_q <= s_axis_tlast;
    if (move) tlast_q <= closed_last_q;
  end

  assign freed      = ack_next_i - acked_q;
  assign acceptable = freed <= fill_q - acked_q;
  assign fresh_o    = ack_i & ((acceptable & freed != '0) | ack_limit_i != limit_q);
  assign ahead      = limit_q - send_q;
  assign ready_o    = send_q != fill_q & ahead != '0 & ~ahead[7];
  assign seq_o      = send_q;
  assign waiting_o  = acked_q != fill_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      acked_q <= '0;
      kept_q  <= '0;
      send_q  <= '0;
      limit_q <= '0;
    end else begin
      if (ack_i) limit_q <= ack_limit_i;
      if (ack_i & acceptable) acked_q <= ack_next_i;
      if (~busy_i & ~start_i) kept_q <= acked_q;
      if (back_i) send_q <= ack_i & acceptable ? ack_next_i : acked_q;
      else if (ack_i & acceptable & freed > send_q - acked_q) send_q <= ack_next_i;
      else if (start_i) send_q <= send_q + 8'd1;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i) begin
      assert ((fill_q - kept_q) <= 8'(Slots))
      else $error("kv_link_out: more frames than slots");
      assert ((send_q - acked_q) <= (fill_q - acked_q))
      else $error("kv_link_out: sends what is not there");
      assert (!(start_i && !ready_o))
      else $error("kv_link_out: start without ready");
    end
`endif

endmodule
