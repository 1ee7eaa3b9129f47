// Extents of a per-channel group: the least and the greatest key of each channel over its rows,
// and their delivery one channel a cycle.
//
// fetch_i, word_i    the beat with index word_i in its row comes in the next cycle
// valid_i, keys_i    that beat, as Lanes order keys (see kv_quant)
// first_i, last_i    it is in the first, the last row of its group
// done_i             with it the group is complete; words_i is the number of beats of a row
// serve_o            from 3 cycles after done_i on, for words_i * Lanes cycles: channel after channel
// least_o, most_o    its extent; served_o is high with the last channel
// A beat every cycle; groups are at least words_i * Lanes cycles apart (16 rows and 16
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
    input  logic                fetch_i,
    input  logic [   WordW-1:0] word_i,
    input  logic                valid_i,
    input  logic                first_i,
    input  logic                last_i,
    input  logic                done_i,
    input  logic [   WordW-1:0] top_word_i,  // words_i - 1
    input  logic [16*Lanes-1:0] keys_i,
    output logic                serve_o,
    output logic                served_o,
    output logic [        15:0] least_o,
    output logic [        15:0] most_o
);

  localparam int unsigned Width = 32 * Lanes;

  // Running extents: read with fetch_i, compared with valid_i, written a cycle later. A word that
  // was written too late to be read is taken from the write itself.
  logic [WordW-1:0] word1_q, wr_word_q, old_word_q;
  logic wr_q, old_q, wr_last_q, wr_done_q;
  logic [Width-1:0] wr_data_q, old_data_q, read, so_far, next;

  assign so_far = wr_q && wr_word_q == word1_q ? wr_data_q : old_q && old_word_q == word1_q ? old_data_q : read;

  always_comb begin
    for (int i = 0; i < Lanes; i++) begin
      next[32*i+:16]    = keys_i[16*i+:16];
      next[32*i+16+:16] = keys_i[16*i+:16];
      if (!first_i && so_far[32*i+:16] < keys_i[16*i+:16]) next[32*i+:16] = so_far[32*i+:16];
      if (!first_i && so_far[32*i+16+:16] > keys_i[16*i+:16]) next[32*i+16+:16] = so_far[32*i+16+:16];
    end
  end

  // A read that meets a write is never used: the write is taken instead.
  logic collide;
  assign collide = wr_q && wr_word_q == word_i;

  kv_ram_1r1w #(
      .Width(Width),
      .Depth(Words)
  ) u_running (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (wr_q),
      .waddr_i(wr_word_q),
      .data_i (wr_data_q),
      .raddr_i(word_i),
      .zero_i (collide || !fetch_i),
      .data_o (read)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wr_q      <= 1'b0;
      old_q     <= 1'b0;
      wr_done_q <= 1'b0;
    end else if (en_i) begin
      wr_q      <= valid_i;
      old_q     <= wr_q;
      wr_done_q <= valid_i && done_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      word1_q    <= word_i;
      wr_word_q  <= word1_q;
      wr_last_q  <= last_i;
      wr_data_q  <= next;
      old_word_q <= wr_word_q;
      old_data_q <= wr_data_q;
    end
  end

  // Extents of complete channels, in two banks so that the last row of the next group may come in
  // while these are being served.
  logic bank_q, serve_bank_q;
  logic [WordW-1:0] serve_word_q, at_word;
  logic [$clog2(Lanes)-1:0] lane_q;
  logic start_q, busy_q, load_q, at_bank;
  logic [Width-1:0] final_word, shift_q;
  logic [Width-1:0] current;

  kv_ram_1r1w #(
      .Width(Width),
      .Depth(2 * Words)
  ) u_final (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (wr_q && wr_last_q),
      .waddr_i({bank_q, wr_word_q}),
      .data_i (wr_data_q),
      .raddr_i({at_bank, at_word}),
      .zero_i (1'b0),
      .data_o (final_word)
  );

  // start_q: the cycle after the last write; the first word is read in it and served from the next on.
  // Later words are read with the last lane of the word before.
  logic last_lane, last_word;
  assign last_lane = &lane_q;
  assign last_word = serve_word_q == top_word_i;
  assign at_bank   = start_q ? ~bank_q : serve_bank_q;
  assign at_word   = start_q ? '0 : serve_word_q + 1'b1;
  assign current   = load_q ? final_word : shift_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      bank_q  <= 1'b0;
      start_q <= 1'b0;
      busy_q  <= 1'b0;
    end else if (en_i) begin
      start_q <= wr_done_q;
      if (wr_done_q) bank_q <= ~bank_q;
      if (start_q) busy_q <= 1'b1;
      else if (last_lane && last_word) busy_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      load_q  <= start_q || last_lane;
      shift_q <= current >> 32;
      if (start_q) begin
        lane_q       <= '0;
        serve_word_q <= '0;
        serve_bank_q <= ~bank_q;
      end else begin
        lane_q <= lane_q + 1'b1;
        if (last_lane) serve_word_q <= serve_word_q + 1'b1;
      end
    end
  end

  assign serve_o  = busy_q;
  assign served_o = busy_q && last_lane && last_word;
  assign least_o  = current[15:0];
  assign most_o   = current[31:16];

endmodule
