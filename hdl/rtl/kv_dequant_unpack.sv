// Bit buffer of DEQUANTIZE and extraction of the codes (docs/engine.md, 5.8).
//
// The buffer is a ring of 2 (3 if Lanes = 2) whole beats, read at a granularity of a unit
// of Lanes bits; kv_dequant_issue keeps the account and never overfills or overdraws it.
// refill_i  beat_i enters at the end of the cycle.
// idle_i    no packet is at work: the next item is the first of one.
// issue_i   an item leaves; last_i: what remains is dropped, the next item starts a packet;
//           next_lead_i: the item after this one starts a per-token group (so does each packet's first).
// lead_scale_o, lead_min_o  one cycle after an item that starts a per-token group was issued:
//           its scale and minimum (from a register, as stored; no minimum if symmetric).
// fold_i    4-bit blocks: an item takes a byte a lane, uses the low nibbles and keeps the high ones
//           in place pos_i for the item of the other half of the group (spare_i).
// offset_i  a code stands for itself less 8.
// neg_o, mag_o  sign and magnitude of each lane's code, 3 cycles after the item was issued.
// One item a cycle. What stands on the outputs when nothing was issued means nothing.
//
// The window that is cut out of the ring starts 32 bits before the item's codes: so these are
// always in the same place, and a scale and a minimum just before them.
module kv_dequant_unpack #(
    parameter int unsigned Lanes = 8
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                channel_i,
    input  logic                asym_i,
    input  logic                offset_i,
    input  logic                fold_i,
    input  logic                spare_i,
    input  logic [         2:0] pos_i,
    input  logic [         3:0] bits_i,
    input  logic                refill_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                idle_i,
    input  logic                issue_i,
    input  logic                last_i,
    input  logic                next_lead_i,
    output logic [        15:0] lead_scale_o,
    output logic [        15:0] lead_min_o,
    output logic [   Lanes-1:0] neg_o,
    output logic [ 8*Lanes-1:0] mag_o
);

  localparam int unsigned BeatBits = 16 * Lanes;
  localparam int unsigned Slots = Lanes == 2 ? 3 : 2;
  localparam int unsigned SlotW = $clog2(Slots);
  localparam int unsigned WindowBits = 32 + 8 * Lanes;  // the longest item

  localparam logic [6:0] Ring = 7'(16 * Slots);
  localparam logic [5:0] Before = 6'(32 / Lanes);

  // First unit of the window, in the ring.
  logic [5:0] at_q, first, stats_q, codes_q, step, skip;
  logic [6:0] at_sum;
  logic [SlotW-1:0] wr_q;  // slot of the next refill
  logic [Slots*BeatBits-1:0] slot_q;

  // Settings come a cycle before the first item of a packet can be issued.
  logic fresh_q;
  always_ff @(posedge clk_i) if (en_i) fresh_q <= idle_i;

  // Units of a scale with its minimum, and of codes; where a packet's first window is.
  assign first  = stats_q == Before ? '0 : 6'(Ring) - Before + stats_q;
  assign step   = spare_i ? 6'd0 : codes_q;
  assign skip   = next_lead_i ? stats_q : 6'd0;
  assign at_sum = {1'b0, at_q} + {1'b0, step} + {1'b0, skip};

  always_ff @(posedge clk_i) begin
    if (rst_i) wr_q <= '0;
    else if (en_i) begin
      if (issue_i && last_i) wr_q <= '0;
      else if (refill_i) wr_q <= wr_q == SlotW'(Slots - 1) ? '0 : wr_q + SlotW'(1);
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      stats_q <= channel_i ? '0 : asym_i ? Before : Before >> 1;
      codes_q <= fold_i ? 6'd8 : 6'(bits_i);
      if (idle_i || (issue_i && last_i) || fresh_q) at_q <= first;
      else if (issue_i) at_q <= 6'(at_sum >= Ring ? at_sum - Ring : at_sum);
      for (int i = 0; i < Slots; i++)
        if (refill_i && wr_q == SlotW'(i)) slot_q[BeatBits*i+:BeatBits] <= beat_i;
    end

  // Stage 0: the slots in reading order, shifted to the window's first unit.
  logic [Slots*BeatBits-1:0] ring;
  logic [WindowBits-1:0] window1_q;

  always_comb begin
    ring = slot_q;
    if (Slots == 3 && at_q[5]) ring = {slot_q[(Slots-1)*BeatBits-1:0], slot_q[Slots*BeatBits-1-:BeatBits]};
    else if (at_q[4]) ring = {slot_q[BeatBits-1:0], slot_q[Slots*BeatBits-1:BeatBits]};
    for (int k = 3; k >= 0; k--) if (at_q[k]) ring = ring >> (Lanes << k);
  end

  always_ff @(posedge clk_i) if (en_i) window1_q <= ring[WindowBits-1:0];

  assign lead_scale_o = asym_q ? window1_q[15:0] : window1_q[31:16];
  assign lead_min_o   = window1_q[31:16];

  // Stage 1: cut the codes apart. The width of the codes is decoded in advance: wide_q[b] says b bits, past_q[j]
  // that bit j lies beyond the code.
  logic [8*Lanes-1:0] codes1, code2_q, mag3_q;
  logic [Lanes-1:0] neg2_q, neg3_q;
  logic [8:2] wide_q;
  logic [7:2] past_q;
  logic asym_q, signed_q, offset_q;

  assign codes1 = window1_q[WindowBits-1:32];

  always_ff @(posedge clk_i)
    if (en_i) begin
      for (int b = 2; b <= 8; b++) wide_q[b] <= fold_i ? b == 8 : bits_i == 4'(b);
      for (int j = 2; j < 8; j++) past_q[j] <= bits_i <= 4'(j);
      asym_q   <= asym_i;
      signed_q <= !asym_i && !offset_i;
      offset_q <= offset_i;
    end

  for (genvar i = 0; i < Lanes; i++) begin : g_cut
    logic [7:0] code;
    logic neg;

    always_comb begin
      code = '0;
      neg  = 1'b0;
      for (int b = 2; b <= 8; b++)
        if (wide_q[b] && b != 7) begin
          for (int j = 0; j < b; j++) code[j] = code[j] | codes1[b*i+j];
          neg = neg | codes1[b*i+b-1];
        end
    end

    always_ff @(posedge clk_i)
      if (en_i) begin
        code2_q[8*i+:8] <= code;
        neg2_q[i]       <= neg && signed_q;
      end
  end

  // Stage 2: sign and magnitude. High nibbles of the first half of a block wait for the items of the second.
  localparam int unsigned Half = 16 / Lanes;
  logic valid1_q, valid2_q, spare1_q, spare2_q;
  logic [2:0] pos1_q, pos2_q;
  logic [4*Lanes-1:0] kept_q[0:Half-1], kept;

  always_ff @(posedge clk_i)
    if (en_i) begin
      valid1_q <= issue_i;
      valid2_q <= valid1_q;
      spare1_q <= spare_i;
      spare2_q <= spare1_q;
      pos1_q   <= pos_i;
      pos2_q   <= pos1_q;
      for (int k = 0; k < Half; k++)
        if (valid2_q && !spare2_q && pos2_q == 3'(k))
          for (int i = 0; i < Lanes; i++) kept_q[k][4*i+:4] <= code2_q[8*i+4+:4];
    end

  always_comb begin
    kept = kept_q[0];
    for (int k = 1; k < Half; k++) if (pos2_q == 3'(k)) kept = kept_q[k];
  end

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    logic [7:0] flipped;
    logic [3:0] nibble;
    logic neg;

    always_comb begin
      nibble  = spare2_q ? kept[4*i+:4] : code2_q[8*i+:4];
      neg     = neg2_q[i] || (offset_q && !nibble[3]);
      // Less 8 is the third bit reversed, and the sign with it.
      flipped = {code2_q[8*i+4+:4], nibble[3] && !offset_q, nibble[2:0]} ^ {8{neg}};
      if (offset_q) flipped[3] = 1'b0;
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
