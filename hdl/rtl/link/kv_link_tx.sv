// Frames to the host, as bytes (docs/link.md, sections 1 and 2).
//
// *_due_i    a frame of that kind waits. The one chosen (HELLO, ANSWER, ERROR, ACK, DATA, in this order) gets its
//            *_sent_o for one cycle, in which its fields are taken; the payloads of HELLO and ANSWER are read as they go out.
// data_seq_i number of the DATA frame that waits; data_busy_o from the cycle after data_sent_o until its last byte was read.
// raddr_o    place in the slots of kv_link_out; ram_i has that byte in the next cycle.
// byte_o     with byte_valid_o until byte_ready_i: a delimiter, the coded frame, a delimiter.
// Latency: due to the first delimiter 2 cycles; then a byte a cycle; 4 cycles between frames.
// rst_i stops it at once, perhaps within a frame; a HELLO of the host does not.
module kv_link_tx #(
    parameter int unsigned BeatBytes = 16,
    parameter int unsigned RxSlots = 8,
    parameter int unsigned TxSlots = 8,
    parameter logic [31:0] BoardId = 32'd0,
    parameter logic [31:0] ClockHz = 32'd0,
    localparam int unsigned SlotW = $clog2(TxSlots)
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             hello_due_i,
    output logic             hello_sent_o,
    input  logic [      7:0] hello_id_i,
    input  logic             answer_due_i,
    output logic             answer_sent_o,
    input  logic [      7:0] answer_id_i,
    input  logic [      1:0] answer_resp_i,
    input  logic [      7:0] answer_position_i,
    input  logic [     31:0] answer_value_i,
    input  logic [      7:0] damaged_i,
    input  logic [      7:0] timeouts_i,
    input  logic             error_due_i,
    output logic             error_sent_o,
    input  logic [      7:0] error_code_i,
    input  logic [      7:0] error_detail_i,
    input  logic             ack_due_i,
    output logic             ack_sent_o,
    input  logic             ack_nak_i,
    input  logic             ack_poll_i,
    input  logic [      7:0] ack_next_i,
    input  logic [      7:0] ack_limit_i,
    input  logic             data_due_i,
    output logic             data_sent_o,
    input  logic [      7:0] data_seq_i,
    output logic             data_busy_o,
    output logic [SlotW+7:0] raddr_o,
    input  logic [      7:0] ram_i,
    output logic             byte_valid_o,
    output logic [      7:0] byte_o,
    input  logic             byte_ready_i
);

  localparam logic [7:0] InfoAt = 8'hFF;
  logic [95:0] hello;

  assign hello[31:0]  = {8'(kv_link_pkg::LINK_MAX_PAYLOAD), 8'(TxSlots), 8'(RxSlots), 8'(BeatBytes)};
  assign hello[63:32] = BoardId;
  assign hello[95:64] = ClockHz;

  // First stage: which byte comes next. Idle chooses; Seek waits for a slot's info and sends the delimiter.
  typedef enum logic [2:0] {Idle, Seek, Head, Payload, Check, Distance, Delimiter} state_e;
  typedef enum logic [1:0] {Nothing, Content, Sum, Mark} item_e;  // Mark: distance or delimiter
  state_e state_q;
  logic go, step, choose, final_index;
  logic [3:0] type_q, flags_q;
  logic [7:0] a_q, b_q, n_q, index_q, content;
  logic is_hello_q, is_data_q;

  assign go            = ~byte_valid_o | byte_ready_i;
  assign step          = go & state_q != Idle;
  assign choose        = state_q == Idle;
  assign hello_sent_o  = choose & hello_due_i;
  assign answer_sent_o = choose & ~hello_due_i & answer_due_i;
  assign error_sent_o  = choose & ~hello_due_i & ~answer_due_i & error_due_i;
  assign ack_sent_o    = choose & ~hello_due_i & ~answer_due_i & ~error_due_i & ack_due_i;
  assign data_sent_o   = choose & ~hello_due_i & ~answer_due_i & ~error_due_i & ~ack_due_i & data_due_i;
  assign data_busy_o   = is_data_q & (state_q == Seek | state_q == Head | state_q == Payload);
  assign final_index   = index_q == n_q - 8'd1;

  // The slot's info is read while Idle and Seek stand, a payload byte one step ahead.
  logic [7:0] raddr_byte;
  always_comb begin
    case (state_q)
      Head:    raddr_byte = 8'd0;
      Payload: raddr_byte = step ? index_q + 8'd1 : index_q;
      default: raddr_byte = InfoAt;
    endcase
    raddr_o = {a_q[SlotW-1:0], raddr_byte};
    if (choose) raddr_o = {data_seq_i[SlotW-1:0], InfoAt};
  end

  always_comb begin
    if (state_q == Head) begin
      case (index_q[1:0])
        2'd0:    content = {flags_q, type_q};
        2'd1:    content = a_q;
        2'd2:    content = b_q;
        default: content = n_q;
      endcase
    end else if (is_data_q) content = ram_i;
    else if (is_hello_q) content = hello[8*index_q[3:0]+:8];
    else begin
      case (index_q[2:0])
        3'd0:    content = answer_value_i[7:0];
        3'd1:    content = answer_value_i[15:8];
        3'd2:    content = answer_value_i[23:16];
        3'd3:    content = answer_value_i[31:24];
        3'd4:    content = damaged_i;
        default: content = timeouts_i;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) state_q <= Idle;
    else if (choose) begin
      if (hello_due_i | answer_due_i | error_due_i | ack_due_i | data_due_i) state_q <= Seek;
    end else if (step) begin
      case (state_q)
        Seek:    state_q <= Head;
        Head:    if (index_q[1:0] == 2'd3) state_q <= n_q == '0 ? Check : Payload;
        Payload: if (final_index) state_q <= Check;
        Check:   if (index_q[1:0] == 2'd3) state_q <= Distance;
        Distance: state_q <= Delimiter;
        default: state_q <= Idle;
      endcase
    end
    if (choose) begin
      is_hello_q <= hello_sent_o;
      is_data_q  <= data_sent_o;
      b_q        <= '0;
      n_q        <= '0;
      flags_q    <= '0;
      if (hello_due_i) begin
        type_q <= 4'(kv_link_pkg::FRAME_HELLO);
        a_q    <= hello_id_i;
        b_q    <= 8'(kv_link_pkg::LINK_VERSION);
        n_q    <= 8'(kv_link_pkg::LINK_HELLO_BYTES);
      end else if (answer_due_i) begin
        type_q  <= 4'(kv_link_pkg::FRAME_ANSWER);
        a_q     <= answer_id_i;
        b_q     <= answer_position_i;
        n_q     <= 8'(kv_link_pkg::LINK_ANSWER_BYTES);
        flags_q <= {2'b0, answer_resp_i};
      end else if (error_due_i) begin
        type_q <= 4'(kv_link_pkg::FRAME_ERROR);
        a_q    <= error_code_i;
        b_q    <= error_detail_i;
      end else if (ack_due_i) begin
        type_q  <= 4'(kv_link_pkg::FRAME_ACK);
        a_q     <= ack_next_i;
        b_q     <= ack_limit_i;
        flags_q <= {2'b0, ack_poll_i, ack_nak_i};
      end else begin
        type_q <= 4'(kv_link_pkg::FRAME_DATA);
        a_q    <= data_seq_i;
      end
    end else if (state_q == Seek & is_data_q) begin
      n_q     <= {ram_i[7:1], 1'b0};
      flags_q <= {3'b0, ram_i[0]};
    end
    if (choose) index_q <= '0;
    else if (step & state_q != Seek) begin
      if ((state_q == Head | state_q == Check) & index_q[1:0] == 2'd3) index_q <= '0;
      else if (state_q == Payload & final_index) index_q <= '0;
      else index_q <= index_q + 8'd1;
    end
  end

  // Second stage: the chosen byte. Third: CRC and coding, straight into byte_o.
  item_e item_q;
  logic [7:0] data_q;
  logic begin_q, end_q;  // Mark: the delimiter before, or after, a frame
  logic [31:0] crc_q, crc;
  logic [7:0] distance_q, plain;

  kv_link_crc u_crc (
      .crc_i (crc_q),
      .data_i(data_q),
      .crc_o (crc)
  );

  assign plain = item_q == Content ? data_q : ~crc_q[7:0];

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      item_q       <= Nothing;
      byte_valid_o <= 1'b0;
    end else if (go) begin
      case (state_q)
        Idle:          item_q <= Nothing;
        Head, Payload: item_q <= Content;
        Check:         item_q <= Sum;
        default:       item_q <= Mark;
      endcase
      byte_valid_o <= item_q != Nothing;
    end
    if (go) begin
      data_q  <= content;
      begin_q <= state_q == Seek;
      end_q   <= state_q == Delimiter;
      case (item_q)
        Mark:    byte_o <= begin_q | end_q ? 8'd0 : distance_q;
        default: byte_o <= plain == '0 ? distance_q : plain;
      endcase
      if (item_q == Mark) begin
        crc_q      <= '1;
        distance_q <= 8'd1;
      end else if (item_q != Nothing) begin
        crc_q      <= item_q == Content ? crc : {8'hFF, crc_q[31:8]};
        distance_q <= plain == '0 ? 8'd1 : distance_q + 8'd1;
      end
    end
  end

endmodule
