// What goes beside the items of QUANTIZE on their way from the ring to the packer.
//
// read_i      an item is read in cycle r; first_i: of its group; last_i: of its packet; tag_i: {left over, tier, saturated,
//             non-finite}. asym_i to width_i: settings
// limit_o     in r + 9: its largest code, of OFFSET 8
// In r + 11, for kv_quant_pack:
//   item_o    the item; lead_o, pre_o: first of a per-token group, of a per-channel group; last_o; bits_o: of its codes
//   raw_o     Compress: it goes out as it came: left over, or of a row of tier 0
//   flags_o   {saturated, non-finite}
// An item every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_track #(
    parameter bit Compress = 1'b0
) (
    input  logic       clk_i,
    input  logic       rst_i,
    input  logic       en_i,
    input  logic       asym_i,
    input  logic       offset_i,
    input  logic       channel_i,
    input  logic       by_tier_i,
    input  logic [3:0] bits_i,
    input  logic [3:0] width_i,
    input  logic       read_i,
    input  logic       first_i,
    input  logic       last_i,
    input  logic [4:0] tag_i,
    output logic [7:0] limit_o,
    output logic       item_o,
    output logic       lead_o,
    output logic       pre_o,
    output logic       last_o,
    output logic       raw_o,
    output logic [1:0] flags_o,
    output logic [3:0] bits_o
);

  logic [7:0] item_q[1:11];  // {valid, first, last, left over, tier, saturated, non-finite}
  logic [3:0] width8, bits8, width10, bits10;
  logic raw10;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      for (int i = 1; i <= 11; i++) item_q[i] <= '0;
    end else if (en_i) begin
      item_q[1] <= {read_i, first_i, last_i, tag_i};
      for (int i = 2; i <= 11; i++) item_q[i] <= item_q[i-1];
    end
  end

  kv_quant_tier u_tier8 (
      .by_tier_i(by_tier_i),
      .asym_i   (asym_i),
      .tier_i   (item_q[8][3:2]),
      .bits_i   (bits_i),
      .width_i  (width_i),
      .bits_o   (bits8),
      .width_o  (width8)
  );

  kv_quant_tier u_tier10 (
      .by_tier_i(by_tier_i),
      .asym_i   (asym_i),
      .tier_i   (item_q[10][3:2]),
      .bits_i   (bits_i),
      .width_i  (width_i),
      .bits_o   (bits10),
      .width_o  (width10)
  );

  assign raw10 = Compress && (item_q[10][4] || (by_tier_i && item_q[10][3:2] == 2'd0));

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      limit_o <= offset_i ? 8'd8 : 8'((9'd1 << width8) - 9'd1);
      bits_o  <= bits10;
      raw_o   <= raw10;
      lead_o  <= item_q[10][6] && !channel_i && !raw10;
      pre_o   <= item_q[10][6] && channel_i && !raw10;
    end
  end

  assign item_o  = item_q[11][7];
  assign last_o  = item_q[11][5];
  assign flags_o = item_q[11][1:0];

  wire unused = &{1'b0, item_q[11][6], item_q[11][4:2], bits8, width10};

endmodule
