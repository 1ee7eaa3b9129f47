// Proof of kv_select_emit: the lanes kept of each word, for lists of any length.
//
// Of the candidates of a list, word by word and lane by lane, exactly the first need_i are
// kept (all, if there are not so many), and every lane that is kept already stays so. With
// what kv_select_radix chooses this makes min(n, sinks + recent + k) positions, equal scores
// lowest position first, and no protected position is ever dropped.
module fv_emit #(
    parameter int unsigned Lanes = 4,
    parameter int unsigned CountW = 6
) (
    input logic              clk_i,
    input logic              rst_i,
    input logic              en_i,
    input logic              load_i,
    input logic [CountW-1:0] need_i,
    input logic              valid3_i,
    input logic [ Lanes-1:0] keep3_i,
    input logic [ Lanes-1:0] cand3_i
);

  logic first_q = 1'b1;
  logic valid5;
  logic [Lanes-1:0] keep5;

  kv_select_emit #(
      .Lanes (Lanes),
      .CountW(CountW)
  ) dut (
      .clk_i,
      .rst_i,
      .en_i,
      .load_i,
      .need_i,
      .valid3_i,
      .keep3_i,
      .cand3_i,
      .valid5_o(valid5),
      .keep5_o (keep5)
  );

  // The words on their way: 4, 5 are stages; a load comes before the first word of a list and
  // after the last one of the list before, so none is at stage 4 then.
  logic valid4_q, valid5_q, loaded_q;
  logic [Lanes-1:0] keep4_q, cand4_q, keep5_q, cand5_q;
  logic [CountW-1:0] need_q, kept_q, seen_q;  // of the list, up to stage 5; they saturate
  logic [CountW-1:0] kept, seen;

  always_comb begin
    assume (!first_q || rst_i);
    assume (!load_i || (!valid3_i && !valid4_q && !valid5_q));
    assume (!valid3_i || loaded_q);
    assume ((keep3_i & cand3_i) == '0);  // a position is kept or a candidate, not both
  end

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) begin
      valid4_q <= 1'b0;
      valid5_q <= 1'b0;
      loaded_q <= 1'b0;
    end else if (en_i) begin
      valid4_q <= valid3_i;
      valid5_q <= valid4_q;
      if (load_i) loaded_q <= 1'b1;
    end
    if (en_i) begin
      keep4_q <= keep3_i;
      cand4_q <= cand3_i;
      keep5_q <= keep4_q;
      cand5_q <= cand4_q;
      if (load_i) begin
        need_q <= need_i;
        kept_q <= '0;
        seen_q <= '0;
      end else if (valid5_q) begin
        kept_q <= kept;
        seen_q <= seen;
      end
    end
  end

  // Lane by lane: a candidate is kept as long as fewer than need were kept before it.
  always_comb begin
    kept = kept_q;
    seen = seen_q;
    for (int i = 0; i < Lanes; i++)
      if (cand5_q[i]) begin
        if (keep5[i]) kept = kept + CountW'(1);
        if (seen != '1) seen = seen + CountW'(1);
      end
  end

  logic [CountW-1:0] before;

  always_comb begin
    before = '0;
    if (!first_q && !rst_i) begin
      assert (valid5 == valid5_q);
      if (valid5_q) begin
        before = kept_q;
        for (int i = 0; i < Lanes; i++) begin
          if (keep5_q[i]) assert (keep5[i]);
          else if (cand5_q[i]) begin
            assert (keep5[i] == (before < need_q));
            if (before < need_q) before = before + CountW'(1);
          end else assert (!keep5[i]);
        end
        assert (kept <= need_q);
        // Exactly min(need, candidates) of them, at every point of the list.
        assert (kept == (seen < need_q ? seen : need_q));
      end
    end
  end

  // The module's own state: what is left after the words before that at stage 4.
  (* hierconn *) wire [CountW-1:0] \dut.left_q ;
  (* hierconn *) wire [Lanes-1:0] \dut.keep4_q ;
  (* hierconn *) wire [Lanes-1:0] \dut.cand4_q ;
  (* hierconn *) wire \dut.valid4_q ;
  (* hierconn *) wire [2*Lanes-1:0] \dut.rank4_q ;  // two bits a lane
  (* hierconn *) wire [2:0] \dut.ties4_q ;
  logic [CountW-1:0] kept_so_far;
  logic [2:0] ties;

  assign kept_so_far = valid5_q ? kept : kept_q;

  always_comb begin
    ties = '0;
    if (!first_q) begin
      assert (\dut.valid4_q == valid4_q);
      if (valid4_q || valid5_q) assert (loaded_q);
      if (loaded_q) begin
        assert (kept_q == (seen_q < need_q ? seen_q : need_q));
        assert (\dut.left_q == need_q - kept_so_far);
      end
      if (valid4_q) begin
        assert (\dut.keep4_q == keep4_q);
        assert (\dut.cand4_q == cand4_q);
        assert ((keep4_q & cand4_q) == '0);
        for (int i = 0; i < Lanes; i++) begin
          assert (\dut.rank4_q [2*i+:2] == ties[1:0]);
          ties = ties + 3'(cand4_q[i]);
        end
        assert (\dut.ties4_q == ties);
      end
      if (valid5_q) assert ((keep5_q & cand5_q) == '0);
    end
  end

endmodule
