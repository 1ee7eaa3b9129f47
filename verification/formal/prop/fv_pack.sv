// Proof of kv_select_pack, bounded: a list of any words, with or without gaps between them.
//
// One kept position is followed, picked at will: it comes out once, at the place that the
// number of kept ones before it says. So the list holds exactly the kept positions,
// ascending. Beats are full but for the last, what does not fill it is zero, the list ends
// once, three or four cycles after its last word, and holds as many positions as were kept.
module fv_pack #(
    parameter int unsigned Lanes = 4
) (
    input logic             clk_i,
    input logic             valid_i,
    input logic             last_i,
    input logic [Lanes-1:0] keep_i,
    input logic             pick_i,
    input logic [      1:0] lane_i
);

  localparam int unsigned WordW = 4;

  logic first_q = 1'b1;
  logic clear_q = 1'b0;
  logic push_valid, push_last;
  logic [5:0] push_bytes;
  logic [16*Lanes-1:0] push_data;
  logic open_q, ended_q, follow_q, found_q;
  logic [WordW-1:0] word_q;
  logic [6:0] kept_q, place_q, out_q, out;
  logic [15:0] position_q;
  logic [2:0] since_q;  // cycles since the last word

  kv_select_pack #(
      .Lanes(Lanes),
      .WordW(WordW)
  ) dut (
      .clk_i,
      .rst_i       (first_q),
      .en_i        (1'b1),
      .clear_i     (clear_q),
      .valid5_i    (valid_i),
      .last5_i     (last_i),
      .word5_i     (word_q),
      .keep5_i     (keep_i),
      .push_valid_o(push_valid),
      .push_last_o (push_last),
      .push_bytes_o(push_bytes),
      .push_data_o (push_data)
  );

  logic [6:0] before_lane, in_word;

  always_comb begin
    before_lane = '0;
    in_word     = '0;
    for (int i = 0; i < Lanes; i++) begin
      if (2'(i) < lane_i) before_lane = before_lane + 7'(keep_i[i]);
      in_word = in_word + 7'(keep_i[i]);
    end
  end

  assign out = out_q + 7'(push_bytes >> 1);

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    clear_q <= first_q;
    if (first_q) begin
      open_q   <= 1'b0;
      ended_q  <= 1'b0;
      follow_q <= 1'b0;
      found_q  <= 1'b0;
      word_q   <= '0;
      kept_q   <= '0;
      out_q    <= '0;
      since_q  <= '0;
    end else begin
      if (clear_q) open_q <= 1'b1;
      else if (valid_i && last_i) open_q <= 1'b0;
      if (valid_i) begin
        word_q <= word_q + WordW'(1);
        kept_q <= kept_q + in_word;
        if (pick_i && keep_i[lane_i]) begin
          follow_q   <= 1'b1;
          position_q <= 16'({word_q, lane_i});
          place_q    <= kept_q + before_lane;
        end
      end
      if (!open_q && !clear_q && since_q != 3'd7) since_q <= since_q + 3'd1;
      if (push_valid) begin
        out_q   <= out;
        ended_q <= push_last;
        if (follow_q && place_q >= out_q && place_q < out) found_q <= 1'b1;
      end
    end
  end

  always_comb begin
    assume (!valid_i || open_q);
    assume (!pick_i || !follow_q);
  end

  always_comb
    if (!first_q && !clear_q) begin
      if (push_valid) begin
        assert (!ended_q);
        assert (push_bytes[0] == 1'b0 && push_bytes <= 6'(2 * Lanes));
        assert (push_last || push_bytes == 6'(2 * Lanes));
        for (int s = 0; s < Lanes; s++)
          if (6'(2 * s) >= push_bytes) assert (push_data[16*s+:16] == '0);
          else if (follow_q)
            assert ((push_data[16*s+:16] == position_q) == (place_q == out_q + 7'(s)));
        if (push_last) begin
          assert (!open_q);
          assert (out == kept_q);
        end
      end
      if (ended_q) assert (found_q == follow_q);
      if (since_q >= 3'd4) assert (ended_q);
    end

endmodule
