// Packer of QUANTIZE: codes of b bits, LSB first, with the scale and minimum of a per-token group before
// them, into beats (docs/engine.md, section 5.7).
//
// item_i            an item: Lanes codes in codes_i; first_i: of its group; last_i: of its packet
// prefix_i          one cycle later: scale (low half) and minimum to go before a first item
// token_i, asym_i, bits_i   per token; with minimum; b
// fold_i            items come in pairs: the 4-bit codes of the first are the low nibbles of bytes whose high nibbles are
//                   those of the second
// push_*_o          3 cycles after the item: the beat, if one is full or the packet's last; what is left then
//                   follows in the next cycles. bytes: valid bytes; pre: the first beat of a per-channel group
// An item every cycle, but none while a last item's rest is given (2 cycles at most). Units are Lanes bits.
// Nothing moves in a cycle with en_i = 0.
module kv_quant_pack #(
    parameter int unsigned Lanes = 8,
    localparam int unsigned Beat = 16 * Lanes
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               en_i,
    input  logic               token_i,
    input  logic               asym_i,
    input  logic               fold_i,
    input  logic [        3:0] bits_i,
    input  logic               item_i,
    input  logic               first_i,
    input  logic               last_i,
    input  logic               nonfinite_i,
    input  logic [8*Lanes-1:0] codes_i,
    input  logic [       31:0] prefix_i,
    output logic               push_valid_o,
    output logic [   Beat-1:0] push_data_o,
    output logic [        5:0] push_bytes_o,
    output logic               push_last_o,
    output logic               push_pre_o,
    output logic               push_nonfinite_o
);

  localparam int unsigned Value = 16 / Lanes;  // units of a scale
  localparam int unsigned Item = 8 * Lanes + 32;  // bits an item may bring
  // Units that wait for the next item, at most: with two lanes a scale and a minimum fill a beat by themselves.
  localparam int unsigned Hold = Lanes == 2 ? 32 : 16;
  localparam int unsigned FillW = $clog2(Hold);
  localparam int unsigned Wide = Beat + Hold * Lanes;
  localparam int unsigned Reach = Lanes == 2 ? Wide : Item + (Hold - 1) * Lanes;  // bits an item may reach to

  // Stage 1: codes side by side.
  logic [8*Lanes-1:0] packed_d, packed1_q;
  logic odd_q, bring1_q;  // folded: the second of a pair is next; the item has codes to bring
  logic [4*Lanes-1:0] low_q;  // nibbles of the first of a pair
  logic item1_q, first1_q, last1_q, nonfinite1_q;

  always_comb begin
    packed_d = '0;
    for (int i = 0; i < Lanes; i++) begin
      if (fold_i) packed_d[8*i+:8] = odd_q ? {codes_i[8*i+:4], low_q[4*i+:4]} : '0;
      else unique case (bits_i)
        4'd2: packed_d[2*i+:2] = codes_i[8*i+:2];
        4'd3: packed_d[3*i+:3] = codes_i[8*i+:3];
        4'd4: packed_d[4*i+:4] = codes_i[8*i+:4];
        4'd5: packed_d[5*i+:5] = codes_i[8*i+:5];
        4'd6: packed_d[6*i+:6] = codes_i[8*i+:6];
        default: packed_d[8*i+:8] = codes_i[8*i+:8];
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      item1_q <= 1'b0;
      odd_q   <= 1'b0;
    end else if (en_i) begin
      item1_q <= item_i;
      if (item_i) odd_q <= fold_i && !odd_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      bring1_q <= !fold_i || odd_q;
      if (item_i) for (int i = 0; i < Lanes; i++) low_q[4*i+:4] <= codes_i[8*i+:4];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      packed1_q    <= packed_d;
      first1_q     <= first_i;
      last1_q      <= last_i;
      nonfinite1_q <= nonfinite_i;
    end
  end

  // Stage 2: where the item goes, and what is pushed.
  logic [FillW-1:0] fill_q;
  logic [5:0] codes, added, total, left;
  logic flush_q, pre_q, taint_q, ends, full, rest, push, prefixed;
  logic [Item-1:0] item_bits;
  logic [Reach-1:0] placed_d, placed_q;
  logic push2_q, last2_q, pre2_q, nonfinite2_q;
  logic [5:0] bytes2_q;

  assign prefixed = item1_q && first1_q && token_i;
  assign codes    = !bring1_q ? '0 : fold_i ? 6'd8 : 6'(bits_i);
  assign added    = !item1_q ? '0 : codes + (prefixed ? 6'(asym_i ? 2 * Value : Value) : '0);
  assign total    = 6'(fill_q) + added;
  assign ends     = flush_q || (item1_q && last1_q);
  assign full     = total >= 6'd16;
  assign rest     = !full && ends && total != '0;
  assign push     = full || rest;
  assign left     = full ? total - 6'd16 : rest ? '0 : total;

  always_comb begin
    item_bits = Item'(packed1_q);
    if (prefixed) item_bits = asym_i ? {packed1_q, prefix_i} : Item'({packed1_q, prefix_i[15:0]});
    if (!item1_q) item_bits = '0;
    // By one bit of the fill after the other.
    placed_d = Reach'(item_bits);
    for (int k = 0; k < FillW; k++) if (fill_q[k]) placed_d = placed_d << (Lanes << k);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      fill_q  <= '0;
      flush_q <= 1'b0;
      pre_q   <= 1'b0;
      taint_q <= 1'b0;
      push2_q <= 1'b0;
      placed_q <= '0;
    end else if (en_i) begin
      placed_q <= placed_d;
      fill_q  <= FillW'(left);
      flush_q <= ends && left != '0;
      pre_q   <= !push && (pre_q || (item1_q && first1_q && !token_i));
      taint_q <= left != '0 && ((item1_q && nonfinite1_q) || (taint_q && !(push && item1_q)));
      push2_q <= push;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      last2_q      <= ends && left == '0;
      pre2_q       <= pre_q || (item1_q && first1_q && !token_i);
      nonfinite2_q <= taint_q || (item1_q && nonfinite1_q);
      bytes2_q     <= full ? 6'(2 * Lanes) : 6'((32'(total) * Lanes) >> 3);
    end
  end

  // Stage 3: what waits. After a push nothing is left of what waited before, except with two lanes.
  logic [Hold*Lanes-1:0] held_q;
  logic [Wide-1:0] sum;
  assign sum = Wide'(held_q) | Wide'(placed_q);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      held_q       <= '0;
      push_valid_o <= 1'b0;
    end else if (en_i) begin
      held_q       <= push2_q ? sum[Wide-1:Beat] : sum[Hold*Lanes-1:0];
      push_valid_o <= push2_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      push_data_o      <= sum[Beat-1:0];
      push_bytes_o     <= bytes2_q;
      push_last_o      <= last2_q;
      push_pre_o       <= pre2_q;
      push_nonfinite_o <= nonfinite2_q;
    end
  end

  wire unused = &{1'b0, left};

endmodule
