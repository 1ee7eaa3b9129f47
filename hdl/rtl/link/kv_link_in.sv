// Stream from the host to the engine: a window of Slots frames (docs/link.md, section 5).
//
// pay_*     payload bytes of a frame as they come. They go to the slot of the frame expected next, if one is free
//           when byte 0 comes; fits_o tells from then on whether it was.
// commit_i  that frame, of size_i bytes (whole beats, 1 or more) and with TLAST after it if last_i, is taken: only if
//           fits_o. Without it the next payload simply overwrites the slot.
// next_o    sequence number expected next. limit_o: first one not to be sent yet. moved_o: limit_o went up by one.
// m_axis_*  the beats, in order; tdata holds while tvalid and not tready.
// rst_i empties everything and zeroes the numbers.
// Latency: commit_i to the first beat BeatBytes + 4 cycles; then a byte a cycle, 3 cycles between frames.
// Cannot overflow: a slot is not written before its last byte has left for the beat.
module kv_link_in #(
    parameter int unsigned BeatBytes = 16,
    parameter int unsigned Slots = 8,  // power of two, 2 to 64
    localparam int unsigned SlotW = $clog2(Slots),
    localparam int unsigned CountW = $clog2(BeatBytes)
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic                   pay_valid_i,
    input  logic [            7:0] pay_index_i,
    input  logic [            7:0] pay_data_i,
    output logic                   fits_o,
    input  logic                   commit_i,
    input  logic [            7:0] size_i,
    input  logic                   last_i,
    output logic [            7:0] next_o,
    output logic [            7:0] limit_o,
    output logic                   moved_o,
    output logic [8*BeatBytes-1:0] m_axis_tdata,
    output logic                   m_axis_tvalid,
    input  logic                   m_axis_tready,
    output logic                   m_axis_tlast
);

  localparam logic [7:0] InfoAt = 8'hFF;  // place in a slot of its size and last flag

  logic [7:0] next_q, read_q;  // frames taken, frames that left
  logic fits_q, room, fits, write;

  assign room    = (next_q - read_q) != 8'(Slots);
  assign fits    = pay_index_i == '0 ? room : fits_q;
  assign write   = pay_valid_i & fits;
  assign fits_o  = fits_q;
  assign next_o  = next_q;
  assign limit_o = read_q + 8'(Slots);

  // Reading: Look reads a slot's info, Info has it, Bytes has byte index_q.
  typedef enum logic [1:0] {Look, Info, Bytes} state_e;
  state_e state_q;
  logic [7:0] index_q, size_q, ram;
  logic last_q, some, step, final_byte;
  logic [SlotW+7:0] raddr;

  assign some       = next_q != read_q;
  assign final_byte = index_q == size_q;

  always_comb begin
    case (state_q)
      Bytes:   raddr = {read_q[SlotW-1:0], step ? index_q + 8'd1 : index_q};
      Info:    raddr = {read_q[SlotW-1:0], 8'd0};
      default: raddr = {read_q[SlotW-1:0], InfoAt};
    endcase
  end

  kv_ram_1r1w #(
      .Width(8),
      .Depth(256 * Slots)
  ) u_ram (
      .clk_i  (clk_i),
      .en_i   (1'b1),
      .we_i   (write | commit_i),
      .waddr_i({next_q[SlotW-1:0], commit_i ? InfoAt : pay_index_i}),
      .data_i (commit_i ? {size_i[7:1], last_i} : pay_data_i),
      .raddr_i(raddr),
      .zero_i (1'b0),
      .data_o (ram)
  );

  // The beat, filled from the top.
  logic [8*BeatBytes-1:0] beat_q;
  logic [CountW-1:0] count_q;
  logic full_q, tlast_q;

  assign step          = state_q == Bytes & (~full_q | m_axis_tready);
  assign moved_o       = step & final_byte;
  assign m_axis_tdata  = beat_q;
  assign m_axis_tvalid = full_q;
  assign m_axis_tlast  = tlast_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      next_q  <= '0;
      read_q  <= '0;
      fits_q  <= 1'b0;
      state_q <= Look;
      full_q  <= 1'b0;
      count_q <= '0;
    end else begin
      if (commit_i) next_q <= next_q + 8'd1;
      if (commit_i) fits_q <= 1'b0;
      else if (pay_valid_i) fits_q <= fits;
      case (state_q)
        Look:    if (some) state_q <= Info;
        Info:    state_q <= Bytes;
        default: if (step & final_byte) state_q <= Look;
      endcase
      if (step & final_byte) read_q <= read_q + 8'd1;
      if (step) count_q <= count_q + CountW'(1);
      if (step & (&count_q)) full_q <= 1'b1;
      else if (m_axis_tready) full_q <= 1'b0;
    end
    if (state_q == Info) begin
      index_q <= '0;
      size_q  <= {ram[7:1], 1'b0} - 8'd1;
      last_q  <= ram[0];
    end else if (step) index_q <= index_q + 8'd1;
    if (step) begin
      beat_q  <= {ram, beat_q[8*BeatBytes-1:8]};
      tlast_q <= final_byte & last_q;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && commit_i) begin
      assert (fits_q && room)
      else $error("kv_link_in: commit of a frame that has no slot");
      assert (size_i != '0 && size_i % 8'(BeatBytes) == '0)
      else $error("kv_link_in: commit of broken beats");
      assert (!pay_valid_i)
      else $error("kv_link_in: commit within a payload");
    end
`endif

endmodule
