// Proof of kv_link_out: nothing leaves the window unacknowledged, nothing is sent without credit.
//
// The engine gives beats, the framer takes frames and the host sends ACKs of any content at any time. The memory's
// content is left out: what is proved is which places are written, and when.
//
// 1. A frame is sent only if the host's limit allows it, and only one that is closed and not acknowledged.
// 2. From the moment a frame is closed until it is acknowledged, and while it is being sent (but for a reset), no byte of its slot is written.
// 3. The open frame fills byte after byte from 0, whole beats, 224 bytes at most.
// 4. After an ACK with `back`, and after nothing else, sending begins again at the first frame not acknowledged.
// 5. An ACK frees exactly what is closed and comes before its next; no other ACK frees anything.
module fv_link_out (
    input logic        clk_i,
    input logic        rst_i,
    input logic [31:0] data_i,
    input logic        valid_i,
    input logic        last_i,
    input logic        start_i,
    input logic        busy_i,
    input logic [ 8:0] raddr_i,
    input logic        ack_i,
    input logic [ 7:0] ack_next_i,
    input logic [ 7:0] ack_limit_i,
    input logic        back_i
);

  logic first_q = 1'b1;
  logic in_ready, ready, fresh, waiting;
  logic [7:0] seq, ram, position;

  kv_link_out #(
      .BeatBytes(4),
      .Slots(2)
  ) dut (
      .clk_i,
      .rst_i,
      .s_axis_tdata (data_i),
      .s_axis_tvalid(valid_i),
      .s_axis_tready(in_ready),
      .s_axis_tlast (last_i),
      .ready_o      (ready),
      .seq_o        (seq),
      .start_i,
      .busy_i,
      .raddr_i,
      .ram_o        (ram),
      .ack_i,
      .ack_next_i,
      .ack_limit_i,
      .fresh_o      (fresh),
      .back_i,
      .position_o   (position),
      .waiting_o    (waiting)
  );

  (* hierconn *) wire [7:0] \dut.fill_q , \dut.acked_q , \dut.kept_q , \dut.send_q , \dut.limit_q , \dut.size_q ;
  (* hierconn *) wire \dut.closing_q , \dut.move ;
  (* hierconn *) wire [2:0] \dut.count_q ;

  // The window, from the contract: closed and acknowledged frames, the host's limit, the next to send.
  logic [7:0] closed_q, freed_q, limit_q, next_q, bytes_q;
  logic [7:0] sending_q;  // the frame that is being sent, while busy_i
  logic good;

  assign good = ack_i && 8'(ack_next_i - freed_q) <= 8'(closed_q - freed_q);

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) begin
      closed_q <= '0;
      freed_q  <= '0;
      limit_q  <= '0;
      next_q   <= '0;
      bytes_q  <= '0;
    end else begin
      if (good) freed_q <= ack_next_i;
      if (ack_i) limit_q <= ack_limit_i;
      if (\dut.closing_q ) closed_q <= closed_q + 8'd1;
      bytes_q <= \dut.closing_q ? 8'd0 : bytes_q + {7'd0, \dut.move };
      if (back_i) next_q <= good ? ack_next_i : freed_q;
      else if (good && 8'(ack_next_i - freed_q) > 8'(next_q - freed_q)) next_q <= ack_next_i;
      else if (start_i) next_q <= next_q + 8'd1;
    end
    if (start_i) sending_q <= seq;
  end

  // busy_i: from the cycle after start_i, without a gap; then at least one cycle without.
  // A reset in between leaves the framer at work on a frame that is of no interest any more.
  logic started_q = 1'b0, was_busy_q = 1'b0, void_q = 1'b0, busy;
  assign busy = busy_i && !void_q;
  always_ff @(posedge clk_i) begin
    started_q  <= start_i;
    was_busy_q <= busy_i;
    void_q     <= rst_i && (busy_i || start_i) || void_q && busy_i;
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (!start_i || ready && !busy_i);
    assume (busy_i == (started_q || was_busy_q && busy_i));
  end

  always_comb
    if (!first_q) begin
      if (start_i && !rst_i) begin
        assert (8'(limit_q - seq) != '0 && 8'(limit_q - seq) < 8'd128);
        assert (8'(seq - freed_q) < 8'(closed_q - freed_q));
        assert (seq == next_q);
      end
      assert (position == 8'(closed_q + {7'd0, bytes_q != '0 || \dut.count_q != '0}));
      assert (waiting == (closed_q != freed_q));
      if (!rst_i) assert (fresh == (good && ack_next_i != freed_q || ack_i && ack_limit_i != limit_q));
      // A slot that is written, also its info, is not that of a frame in the window, nor that of the frame being sent.
      if ((\dut.move || \dut.closing_q ) && !rst_i) begin
        assert (8'(closed_q - freed_q) < 8'd2);
        if (busy) assert (8'(closed_q - \dut.kept_q ) < 8'd2 && 8'(sending_q - \dut.kept_q ) < 8'd2 && sending_q[0] != closed_q[0]);
      end
      if (\dut.move ) assert (bytes_q < 8'd224);
      assert (bytes_q <= 8'd224);
      // Why.
      assert (\dut.fill_q == closed_q && \dut.acked_q == freed_q && \dut.limit_q == limit_q && \dut.send_q == next_q && \dut.size_q == bytes_q);
      assert (8'(closed_q - freed_q) <= 8'd2);
      assert (8'(next_q - freed_q) <= 8'(closed_q - freed_q));
      assert (8'(freed_q - \dut.kept_q ) <= 8'(closed_q - \dut.kept_q ) && 8'(closed_q - \dut.kept_q ) <= 8'd2);
      if (busy) assert (8'(sending_q - \dut.kept_q ) < 8'(closed_q - \dut.kept_q ));
      if (\dut.closing_q ) assert (bytes_q != '0 && 8'(closed_q - \dut.kept_q ) < 8'd2);
      if (bytes_q == 8'd224) assert (\dut.closing_q );
      if (bytes_q != '0) assert (8'(closed_q - \dut.kept_q ) < 8'd2);
      if (!\dut.closing_q ) assert (8'(bytes_q + \dut.count_q ) % 8'd4 == '0);
      assert (\dut.count_q <= 3'd4);
      if (\dut.closing_q ) assert (bytes_q % 8'd4 == '0 && (\dut.count_q == 3'd4 || \dut.count_q == 3'd0));
    end

endmodule

// In place of the block RAM: nothing is proved of its content.
module kv_ram_1r1w #(
    parameter int unsigned Width = 32,
    parameter int unsigned Depth = 512,
    localparam int unsigned AddrW = $clog2(Depth)
) (
    input  logic             clk_i,
    input  logic             en_i,
    input  logic             we_i,
    input  logic [AddrW-1:0] waddr_i,
    input  logic [Width-1:0] data_i,
    input  logic [AddrW-1:0] raddr_i,
    input  logic             zero_i,
    output logic [Width-1:0] data_o
);
  assign data_o = '0;
endmodule
