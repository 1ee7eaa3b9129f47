// Extents of a per-channel group: the least and the greatest key of each channel over its rows,
// and their delivery one channel a cycle.
//
// word_i             the index in its row of the beat at hand, if there is one
// valid_i            there is one; first_i, last_i: it is in the first, the last row of its group; done_i: with it the
//                    group is complete; top_word_i: beats of a row less one
// keys_i             its order keys (see kv_quant), one cycle later
// serve_o            from 5 cycles after done_i on, for a row's number of cycles: channel after channel
// least_o, most_o    its extent, as values; served_o is high with the last channel
// A beat every cycle; groups are at least a row's number of channels apart (16 rows and 16
// lanes at most). No handshake; nothing moves in a cycle with en_i = 0.
module kv_quant_columns #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned MaxDim = 256,
    localparam int unsigned Words = MaxDim / Lanes,
    localparam int unsigned WordW = $clog2(Words)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [   WordW-1:0] word_i,
    input  logic                valid_i,
    input  logic                first_i,
    input  logic                last_i,
    input  logic                done_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic [16*Lanes-1:0] keys_i,
    output logic                serve_o,
    output logic                served_o,
    output logic [        15:0] least_o,
    output logic [        15:0] most_o
);

  localparam int unsigned LaneW = $clog2(Lanes);
  localparam int unsigned Width = 32 * Lanes;

  // Running extents: read with the beat, compared with its keys and written at once.
  logic [WordW-1:0] word1_q;
  logic valid1_q, first1_q, last1_q, done1_q;
  logic [Width-1:0] read, so_far, next;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid1_q <= 1'b0;
      done1_q  <= 1'b0;
    end else if (en_i) begin
      valid1_q <= valid_i;
      done1_q  <= valid_i && done_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      word1_q  <= word_i;
      first1_q <= first_i;
      last1_q  <= last_i;
    end
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_next
    logic [15:0] key;
    logic keep_least, keep_most;
    assign key        = keys_i[16*i+:16];
    assign keep_least = !first1_q && so_far[32*i+:16] < key;
    assign keep_most  = !first1_q && so_far[32*i+16+:16] > key;
    assign next[32*i+:16]    = keep_least ? so_far[32*i+:16] : key;
    assign next[32*i+16+:16] = keep_most ? so_far[32*i+16+:16] : key;
  end

  // Only with 16 lanes can a row have a single word: then what is written is what is read next.
  logic again;
  assign again = valid1_q && word1_q == word_i;

  if (Lanes == 16) begin : gen_again
    logic again_q;
    logic [Width-1:0] next_q;
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        again_q <= again;
        next_q  <= next;
      end
    end
    assign so_far = again_q ? next_q : read;
  end else begin : gen_apart
    assign so_far = read;
  end

  kv_ram_1r1w #(
      .Width(Width),
      .Depth(Words)
  ) u_running (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (valid1_q),
      .waddr_i(word1_q),
      .data_i (next),
      .raddr_i(word_i),
      .zero_i (Lanes == 16 && again),
      .data_o (read)
  );

  // Extents of complete channels, in two banks so that the last row of the next group may come in
  // while these are being served.
  logic bank_q, serve_bank_q, done2_q, start, run_q;
  logic [WordW-1:0] serve_word_q, at_word;
  logic [LaneW-1:0] lane_q, lane3_q;
  logic [Width-1:0] final_word;
  logic at_bank, last_lane, last_word;

  kv_ram_1r1w #(
      .Width(Width),
      .Depth(2 * Words)
  ) u_final (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (valid1_q && last1_q),
      .waddr_i({bank_q, word1_q}),
      .data_i (next),
      .raddr_i({at_bank, at_word}),
      .zero_i (1'b0),
      .data_o (final_word)
  );

  // The cycle after the last write reads the first word, for lane 0; later words are read with their lane 0.
  assign start     = done2_q;
  assign at_bank   = start ? ~bank_q : serve_bank_q;
  assign at_word   = start ? '0 : serve_word_q;
  assign last_lane = &lane_q;
  assign last_word = serve_word_q == top_word_i;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      bank_q  <= 1'b0;
      done2_q <= 1'b0;
      run_q   <= 1'b0;
    end else if (en_i) begin
      done2_q <= done1_q;
      if (done1_q) bank_q <= ~bank_q;
      if (start) run_q <= 1'b1;
      else if (last_lane && last_word) run_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      lane3_q <= start ? '0 : lane_q;
      if (start) begin
        lane_q       <= LaneW'(1);
        serve_word_q <= '0;
        serve_bank_q <= ~bank_q;
      end else begin
        lane_q <= lane_q + 1'b1;
        if (last_lane) serve_word_q <= serve_word_q + 1'b1;
      end
    end
  end

  // The lane of the word, by way of a pair of lanes.
  logic [63:0] pair, pair_q;
  logic odd_q, serve3_q, serve4_q, serve5_q, served3_q, served4_q, served5_q;
  logic [31:0] extent, extent_q;

  assign extent = odd_q ? pair_q[63:32] : pair_q[31:0];

  function automatic logic [15:0] value(input logic [15:0] key);
    value = {!key[15], key[14:0] ^ {15{!key[15]}}};
  endfunction

  always_comb begin
    pair = final_word[63:0];
    for (int i = 1; i < Lanes / 2; i++) if (32'(lane3_q) >> 1 == i) pair = final_word[64*i+:64];
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      serve3_q  <= 1'b0;
      serve4_q  <= 1'b0;
      serve5_q  <= 1'b0;
      served3_q <= 1'b0;
      served4_q <= 1'b0;
      served5_q <= 1'b0;
    end else if (en_i) begin
      serve3_q  <= start || run_q;
      serve4_q  <= serve3_q;
      serve5_q  <= serve4_q;
      served3_q <= !start && run_q && last_lane && last_word;
      served4_q <= served3_q;
      served5_q <= served4_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      pair_q   <= pair;
      odd_q    <= lane3_q[0];
      extent_q <= {value(extent[31:16]), value(extent[15:0])};
    end
  end

  assign serve_o  = serve5_q;
  assign served_o = served5_q;
  assign least_o  = extent_q[15:0];
  assign most_o   = extent_q[31:16];

endmodule
