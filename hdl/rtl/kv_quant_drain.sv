// The ring: keeps the beats of groups until their scales are known, and gives them back in order.
//
// put_i, beat_i     a beat to keep
// go_i              in this cycle the reading of the next group starts, one beat a cycle, beats_i + 1 in
//                   all; go_last_i: it is the last of its packet; go_tag_i goes with its items
// read_o            a beat is read in this cycle; first_o: of its group; row_o: it is the last of its row;
//                   word_o: its index in the row; bank_o: number of its per-channel group mod 4; last_o: of its packet;
//                   tag_o: its group's
// bank_i            the group that starts has a bank in kv_quant_table
// beat_o            the beat, two cycles after read_o
// start_i           a packet starts; what is kept, or put in this cycle, is of a packet of the same kind, if anything
// fold_i            the beats of a group of 32 are read in the order 0, B / 2, 1, B / 2 + 1, ...: that is another order of the
//                   address bits, as an empty ring starts over at 0 with a packet
// The reading of a group is over before that of the next starts. Depth: a full per-channel tile (the main memory) and
// what comes in while its scales are computed (the other). Nothing moves in a cycle with en_i = 0.
module kv_quant_drain #(
    parameter int unsigned Lanes      = 8,
    parameter int unsigned MaxDim     = 256,
    parameter int unsigned TileTokens = 128,
    parameter int unsigned TagW       = 1,
    localparam int unsigned WordW = $clog2(MaxDim / Lanes),
    localparam int unsigned TileW = $clog2(TileTokens * MaxDim / Lanes),
    localparam int unsigned MoreW = $clog2(MaxDim + 32),
    localparam int unsigned MainW = TileW > MoreW ? TileW : MoreW,
    localparam int unsigned FoldW = $clog2(32 / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                start_i,
    input  logic                put_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                bank_i,
    input  logic                fold_i,
    input  logic [        15:0] beats_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic                go_i,
    input  logic                go_last_i,
    input  logic [    TagW-1:0] go_tag_i,
    output logic                read_o,
    output logic                first_o,
    output logic                row_o,
    output logic                last_o,
    output logic [    TagW-1:0] tag_o,
    output logic [         1:0] bank_o,
    output logic [   WordW-1:0] word_o,
    output logic [16*Lanes-1:0] beat_o
);

  logic [MainW:0] in_q, out_q;
  logic [15:0] left_q;
  logic [WordW-1:0] word_q;
  logic [1:0] bank_q;
  logic last_q, banked_q, reading, ends;
  logic [TagW-1:0] tag_q;

  assign reading     = go_i || left_q != '0;
  assign ends        = go_i ? beats_i == '0 : left_q == 16'd1;
  assign read_o      = reading;
  assign first_o     = go_i;
  assign row_o       = word_q == top_word_i;
  assign last_o      = ends && (go_i ? go_last_i : last_q);
  assign tag_o       = go_i ? go_tag_i : tag_q;
  assign bank_o      = bank_q;
  assign word_o      = word_q;

  // Main memory at addresses with a top bit of 0, in parts as deep as a block RAM is at its best; then the other.
  // A memory that is not read gives zeros, so that an OR joins them.
  localparam int unsigned PartW = MainW > 11 ? 11 : MainW;
  localparam int unsigned Parts = 1 << (MainW - PartW);

  logic [16*Lanes-1:0] part_beat[0:Parts];
  logic [16*Lanes-1:0] joined;
  logic [PartW-1:0] from;

  if (FoldW == 1) begin : gen_straight
    assign from = out_q[PartW-1:0];
  end else begin : gen_fold
    assign from = {
      out_q[PartW-1:FoldW],
      fold_i ? {out_q[0], out_q[FoldW-1:1]} : out_q[FoldW-1:0]
    };
  end

  for (genvar p = 0; p < Parts; p++) begin : gen_part
    localparam logic [MainW:0] At = (MainW+1)'(p << PartW);
    kv_ram_1r1w #(
        .Width(16 * Lanes),
        .Depth(1 << PartW)
    ) u_main (
        .clk_i  (clk_i),
        .en_i   (en_i),
        .we_i   (put_i && in_q[MainW:PartW] == At[MainW:PartW]),
        .waddr_i(in_q[PartW-1:0]),
        .data_i (beat_i),
        .raddr_i(from),
        .zero_i (out_q[MainW:PartW] != At[MainW:PartW]),
        .data_o (part_beat[p])
    );
  end

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(1 << MoreW)
  ) u_more (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (put_i && in_q[MainW]),
      .waddr_i(in_q[MoreW-1:0]),
      .data_i (beat_i),
      .raddr_i(from[MoreW-1:0]),
      .zero_i (!out_q[MainW]),
      .data_o (part_beat[Parts])
  );

  always_comb begin
    joined = '0;
    for (int p = 0; p <= Parts; p++) joined |= part_beat[p];
  end

  always_ff @(posedge clk_i) if (en_i) beat_o <= joined;

  function automatic logic [MainW:0] after(input logic [MainW:0] a);
    after = a[MainW] && &a[MoreW-1:0] ? '0 : a + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      in_q   <= '0;
      out_q  <= '0;
      left_q <= '0;
      word_q <= '0;
      bank_q <= '0;
    end else if (en_i) begin
      if (start_i && in_q == out_q && !put_i) begin
        in_q  <= '0;
        out_q <= '0;
      end else begin
        if (put_i) in_q <= after(in_q);
        if (reading) out_q <= after(out_q);
      end
      if (reading) begin
        left_q <= go_i ? beats_i : left_q - 16'd1;
        word_q <= row_o ? '0 : word_q + 1'b1;
        if (ends && (go_i ? bank_i : banked_q)) bank_q <= bank_q + 2'd1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i && go_i) begin
      last_q   <= go_last_i;
      tag_q    <= go_tag_i;
      banked_q <= bank_i;
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (!rst_i && en_i) begin
      if (go_i) assert (left_q == '0);
      if (put_i && !reading) assert (after(in_q) != out_q);
      if (fold_i && reading) assert (go_i == (out_q[FoldW-1:0] == '0));
    end
  end
`endif

endmodule
