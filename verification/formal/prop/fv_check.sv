// Proof of kv_front_check: the status of every one of the 2^256 headers, with and without an
// early TLAST, against the checks of docs/engine.md, section 3, written down once more with
// the contract's own numbers. For one build, in which SELECT is left out or not (Features).
module fv_check #(
    parameter logic [3:0] Features = 4'hF
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
  logic [31:0] rows, dims, group;
  logic [7:0] opcode;
  logic echo, quant, select, channel, options, codes, sizes, payload;
  logic [2:0] want;

  for (genvar w = 0; w < 8; w++) begin : g_word
    assign words[w] = header_i[32*w+:32];
  end
  assign opcode  = words[0][7:0];
  assign echo    = opcode == 8'd1;
  assign quant   = opcode == 8'd2 || opcode == 8'd3;
  assign select  = opcode == 8'd4;
  assign channel = words[1][2];
  assign rows    = words[2];
  assign dims    = words[3];
  assign group   = words[1][6:4] < 3'd4 ? 32'd16 << words[1][6:4] : dims;
  assign payload = !(echo && rows == 32'd0);

  always_comb begin
    options = 1'b0;
    sizes   = 1'b0;
    if (echo) begin
      for (int w = 1; w < 8; w++) if (w != 2 && words[w] != 32'd0) options = 1'b1;
      sizes = rows > 32'd1048576;
    end
    if (quant) begin
      for (int w = 4; w < 8; w++) if (words[w] != 32'd0) options = 1'b1;
      if ((words[1] & ~32'h0000_1F77) != 32'd0) options = 1'b1;
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
      sizes = rows < 32'd1 || rows > TileTokens || dims < 32'd1 || dims > MaxDim ||
              dims[3:0] != 4'd0;
      for (int k = 0; k < 4; k++)
        if (words[1][6:4] == 3'(k) && (channel ? rows : dims) % (32'd16 << k) != 32'd0)
          sizes = 1'b1;
    end
    if (select) begin
      options = words[1] != 32'd0 || words[7] != 32'd0;
      sizes = rows < 32'd1 || rows > 32'd16777215 || dims < 32'd1 || dims > MaxTokens ||
              words[4] > dims || words[5] > dims || words[6] > dims;
    end
  end

  assign codes = echo || quant || select;

  always_comb
    if (short_i) want = 3'd6;
    else if (words[0][15:8] != 8'h4B) want = 3'd1;
    else if (!codes) want = 3'd2;
    else if (!Features[2'(opcode-8'd1)]) want = 3'd3;
    else if (options) want = 3'd4;
    else if (sizes) want = 3'd5;
    else if (payload && tlast_i) want = 3'd6;
    else if (!payload && !tlast_i) want = 3'd7;
    else want = 3'd0;

  // The answer is there one enabled cycle later.
  logic there_q = 1'b0;
  logic payload_q;
  logic [2:0] want_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      there_q   <= 1'b1;
      want_q    <= want;
      payload_q <= payload;
    end

  always_comb
    if (there_q) begin
      assert (status == want_q);
      assert (refused == (want_q != 3'd0));
      assert (empty == (want_q == 3'd0 && !payload_q));
    end

endmodule
