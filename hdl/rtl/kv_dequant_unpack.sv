// Bit buffer of DEQUANTIZE and extraction of the codes (docs/engine.md, 5.8).
//
// The buffer is a ring of 2 (3 if Lanes = 2) whole beats, read at a granularity of a unit
// of Lanes bits; kv_dequant_issue keeps the account and never overfills or overdraws it.
// refill_i  beat_i enters at the end of the cycle.
// issue_i   need_i units leave; clear_i with it: all the rest leaves too.
// lead1_i   the item issued in the cycle before starts a per-token group: lead_scale_o and
//           lead_min_o are its scale and minimum in that cycle (from a register, as stored).
// fold_i    4-bit blocks: an item takes a byte a lane, uses the low nibbles and keeps the high ones
//           in place pos_i for the item of the other half of the group (spare_i).
// offset_i  a code stands for itself less 8.
// neg_o, mag_o  sign and magnitude of each lane's code, 3 cycles after the item was issued.
// One item a cycle. What stands on the outputs when nothing was issued means nothing.
module kv_dequant_unpack #(
    parameter int unsigned Lanes = 8
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                asym_i,
    input  logic                offset_i,
    input  logic                fold_i,
    input  logic                spare_i,
    input  logic [         2:0] pos_i,
    input  logic [         3:0] bits_i,
    input  logic                refill_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                issue_i,
    input  logic                clear_i,
    input  logic [         4:0] need_i,
    input  logic                lead1_i,
    output logic [        15:0] lead_scale_o,
    output logic [        15:0] lead_min_o,
    output logic [   Lanes-1:0] neg_o,
    output logic [ 8*Lanes-1:0] mag_o
);

  localparam int unsigned BeatBits = 16 * Lanes;
  localparam int unsigned Slots = Lanes == 2 ? 3 : 2;
  localparam int unsigned SlotW = $clog2(Slots);
  localparam int unsigned WindowBits = 32 + 8 * Lanes;  // the longest item

  logic [Slots*BeatBits-1:0] slot_q;
  logic [SlotW-1:0] wr_q, rd_q;  // slot of the next refill, slot of the next unit
  logic [3:0] off_q;  // the next unit in that slot
  logic [5:0] off_next;
  logic [2:0] rd_sum;
  logic [SlotW-1:0] rd_next;

  assign off_next = 6'(off_q) + 6'(need_i);
  assign rd_sum   = 3'(rd_q) + 3'(off_next[5:4]);
  assign rd_next  = SlotW'(rd_sum >= 3'(Slots) ? rd_sum - 3'(Slots) : rd_sum);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wr_q  <= '0;
      rd_q  <= '0;
      off_q <= 4'd0;
    end else if (en_i) begin
      if (clear_i) begin
        wr_q  <= '0;
        rd_q  <= '0;
        off_q <= 4'd0;
      end else begin
        if (refill_i) wr_q <= wr_q == SlotW'(Slots - 1) ? '0 : wr_q + SlotW'(1);
        if (issue_i) begin
          rd_q  <= rd_next;
          off_q <= off_next[3:0];
        end
      end
    end
  end

  always_ff @(posedge clk_i)
    if (en_i)
      for (int i = 0; i < Slots; i++) if (refill_i && wr_q == SlotW'(i)) slot_q[BeatBits*i+:BeatBits] <= beat_i;

  // Stage 0: the slots in reading order, shifted to the item's first unit.
  logic [Slots*BeatBits-1:0] ring;
  logic [WindowBits-1:0] window1_q;

  always_comb begin
    ring = slot_q;
    if (rd_q == SlotW'(1)) ring = {slot_q[BeatBits-1:0], slot_q[Slots*BeatBits-1:BeatBits]};
    else if (rd_q == SlotW'(Slots - 1)) ring = {slot_q[(Slots-1)*BeatBits-1:0], slot_q[Slots*BeatBits-1-:BeatBits]};
    for (int k = 3; k >= 0; k--) if (off_q[k]) ring = ring >> (Lanes << k);
  end

  always_ff @(posedge clk_i) if (en_i) window1_q <= ring[WindowBits-1:0];

  assign lead_scale_o = window1_q[15:0];
  assign lead_min_o   = window1_q[31:16];

  // Stage 1: skip scale and minimum.
  logic [8*Lanes-1:0] codes2_q;

  always_ff @(posedge clk_i)
    if (en_i)
      codes2_q <= !lead1_i ? window1_q[8*Lanes-1:0] :
                  asym_i ? window1_q[32+:8*Lanes] : window1_q[16+:8*Lanes];

  // Stage 2: cut the codes apart; sign and magnitude. The width of the codes is decoded in
  // advance: wide_q[b] says b bits, past_q[j] that bit j lies beyond the code.
  logic [Lanes-1:0] neg3_q;
  logic [8*Lanes-1:0] mag3_q;
  logic [8:2] wide_q;
  logic [7:2] past_q;
  logic signed_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      for (int b = 2; b <= 8; b++) wide_q[b] <= bits_i == 4'(b);
      for (int j = 2; j < 8; j++) past_q[j] <= bits_i <= 4'(j);
      signed_q <= !asym_i && !offset_i;
    end

  // High nibbles of the first half of a block.
  localparam int unsigned Half = 16 / Lanes;
  logic valid1_q, valid2_q, spare1_q, spare2_q, offset_q, fold_q;
  logic [2:0] pos1_q, pos2_q;
  logic [4*Lanes-1:0] kept_q[0:Half-1], kept, nibbles;

  always_ff @(posedge clk_i)
    if (en_i) begin
      offset_q <= offset_i;
      fold_q   <= fold_i;
      valid1_q <= issue_i;
      valid2_q <= valid1_q;
      spare1_q <= spare_i;
      spare2_q <= spare1_q;
      pos1_q   <= pos_i;
      pos2_q   <= pos1_q;
      for (int k = 0; k < Half; k++)
        if (valid2_q && !spare2_q && pos2_q == 3'(k))
          for (int i = 0; i < Lanes; i++) kept_q[k][4*i+:4] <= codes2_q[8*i+4+:4];
    end

  always_comb begin
    kept = kept_q[0];
    for (int k = 1; k < Half; k++) if (pos2_q == 3'(k)) kept = kept_q[k];
    for (int i = 0; i < Lanes; i++) nibbles[4*i+:4] = spare2_q ? kept[4*i+:4] : codes2_q[8*i+:4];
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    logic [7:0] code, flipped;
    logic neg;

    always_comb begin
      code = '0;
      neg  = 1'b0;
      for (int b = 2; b <= 8; b++)
        if (wide_q[b] && b != 7) begin
          for (int j = 0; j < b; j++) code[j] = code[j] | codes2_q[b*i+j];
          neg = neg | (codes2_q[b*i+b-1] & signed_q);
        end
      if (fold_q) begin
        code = {4'd0, nibbles[4*i+:4]};
        neg  = offset_q && !code[3];
        if (offset_q) code[3] = neg;
      end
      flipped = code ^ {8{neg}};
      for (int j = 2; j < 8; j++) if (past_q[j]) flipped[j] = 1'b0;
    end

    always_ff @(posedge clk_i)
      if (en_i) begin
        neg3_q[i]      <= neg;
        mag3_q[8*i+:8] <= flipped + 8'(neg);
      end
  end

  assign neg_o = neg3_q;
  assign mag_o = mag3_q;

endmodule
