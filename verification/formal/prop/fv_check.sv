// Proof of kv_front_check: the status of every one of the 2^256 headers, with and without an
// early TLAST, against the checks of docs/engine.md, section 3, written down once more with
// the contract's own numbers. For a build with all commands and options, or some (Features).
module fv_check #(
    parameter logic [11:0] Features = 12'hFFF
) (
    input logic         clk_i,
    input logic         en_i,
    input logic [255:0] header_i,
    input logic         short_i,
    input logic         tlast_i
);

  localparam int unsigned MaxDim = 64, TileTokens = 32, MaxTokens = 512;

  logic [2:0] status;
  logic refused, empty;

  kv_front_check #(
      .MaxDim    (MaxDim),
      .TileTokens(TileTokens),
      .MaxTokens (MaxTokens),
      .Features  (Features)
  ) dut (
      .clk_i,
      .en_i,
      .header_i,
      .short_i,
      .tlast_i,
      .status_o (status),
      .refused_o(refused),
      .empty_o  (empty)
  );

  logic [31:0] words[8];
  logic [31:0] rows, n, row_dims, sinks, recent, topk, rank0, rank1, rank2;
  logic [7:0] opcode;
  logic echo, quant, select, compress, source, sink, scores, channel, tiers, key_norm;
  logic absent, options, codes, sizes, payload, units;
  logic [2:0] want;

  for (genvar w = 0; w < 8; w++) begin : g_word
    assign words[w] = header_i[32*w+:32];
  end
  assign opcode   = words[0][7:0];
  assign echo     = opcode == 8'd1;
  assign quant    = opcode == 8'd2 || opcode == 8'd3;
  assign select   = opcode == 8'd4;
  assign compress = opcode == 8'd5;
  assign source   = opcode == 8'd6;
  assign sink     = opcode == 8'd7;
  assign scores   = select || compress;
  assign channel  = words[1][2];
  assign key_norm = words[1][26];
  assign tiers    = compress || words[1][23:22] == 2'd2;
  assign rows     = words[2];
  assign n        = {12'd0, words[3][19:0]};
  assign row_dims = {20'd0, words[3][31:20]};
  assign sinks    = {16'd0, words[4][15:0]};
  assign recent   = {16'd0, words[4][31:16]};
  assign rank0    = {16'd0, words[5][15:0]};
  assign rank1    = {16'd0, words[5][31:16]};
  assign rank2    = {16'd0, words[7][31:16]};
  assign topk     = {12'd0, words[6][19:0]};
  assign payload  = !source && !((echo || sink) && rows == 32'd0);

  // 4: the command and the options it asks for.
  always_comb begin
    case (opcode)
      8'd1, 8'd2, 8'd3, 8'd4, 8'd5: units = Features[4'(opcode-8'd1)];
      8'd6, 8'd7: units = Features[5];
      default: units = 1'b0;
    endcase
    absent = !units;
    if (quant && words[1][28:27] != 2'd0 && !Features[10]) absent = 1'b1;
    if ((quant || compress) && words[1][3] && !Features[11]) absent = 1'b1;
    if (scores) begin
      if (words[1][19:16] != 4'd0 && !Features[6]) absent = 1'b1;
      if ((words[7][15:0] != 16'd0 || words[6][31:20] != 12'd0) && !Features[7]) absent = 1'b1;
      if (key_norm && !Features[8]) absent = 1'b1;
      if (!Features[9] && ((select && words[1][23:22] == 2'd2) || words[1][25:24] != 2'd0 ||
                           words[5] != 32'd0 || rank2 != 32'd0))
        absent = 1'b1;
    end
  end

  // 5 and 6.
  always_comb begin
    options = 1'b0;
    sizes   = 1'b0;
    if (echo || source || sink) begin
      for (int w = 1; w < 8; w++)
        if (w != 2 && !(w == 7 && !echo) && words[w] != 32'd0) options = 1'b1;
      if (!echo && (words[7][30:0] == 31'd0 || words[7][31])) options = 1'b1;
      sizes = rows > (echo ? 32'd1048576 : 32'd1073741824);
    end
    if (quant) begin
      for (int w = 4; w < 8; w++) if (words[w] != 32'd0) options = 1'b1;
      if (row_dims != 32'd0) options = 1'b1;
      if ((words[1] & ~32'h1800_1F7F) != 32'd0) options = 1'b1;
      if (words[1][1:0] > 2'd2 || words[1][6:4] > 3'd4) options = 1'b1;
      if (channel && words[1][6:4] == 3'd4) options = 1'b1;
      if (words[1][11:8] < 4'd2 || words[1][11:8] == 4'd7 || words[1][11:8] > 4'd8) options = 1'b1;
      // Blocks of 32 per token: q8_0, q4_1 and q4_0 only, and the last only as a block.
      if (words[1][12])
        case ({channel, words[1][6:4], words[1][1:0], words[1][11:8]})
          {1'b0, 3'd1, 2'd1, 4'd8}, {1'b0, 3'd1, 2'd0, 4'd4}, {1'b0, 3'd1, 2'd2, 4'd4}: ;
          default: options = 1'b1;
        endcase
      else if (words[1][1:0] == 2'd2) options = 1'b1;
      // bfloat16 neither in blocks nor rotated.
      if (words[1][3] && (words[1][12] || words[1][28:27] != 2'd0)) options = 1'b1;
      sizes = rows < 32'd1 || rows > TileTokens || n < 32'd1 || n > MaxDim || n[3:0] != 4'd0;
      for (int k = 0; k < 4; k++)
        if (words[1][6:4] == 3'(k) && (channel ? rows : n) % (32'd16 << k) != 32'd0)
          sizes = 1'b1;
      for (int k = 1; k < 4; k++)
        if (words[1][28:27] == 2'(k) && n % (32'd16 << k) != 32'd0) sizes = 1'b1;
    end
    if (scores) begin
      if (words[1][19] && words[1][18:16] == 3'd0) options = 1'b1;
      if (words[1][21] && words[1][18:16] != 3'd0) options = 1'b1;
      if (words[7][15:0] != 16'd0 && words[6][31:20] == 12'd0) options = 1'b1;
      if (key_norm && (words[1][20] || words[6][31:20] != 12'd0)) options = 1'b1;
      sizes = rows > 32'd16777215 || n < 32'd1 || n > MaxTokens || sinks > n || recent > n || topk > n;
      if (tiers && !(rank0 <= rank1 && rank1 <= rank2 && rank2 <= topk)) sizes = 1'b1;
      if (rows == 32'd0 && !words[1][20] && !key_norm) sizes = 1'b1;
      if (rows != 32'd0 && key_norm) sizes = 1'b1;
      if (words[6][31:20] != 12'd0 && rows == 32'd0) sizes = 1'b1;
      if ((key_norm || compress) && (row_dims[3:0] != 4'd0 || row_dims == 32'd0 || row_dims > MaxDim))
        sizes = 1'b1;
    end
    if (select) begin
      if (words[1][15:0] != 16'd0 || words[1][31:27] != 5'd0) options = 1'b1;
      if (words[1][23:22] == 2'd3) options = 1'b1;
      if (!tiers && (words[1][25:24] != 2'd0 || words[5] != 32'd0 || rank2 != 32'd0)) options = 1'b1;
      if (!key_norm && row_dims != 32'd0) options = 1'b1;
    end
    if (compress) begin
      if (words[1][3] && key_norm) options = 1'b1;
      if (words[1][7] || words[1][12] || words[1][23:22] != 2'd0 || words[1][31:27] != 5'd0)
        options = 1'b1;
      if (words[1][1:0] > 2'd1 || words[1][6:4] > 3'd4 || words[1][15:13] > 3'd4) options = 1'b1;
      if (channel) begin
        if (words[1][6:4] == 3'd4) options = 1'b1;
        if (words[1][11:8] < 4'd2 || words[1][11:8] == 4'd7 || words[1][11:8] > 4'd8) options = 1'b1;
      end else if (words[1][11:8] != 4'd0) options = 1'b1;
      for (int k = 0; k < 4; k++) begin
        if (words[1][15:13] == 3'(k) && row_dims % (32'd16 << k) != 32'd0) sizes = 1'b1;
        if (words[1][6:4] == 3'(k) && (channel ? (32'd16 << k) > TileTokens : row_dims % (32'd16 << k) != 32'd0))
          sizes = 1'b1;
      end
    end
  end

  assign codes = opcode >= 8'd1 && opcode <= 8'd7;

  always_comb
    if (short_i) want = 3'd6;
    else if (words[0][15:8] != 8'h4B) want = 3'd1;
    else if (!codes) want = 3'd2;
    else if (absent) want = 3'd3;
    else if (options) want = 3'd4;
    else if (sizes) want = 3'd5;
    else if (payload && tlast_i) want = 3'd6;
    else if (!payload && !tlast_i) want = 3'd7;
    else want = 3'd0;

  // Nothing comes in, nothing goes out.
  logic nothing;
  assign nothing = (echo || source || sink) && rows == 32'd0;

  // The answer is there one enabled cycle later.
  logic there_q = 1'b0;
  logic nothing_q;
  logic [2:0] want_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      there_q   <= 1'b1;
      want_q    <= want;
      nothing_q <= nothing;
    end

  always_comb
    if (there_q) begin
      assert (status == want_q);
      assert (refused == (want_q != 3'd0));
      assert (empty == (want_q == 3'd0 && nothing_q));
    end

endmodule
