// Frames out of the bytes of the host (docs/link.md, section 1).
//
// byte_i is taken in every cycle with byte_valid_i: there is no ready, the parser always keeps up.
// pay_valid_o: pay_data_o is payload byte pay_index_o of a frame whose CRC is not yet known.
// frame_o     for one cycle: that frame is whole; head_o holds its type and flags, A, B and N, and
//             stays for that cycle and the next.
// damaged_o   for one cycle: what stood between two delimiters is no whole frame.
// Latency: delimiter taken at t, frame_o or damaged_o at t + 2. A delimiter always ends a frame, so the parser
// is in step after one, whatever came before. A frame longer than N says is damaged; no counter wraps
// within a frame (the index counts to N <= 255, the rest is only remembered).
module kv_link_rx (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        byte_valid_i,
    input  logic [ 7:0] byte_i,
    output logic        pay_valid_o,
    output logic [ 7:0] pay_index_o,
    output logic [ 7:0] pay_data_o,
    output logic        frame_o,
    output logic        damaged_o,
    output logic [31:0] head_o        // type and flags, A, B, N from the lowest byte up
);

  localparam logic [31:0] Residue = 32'hDEBB_20E3;

  // The coding undone: left_q bytes stand for themselves before the next distance.
  logic [7:0] left_q;
  logic some_q;  // a byte came since the delimiter
  logic zero, at_distance;
  logic data_valid_q, end_q, cut_q;
  logic [7:0] data_q;

  assign zero = byte_i == 8'd0;
  assign at_distance = left_q == 8'd0;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      left_q       <= '0;
      some_q       <= 1'b0;
      data_valid_q <= 1'b0;
      end_q        <= 1'b0;
    end else begin
      if (byte_valid_i) begin
        some_q <= ~zero;
        if (zero) left_q <= '0;
        else if (at_distance) left_q <= byte_i - 8'd1;
        else left_q <= left_q - 8'd1;
      end
      data_valid_q <= byte_valid_i & ~zero & (some_q | ~at_distance);
      end_q        <= byte_valid_i & zero & some_q;
    end
    data_q <= at_distance ? 8'd0 : byte_i;
    cut_q  <= ~at_distance;
  end

  // The fields.
  logic [2:0] got_q;  // header bytes had
  logic [8:0] rest_q;  // payload and CRC bytes to come
  logic [7:0] index_q;
  logic [31:0] head_q, crc_q, crc;
  logic over_q;  // more bytes than N says
  logic in_head, fits, whole, frame_q, damaged_q;

  kv_link_crc u_crc (
      .crc_i (crc_q),
      .data_i(data_q),
      .crc_o (crc)
  );

  assign in_head     = got_q != 3'(kv_link_pkg::LINK_HEADER_BYTES);
  assign fits        = head_q[31:24] <= 8'(kv_link_pkg::LINK_MAX_PAYLOAD);
  assign whole       = ~cut_q & ~in_head & ~over_q & rest_q == '0 & crc_q == Residue & fits;
  assign pay_valid_o = data_valid_q & ~in_head & rest_q > 9'(kv_link_pkg::LINK_CRC_BYTES);
  assign pay_index_o = index_q;
  assign pay_data_o  = data_q;
  assign frame_o     = frame_q;
  assign damaged_o   = damaged_q;
  assign head_o      = head_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      got_q     <= '0;
      over_q    <= 1'b0;
      crc_q     <= '1;
      index_q   <= '0;
      frame_q   <= 1'b0;
      damaged_q <= 1'b0;
    end else begin
      frame_q   <= end_q & whole;
      damaged_q <= end_q & ~whole;
      if (end_q) begin
        got_q   <= '0;
        over_q  <= 1'b0;
        crc_q   <= '1;
        index_q <= '0;
      end else if (data_valid_q) begin
        crc_q <= crc;
        if (in_head) got_q <= got_q + 3'd1;
        else if (rest_q == '0) over_q <= 1'b1;
        if (pay_valid_o) index_q <= index_q + 8'd1;
      end
    end
    if (data_valid_q & in_head) begin
      head_q <= {data_q, head_q[31:8]};
      rest_q <= {1'b0, data_q} + 9'(kv_link_pkg::LINK_CRC_BYTES);
    end else if (data_valid_q & rest_q != '0) rest_q <= rest_q - 9'd1;
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i)
      assert (!(frame_q && damaged_q))
      else $error("kv_link_rx: a frame both whole and damaged");
`endif

endmodule
