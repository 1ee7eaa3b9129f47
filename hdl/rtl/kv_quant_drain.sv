// The ring: keeps the beats of groups until their scales are known, and gives them back in order.
//
// put_i, beat_i     a beat to keep
// go_i              in this cycle the reading of the next group starts, one beat a cycle, beats_i + 1 in
//                   all; go_last_i: it is the last of its packet; go_nonfinite_i goes with its items
// read_o            a beat is read in this cycle; first_o: of its group; row_o: it is the last of its row;
//                   word_o: its index in the row; bank_o: number of its per-channel group mod 4; last_o: of its packet
// channel_i         groups are per channel; only these have a bank in kv_quant_table
// beat_o            the beat, one cycle after read_o
// fold_i            the beats of a group of 32 are read in the order 0, B / 2, 1, B / 2 + 1, ...
// The reading of a group is over before that of the next starts. Depth: a full per-channel tile and what
// comes in while its scales are computed. Nothing moves in a cycle with en_i = 0.
module kv_quant_drain #(
    parameter int unsigned Lanes      = 8,
    parameter int unsigned MaxDim     = 256,
    parameter int unsigned TileTokens = 128,
    localparam int unsigned WordW = $clog2(MaxDim / Lanes),
    localparam int unsigned Depth = TileTokens * MaxDim / Lanes + MaxDim + 32,
    localparam int unsigned AddrW = $clog2(Depth),
    localparam int unsigned Half = 16 / Lanes
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                put_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                channel_i,
    input  logic                fold_i,
    input  logic [        15:0] beats_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic                go_i,
    input  logic                go_last_i,
    input  logic                go_nonfinite_i,
    output logic                read_o,
    output logic                first_o,
    output logic                row_o,
    output logic                last_o,
    output logic                nonfinite_o,
    output logic [         1:0] bank_o,
    output logic [   WordW-1:0] word_o,
    output logic [16*Lanes-1:0] beat_o
);

  logic [AddrW-1:0] in_q, out_q;
  logic [15:0] left_q;
  logic [WordW-1:0] word_q;
  logic [1:0] bank_q;
  logic odd_q;  // folded: the second of a pair is next
  logic last_q, nonfinite_q, reading, ends;

  assign reading     = go_i || left_q != '0;
  assign ends        = go_i ? beats_i == '0 : left_q == 16'd1;
  assign read_o      = reading;
  assign first_o     = go_i;
  assign row_o       = word_q == top_word_i;
  assign last_o      = ends && (go_i ? go_last_i : last_q);
  assign nonfinite_o = go_i ? go_nonfinite_i : nonfinite_q;
  assign bank_o      = bank_q;
  assign word_o      = word_q;

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(Depth)
  ) u_ring (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (put_i),
      .waddr_i(in_q),
      .data_i (beat_i),
      .raddr_i(fold_i && odd_q ? after(out_q, Half) : out_q),
      .zero_i (1'b0),
      .data_o (beat_o)
  );

  // n places further in the ring.
  function automatic logic [AddrW-1:0] after(input logic [AddrW-1:0] a, input int unsigned n);
    after = 32'(a) >= Depth - n ? AddrW'(32'(a) + n - Depth) : AddrW'(32'(a) + n);
  endfunction

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      in_q   <= '0;
      out_q  <= '0;
      left_q <= '0;
      odd_q  <= 1'b0;
      word_q <= '0;
      bank_q <= '0;
    end else if (en_i) begin
      if (put_i) in_q <= after(in_q, 1);
      if (reading) begin
        odd_q  <= fold_i && !odd_q;
        if (!fold_i || (odd_q && !ends)) out_q <= after(out_q, 1);
        else if (odd_q) out_q <= after(out_q, Half + 1);
        left_q <= go_i ? beats_i : left_q - 16'd1;
        word_q <= row_o ? '0 : word_q + 1'b1;
        if (ends && channel_i) bank_q <= bank_q + 2'd1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i && go_i) begin
      last_q      <= go_last_i;
      nonfinite_q <= go_nonfinite_i;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (!rst_i && en_i) begin
      if (go_i) assert (left_q == '0);
      if (put_i && !reading) assert (after(in_q, 1) != out_q);
    end
  end
`endif

endmodule
