// Proof of kv_link_rx: one delimiter, and nothing of what came before matters.
//
// Two parsers hear different bytes, whatever those are, until both hear a delimiter in the
// same cycle (sync_i picks one); from then on they hear the same. From the second cycle
// after that on they say the same in every cycle, for ever: each payload byte with its
// index, whole and damaged frames, and the fields of a frame.
// Also: a whole frame and a damaged one are never told at once nor in consecutive cycles, the header stays as it is told
// for the next cycle, and a payload never has more bytes than N says, numbered from 0.
module fv_link_rx (
    input logic       clk_i,
    input logic       rst_i,
    input logic       sync_i,
    input logic       a_valid_i,
    input logic [7:0] a_byte_i,
    input logic       b_valid_i,
    input logic [7:0] b_byte_i
);

  logic first_q = 1'b1;
  logic together_q = 1'b0;
  logic [1:0] since_q = 2'd0;  // cycles since, at most 2
  logic now;
  logic b_valid;
  logic [7:0] b_byte;

  assign now     = sync_i && a_valid_i && a_byte_i == '0 && b_valid_i && b_byte_i == '0;
  assign b_valid = together_q ? a_valid_i : b_valid_i;
  assign b_byte  = together_q ? a_byte_i : b_byte_i;

  logic a_pay, b_pay, a_frame, b_frame, a_damaged, b_damaged;
  logic [7:0] a_index, b_index, a_data, b_data;
  logic [31:0] a_head, b_head;

  kv_link_rx a (
      .clk_i,
      .rst_i,
      .byte_valid_i(a_valid_i),
      .byte_i      (a_byte_i),
      .pay_valid_o (a_pay),
      .pay_index_o (a_index),
      .pay_data_o  (a_data),
      .frame_o     (a_frame),
      .damaged_o   (a_damaged),
      .head_o      (a_head)
  );

  kv_link_rx b (
      .clk_i,
      .rst_i,
      .byte_valid_i(b_valid),
      .byte_i      (b_byte),
      .pay_valid_o (b_pay),
      .pay_index_o (b_index),
      .pay_data_o  (b_data),
      .frame_o     (b_frame),
      .damaged_o   (b_damaged),
      .head_o      (b_head)
  );

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) begin
      together_q <= 1'b0;
      since_q    <= 2'd0;
    end else begin
      if (now) together_q <= 1'b1;
      if (together_q && since_q != 2'd2) since_q <= since_q + 2'd1;
    end
  end

  always_comb assume (!first_q || rst_i);

  (* hierconn *) wire [7:0] \a.left_q , \b.left_q , \a.data_q , \b.data_q , \a.index_q , \b.index_q ;
  (* hierconn *) wire \a.some_q , \b.some_q , \a.data_valid_q , \b.data_valid_q , \a.end_q , \b.end_q , \a.cut_q , \b.cut_q ;
  (* hierconn *) wire [2:0] \a.got_q , \b.got_q ;
  (* hierconn *) wire [8:0] \a.rest_q , \b.rest_q ;
  (* hierconn *) wire [31:0] \a.crc_q , \b.crc_q ;
  (* hierconn *) wire \a.over_q , \b.over_q ;

  logic was_told_q;
  logic [31:0] told_head_q;
  always_ff @(posedge clk_i) begin
    was_told_q  <= !rst_i && (a_frame || a_damaged);
    told_head_q <= a_head;
  end

  // Both parsers hold nothing of the frame before once its delimiter is worked off.
  logic a_fresh, b_fresh;
  assign a_fresh = \a.got_q == '0 && !\a.over_q && &\a.crc_q && \a.index_q == '0;
  assign b_fresh = \b.got_q == '0 && !\b.over_q && &\b.crc_q && \b.index_q == '0;

  always_comb
    if (!first_q) begin
      // What they say.
      if (since_q == 2'd2) begin
        assert (a_frame == b_frame && a_damaged == b_damaged && a_pay == b_pay);
        if (a_pay) assert (a_index == b_index && a_data == b_data);
        if (a_frame) assert (a_head == b_head);
      end
      assert (!(a_frame && a_damaged));
      if (was_told_q) assert (!a_frame && !a_damaged && a_head == told_head_q);
      if (a_pay) assert (a_index < a_head[31:24]);
      // Why.
      assert (together_q || since_q == 2'd0);
      if (!\a.some_q && !\a.end_q ) assert (a_fresh && !\a.data_valid_q );
      if (!\b.some_q && !\b.end_q ) assert (b_fresh && !\b.data_valid_q );
      if (!\a.some_q ) assert (\a.left_q == '0);
      if (!\b.some_q ) assert (\b.left_q == '0);
      assert (!(\a.end_q && (\a.data_valid_q || \a.some_q )));
      assert (!(\b.end_q && (\b.data_valid_q || \b.some_q )));
      if (\a.got_q == 3'd4 && \a.rest_q > 9'd4) assert ({1'b0, \a.index_q } + \a.rest_q == {1'b0, a_head[31:24]} + 9'd4);
      if (\a.got_q == 3'd4) assert (\a.rest_q <= {1'b0, a_head[31:24]} + 9'd4);
      assert (\a.got_q <= 3'd4 && (\a.got_q == 3'd4 || \a.index_q == '0));
      if (together_q) begin
        assert (\a.left_q == \b.left_q && \a.some_q == \b.some_q );
        if (since_q != 2'd0) begin
          assert (\a.data_valid_q == \b.data_valid_q && \a.end_q == \b.end_q );
          if (\a.data_valid_q ) assert (\a.data_q == \b.data_q );
          if (\a.end_q ) assert (\a.cut_q == \b.cut_q );
          assert (\a.got_q == \b.got_q && \a.over_q == \b.over_q && \a.crc_q == \b.crc_q && \a.index_q == \b.index_q );
          if (\a.got_q == 3'd4) assert (\a.rest_q == \b.rest_q );
          if (\a.got_q == 3'd4) assert (a_head == b_head);
          if (\a.got_q == 3'd3) assert (a_head[31:8] == b_head[31:8]);
          if (\a.got_q == 3'd2) assert (a_head[31:16] == b_head[31:16]);
          if (\a.got_q == 3'd1) assert (a_head[31:24] == b_head[31:24]);
        end else assert (!\a.some_q && !\a.data_valid_q && !\b.data_valid_q );
      end
    end

endmodule
