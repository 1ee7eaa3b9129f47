// Proof of kv_back: every descriptor gives exactly one well-formed response.
//
// The environment is as docs/engine.md, 5.3 to 5.5, has it: descriptors and entries stand
// until they are done with, the outcome stands from the cycle in which the last entry is
// taken, the scales come two cycles after they were asked for, one a cycle, any number of
// them. Everything else is free, also which cycles are enabled.
//
// 1. A response is header beats, then for each entry its scales (if it has `pre`) and its
//    data (if it has bytes), then trailer beats; nothing besides, TLAST with the very last.
//    So a refused command, whose only entry is empty, gives a whole response too, and the
//    next descriptor finds the back ready.
// 2. Header and trailer hold what they should: BytesOut is the sum of what was given, the
//    flags are those of the entries taken, Cycles and stalls are counted up to the first
//    trailer beat; an error is reported in that beat's cycle, once.
// 3. A beat comes only when the shell was told, in the last enabled cycle, to keep room for it; it is told so if and
//    only if there will be one to give, or scales to wait for.
module fv_back #(
    parameter int unsigned Lanes = 4
) (
    input logic                clk_i,
    input logic                rst_i,
    input logic                en_i,
    input logic                desc_valid_i,
    input logic                desc_next_i,
    input logic [         7:0] desc_opcode_i,
    input logic [        15:0] desc_tag_i,
    input logic [         2:0] desc_status_i,
    input logic [        31:0] desc_mark_i,
    input logic [        31:0] desc_stall_in_i,
    input logic [        31:0] desc_stall_out_i,
    input logic [         2:0] outcome_status_i,
    input logic [        31:0] outcome_bytes_i,
    input logic                entry_valid_i,
    input logic                entry_next_i,
    input logic [16*Lanes-1:0] entry_data_i,
    input logic [         5:0] entry_bytes_i,
    input logic                entry_last_i,
    input logic                entry_pre_i,
    input logic                entry_nonfinite_i,
    input logic                entry_saturated_i,
    input logic [16*Lanes-1:0] pre_data_i,
    input logic                pre_last_i,
    input logic [        31:0] now_cycle_i,
    input logic [        31:0] now_stall_in_i,
    input logic [        31:0] now_stall_out_i
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned HeadBeats = 256 / Width;

  logic first_q = 1'b1;
  logic done, entry_pop, pre_start, pre_valid, out_want_next, out_push, out_last, error_valid;
  logic [2:0] error_status;
  logic [Width-1:0] out_data;

  kv_back #(
      .Lanes(Lanes)
  ) dut (
      .clk_i,
      .rst_i,
      .en_i,
      .desc_valid_i,
      .desc_next_i,
      .desc_opcode_i,
      .desc_tag_i,
      .desc_status_i,
      .desc_mark_i,
      .desc_stall_in_i,
      .desc_stall_out_i,
      .outcome_status_i,
      .outcome_bytes_i,
      .done_o        (done),
      .entry_valid_i,
      .entry_next_i,
      .entry_data_i,
      .entry_bytes_i,
      .entry_last_i,
      .entry_pre_i,
      .entry_nonfinite_i,
      .entry_saturated_i,
      .entry_pop_o   (entry_pop),
      .pre_start_o   (pre_start),
      .pre_valid_i   (pre_valid),
      .pre_data_i,
      .pre_last_i,
      .now_cycle_i,
      .now_stall_in_i,
      .now_stall_out_i,
      .out_want_next_o(out_want_next),
      .out_push_o    (out_push),
      .out_data_o    (out_data),
      .out_last_o    (out_last),
      .error_valid_o (error_valid),
      .error_status_o(error_status)
  );

  // What the contract says of this cycle.
  typedef enum logic [1:0] {
    AtHead,
    AtBody,
    AtTail
  } phase_e;

  phase_e phase_q;
  logic [2:0] index_q;
  logic scales_sent_q, asked_q, coming_q, busy_q;
  logic [30:0] bytes_q;
  logic nonfinite_q, saturated_q;
  logic [31:0] cycles_q, stall_in_q, stall_out_q, cycles, stall_in, stall_out;
  logic head, body, tail, ask, take, last_index;
  logic [255:0] header, trailer;

  assign last_index = index_q == 3'(HeadBeats - 1);
  assign head = phase_q == AtHead && (desc_valid_i || index_q != '0);
  assign body = phase_q == AtBody && entry_valid_i;
  assign tail = phase_q == AtTail;
  assign ask  = body && entry_pre_i && !scales_sent_q && !busy_q;
  assign take = body && (!entry_pre_i || scales_sent_q);
  assign pre_valid = coming_q;
  assign cycles    = index_q == '0 ? now_cycle_i - desc_mark_i : cycles_q;
  assign stall_in  = index_q == '0 ? now_stall_in_i - desc_stall_in_i : stall_in_q;
  assign stall_out = index_q == '0 ? now_stall_out_i - desc_stall_out_i : stall_out_q;
  assign header = {216'd0, 5'd0, desc_status_i, desc_tag_i, 8'h52, desc_opcode_i};
  assign trailer = {
    32'd0, stall_out, stall_in, cycles, 1'd0, bytes_q, outcome_bytes_i, 16'd0,
    6'd0, saturated_q, nonfinite_q, 5'd0, outcome_status_i, desc_tag_i, 8'h54, desc_opcode_i
  };

  always_ff @(posedge clk_i) begin
    first_q <= 1'b0;
    if (rst_i) begin
      phase_q       <= AtHead;
      index_q       <= '0;
      scales_sent_q <= 1'b0;
      asked_q       <= 1'b0;
      coming_q      <= 1'b0;
      busy_q        <= 1'b0;
    end else if (en_i) begin
      if (head || tail) index_q <= last_index ? '0 : index_q + 3'd1;
      if (head && last_index) begin
        phase_q     <= AtBody;
        bytes_q     <= '0;
        nonfinite_q <= 1'b0;
        saturated_q <= 1'b0;
      end
      if (take && entry_last_i) phase_q <= AtTail;
      if (tail && last_index) phase_q <= AtHead;
      if (take) begin
        bytes_q     <= bytes_q + 31'(entry_bytes_i);
        nonfinite_q <= nonfinite_q || entry_nonfinite_i;
        saturated_q <= saturated_q || entry_saturated_i;
      end
      if (coming_q) bytes_q <= bytes_q + 31'(2 * Lanes);
      asked_q  <= ask;
      coming_q <= asked_q || (coming_q && !pre_last_i);
      if (ask) busy_q <= 1'b1;
      else if (coming_q && pre_last_i) busy_q <= 1'b0;
      if (coming_q && pre_last_i) scales_sent_q <= 1'b1;
      else if (take) scales_sent_q <= 1'b0;
      if (tail && index_q == '0) begin
        cycles_q    <= cycles;
        stall_in_q  <= stall_in;
        stall_out_q <= stall_out;
      end
    end
  end

  // What was told in the last enabled cycle; of descriptors and entries it is true.
  logic out_want, desc_told_q, entry_told_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      out_want     <= 1'b0;
      desc_told_q  <= 1'b0;
      entry_told_q <= 1'b0;
    end else if (en_i) begin
      out_want     <= out_want_next;
      desc_told_q  <= desc_next_i;
      entry_told_q <= entry_next_i;
    end
  end

  // The environment.
  logic desc_stays_q, entry_stays_q, outcome_stays_q;
  logic [122:0] desc_q, desc;
  logic [Width+9:0] entry_q, entry;
  logic [34:0] outcome_q;

  assign desc = {
    desc_opcode_i, desc_tag_i, desc_status_i, desc_mark_i, desc_stall_in_i, desc_stall_out_i
  };
  assign entry = {
    entry_data_i, entry_bytes_i, entry_last_i, entry_pre_i, entry_nonfinite_i, entry_saturated_i
  };

  always_ff @(posedge clk_i) begin
    desc_stays_q    <= !rst_i && desc_valid_i && !(en_i && tail && last_index);
    entry_stays_q   <= !rst_i && entry_valid_i && !(en_i && take);
    outcome_stays_q <= !rst_i && ((take && entry_last_i) || (tail && !(en_i && last_index)));
    desc_q          <= desc;
    entry_q         <= entry;
    outcome_q       <= {outcome_status_i, outcome_bytes_i};
  end

  always_comb begin
    assume (!first_q || rst_i);
    assume (entry_bytes_i <= 6'(2 * Lanes));
    if (!first_q) begin
      assume (desc_valid_i == desc_told_q);
      assume (entry_valid_i == entry_told_q);
      if (desc_stays_q) assume (desc_valid_i && desc == desc_q);
      if (entry_stays_q) assume (entry_valid_i && entry == entry_q);
      if (outcome_stays_q) assume ({outcome_status_i, outcome_bytes_i} == outcome_q);
    end
  end

  // 1, 3
  always_comb
    if (!first_q && !rst_i) begin
      assert (out_want == (head || body || tail));
      assert (out_push == (head || tail || coming_q || (take && entry_bytes_i != '0)));
      assert (!out_push || out_want);
      assert (out_last == (tail && last_index));
      assert (done == out_last);
      assert (entry_pop == take);
      assert (pre_start == ask);
      if (coming_q) assert (out_data == pre_data_i);
      if (take) assert (out_data == entry_data_i);
    end

  // 2
  always_comb
    if (!first_q && !rst_i) begin
      for (int i = 0; i < HeadBeats; i++) begin
        if (head && index_q == 3'(i)) assert (out_data == header[Width*i+:Width]);
        if (tail && index_q == 3'(i)) assert (out_data == trailer[Width*i+:Width]);
      end
      assert (error_valid == (tail && index_q == '0 && outcome_status_i != 3'd0));
      if (error_valid) assert (error_status == outcome_status_i);
    end

  // The module's own state is the contract's.
  (* hierconn *) wire [1:0] \dut.state_q ;
  (* hierconn *) wire [1:0] \dut.pre_q ;
  (* hierconn *) wire \dut.frame_q ;
  (* hierconn *) wire [2:0] \dut.beat_q ;
  (* hierconn *) wire [30:0] \dut.bytes_q ;
  (* hierconn *) wire \dut.nonfinite_q ;
  (* hierconn *) wire \dut.saturated_q ;
  (* hierconn *) wire [2:0] \dut.status_q ;
  (* hierconn *) wire \dut.error_q ;
  (* hierconn *) wire [31:0] \dut.cycles_q ;
  (* hierconn *) wire [31:0] \dut.stall_in_q ;
  (* hierconn *) wire [31:0] \dut.stall_out_q ;

  always_comb
    if (!first_q) begin
      assert (phase_q == AtHead || phase_q == AtBody || phase_q == AtTail);
      assert (\dut.state_q == phase_q);
      assert (\dut.frame_q == (phase_q != AtBody));
      assert (\dut.beat_q == index_q);
      assert (index_q <= 3'(HeadBeats - 1));
      assert (phase_q != AtBody || index_q == '0);
      assert (\dut.pre_q == (busy_q ? 2'd1 : scales_sent_q ? 2'd2 : 2'd0));
      assert (busy_q == (asked_q || coming_q));
      assert (!asked_q || !coming_q);
      assert (!busy_q || !scales_sent_q);
      if (busy_q || scales_sent_q) assert (phase_q == AtBody && entry_stays_q && entry_q[2]);
      assert (phase_q == AtHead && index_q == '0 || desc_stays_q);
      if (phase_q != AtHead) begin
        assert (\dut.bytes_q == bytes_q);
        assert (\dut.nonfinite_q == nonfinite_q);
        assert (\dut.saturated_q == saturated_q);
      end
      if (phase_q == AtTail) begin
        assert (outcome_stays_q);
        assert (\dut.status_q == outcome_q[34:32]);
        assert (\dut.error_q == (outcome_q[34:32] != 3'd0));
        if (index_q != '0) begin
          assert (\dut.cycles_q == cycles_q);
          assert (\dut.stall_in_q == stall_in_q);
          assert (\dut.stall_out_q == stall_out_q);
        end
      end
    end

endmodule
