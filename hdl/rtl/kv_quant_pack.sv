// Packer of QUANTIZE: codes of b bits, LSB first, with the scale and minimum of a per-token group before
// them, into beats (docs/engine.md, section 5.7).
//
// item_i            an item: Lanes codes in codes_i; last_i: of its packet; lead_i: first of a per-token group,
//                   pre_i: of a per-channel group; flags_i: {saturated, non-finite} of its group
// prefix_i          one cycle later: scale (low half) and minimum to go before the first item of a per-token group
// asym_i            with minimum
// bits_i            b of this item
// raw_i, beat_i     Compress: the item is a beat as it came, 16 units, without scale and minimum
// flush_i, final_i  Compress: in place of an item: what is left is given, final_i: as the packet's last, be it nothing;
//                   else, if there is any, as a full beat
// fold_i            items come in pairs: the 4-bit codes of the first are the low nibbles of bytes whose high nibbles are
//                   those of the second
// push_*_o          3 cycles after the item: the beat, if one is full or the packet's last; what is left then
//                   follows in the next cycles. bytes: valid bytes; pre: the first beat of a per-channel group;
//                   flags: of the groups of which it has codes
// An item every cycle, but none while a last item's rest is given (2 cycles at most). Units are Lanes bits.
// Nothing moves in a cycle with en_i = 0.
module kv_quant_pack #(
    parameter int unsigned Lanes = 8,
    parameter bit Compress = 1'b0,
    parameter bit Rotate = 1'b0,  // there is a saturated flag
    localparam int unsigned Beat = 16 * Lanes
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               en_i,
    input  logic               asym_i,
    input  logic               fold_i,
    input  logic [        3:0] bits_i,
    input  logic               item_i,
    input  logic               lead_i,
    input  logic               pre_i,
    input  logic               last_i,
    input  logic [        1:0] flags_i,
    input  logic [8*Lanes-1:0] codes_i,
    input  logic [       31:0] prefix_i,
    input  logic               raw_i,
    input  logic [   Beat-1:0] beat_i,
    input  logic               flush_i,
    input  logic               final_i,
    output logic               push_valid_o,
    output logic [   Beat-1:0] push_data_o,
    output logic [        5:0] push_bytes_o,
    output logic               push_last_o,
    output logic               push_pre_o,
    output logic [        1:0] push_flags_o
);

  localparam int unsigned Value = 16 / Lanes;  // units of a scale
  localparam int unsigned Coded = 8 * Lanes + 32;
  localparam int unsigned Item = Compress && Beat > Coded ? Beat : Coded;  // bits an item may bring
  localparam int unsigned Codes = Compress ? Beat : 8 * Lanes;  // without a scale and a minimum
  // Units that wait for the next item, at most: with two lanes a scale and a minimum fill a beat by themselves.
  localparam int unsigned Hold = Lanes == 2 ? 32 : 16;
  localparam int unsigned FillW = $clog2(Hold);
  localparam int unsigned Ring = Hold * Lanes;

  // Stage 1: codes side by side.
  logic [Codes-1:0] packed_d, packed1_q;
  logic flush1_q, final1_q;
  logic odd_q;  // folded: the second of a pair is next
  logic [4*Lanes-1:0] low_q;  // nibbles of the first of a pair
  logic item1_q, lead1_q, starts1_q, last1_q;
  logic [1:0] flags1_q;
  logic [5:0] added1_q;

  always_comb begin
    packed_d = '0;
    for (int i = 0; i < Lanes; i++) begin
      packed_d[8*i+:8] |= {codes_i[8*i+:4], low_q[4*i+:4]} & {8{fold_i && odd_q}};
      packed_d[2*i+:2] |= codes_i[8*i+:2] & {2{!fold_i && bits_i == 4'd2}};
      packed_d[3*i+:3] |= codes_i[8*i+:3] & {3{!fold_i && bits_i == 4'd3}};
      packed_d[4*i+:4] |= codes_i[8*i+:4] & {4{!fold_i && bits_i == 4'd4}};
      packed_d[5*i+:5] |= codes_i[8*i+:5] & {5{!fold_i && bits_i == 4'd5}};
      packed_d[6*i+:6] |= codes_i[8*i+:6] & {6{!fold_i && bits_i == 4'd6}};
      packed_d[8*i+:8] |= codes_i[8*i+:8] & {8{!fold_i && bits_i == 4'd8}};
    end
    if (Compress && raw_i) packed_d = Codes'(beat_i);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      item1_q   <= 1'b0;
      packed1_q <= '0;
      lead1_q   <= 1'b0;
      starts1_q <= 1'b0;
      last1_q   <= 1'b0;
      flags1_q  <= '0;
      added1_q  <= '0;
      odd_q     <= 1'b0;
      flush1_q  <= 1'b0;
    end else if (en_i) begin
      item1_q   <= item_i;
      packed1_q <= item_i ? packed_d : '0;
      lead1_q   <= item_i && lead_i;
      starts1_q <= item_i && pre_i;
      last1_q   <= item_i && last_i;
      flags1_q  <= {Rotate && item_i && flags_i[1], item_i && flags_i[0]};
      added1_q  <= item_i ? codes + lead : '0;
      flush1_q  <= Compress && flush_i;
      if (item_i) odd_q <= fold_i && !odd_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (item_i) for (int i = 0; i < Lanes; i++) low_q[4*i+:4] <= codes_i[8*i+:4];
    end
  end

  always_ff @(posedge clk_i) if (en_i) final1_q <= final_i;

  // Units of the item.
  logic [5:0] codes, lead;
  assign codes = Compress && raw_i ? 6'd16 : fold_i ? {2'd0, odd_q, 3'd0} : 6'(bits_i);
  assign lead  = !lead_i ? '0 : asym_i ? 6'(2 * Value) : 6'(Value);

  // Stage 2: where the item goes, and what is pushed.
  logic [FillW-1:0] fill_q, room_q;  // and its complement, for counting
  logic [5:0] total, left;
  logic flush_q, pre_q, ends, full, rest, push;
  logic [1:0] flags_q, flags_kept;
  logic [Item-1:0] item_bits;
  logic [Ring-1:0] placed_d, placed_q;
  logic [15:0] over2_q;  // units that hold what is for the next beat but one: they lie beyond the end of the ring
  logic push2_q, last2_q, pre2_q;
  logic [1:0] flags2_q;
  logic [5:0] bytes2_q;

  assign total    = 6'({~room_q}) + added1_q;
  assign ends     = flush_q || last1_q;
  assign full     = total[5:4] != '0;
  assign rest     = !full && (((ends || flush1_q) && total != '0) || (flush1_q && final1_q));
  assign push     = full || rest;
  assign flags_kept = push && item1_q ? '0 : flags_q;
  assign left     = {total[5] && total[4], full && !total[4], total[3:0] & {4{!rest}}};

  always_comb begin
    item_bits = Item'(packed1_q);
    if (lead1_q) item_bits = asym_i ? Item'({packed1_q, prefix_i}) : Item'({packed1_q, prefix_i[15:0]});
    // Without an item all of it is 0. Around the ring, by one bit of the fill after the other.
    placed_d = Ring'(item_bits);
    for (int k = 0; k < FillW; k++)
      if (fill_q[k]) placed_d = (placed_d << (Lanes << k)) | (placed_d >> (Ring - (Lanes << k)));
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      fill_q  <= '0;
      room_q  <= '1;
      flush_q <= 1'b0;
      pre_q   <= 1'b0;
      flags_q <= '0;
      push2_q <= 1'b0;
      placed_q <= '0;
    end else if (en_i) begin
      placed_q <= placed_d;
      fill_q  <= FillW'(left);
      room_q  <= ~left[FillW-1:0];
      flush_q <= ends && left != '0;
      pre_q   <= !push && (pre_q || starts1_q);
      flags_q <= (flags1_q | flags_kept) & {Rotate && left != '0, left != '0};
      push2_q <= push;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      last2_q      <= (ends && left == '0) || (flush1_q && final1_q);
      pre2_q       <= pre_q || starts1_q;
      flags2_q     <= flags_q | flags1_q;
      over2_q      <= total >= 6'(Hold) ? ~(16'hFFFF << total[3:0]) : '0;
      bytes2_q     <= full || (flush1_q && !final1_q) ? 6'(2 * Lanes) : 6'((32'(total) * Lanes) >> 3);
    end
  end

  // Stage 3: what waits, from unit 0 on.
  logic [Ring-1:0] held_q, sum, next;
  logic [Beat-1:0] wrapped;

  always_comb begin
    wrapped = '0;
    for (int u = 0; u < 16; u++) if (over2_q[u]) wrapped[Lanes*u+:Lanes] = placed_q[Lanes*u+:Lanes];
    sum = held_q | placed_q;
    for (int u = 0; u < 16; u++) if (over2_q[u]) sum[Lanes*u+:Lanes] = held_q[Lanes*u+:Lanes];
  end

  // The beat that is pushed makes room for what is behind it: with two lanes there may be some in the ring, too.
  if (Hold == 16) begin : gen_one
    assign next = wrapped;
  end else begin : gen_two
    assign next = {wrapped, sum[Ring-1:Beat]};
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      held_q       <= '0;
      push_valid_o <= 1'b0;
    end else if (en_i) begin
      held_q       <= push2_q ? next : sum;
      push_valid_o <= push2_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      push_data_o      <= sum[Beat-1:0];
      push_bytes_o     <= bytes2_q;
      push_last_o      <= last2_q;
      push_pre_o       <= pre2_q;
      push_flags_o     <= flags2_q;
    end
  end

  wire unused = &{1'b0, left, beat_i, raw_i, flush_i, flags_i[1]};

endmodule
