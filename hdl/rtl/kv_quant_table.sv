// Scales of per-channel groups: taken one channel a cycle, given a beat's worth at a time to the
// lanes, and as beats of the result.
//
// put_i, scale_i, min_i       parameters of the next channel; channels in order, groups in order
// shift_i, sig_i, recip_i     its divisor (see kv_quant_recip), two cycles later
// top_word_i, asym_i          beats of a row less one; a group has minima
// bank_i, word_i              an item of group number bank_i (mod 4), beat word_i of its row, is
//                             read from the ring: min_o 2, shift_o .. recip_o 4 cycles later
// pre_start_i                 cycle c: the scales, then the minima, of the next group come as beats in
//                             c + 2 and on, one a cycle; pre_last_o with the last
// At most four groups may be between their first put and their last use. Nothing moves with en_i = 0.
module kv_quant_table #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned ShiftW = 6,  // bits of a shift
    localparam int unsigned Words = MaxDim / Lanes,
    localparam int unsigned WordW = $clog2(Words)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                put_i,
    input  logic [        15:0] scale_i,
    input  logic [        15:0] min_i,
    input  logic [  ShiftW-1:0] shift_i,
    input  logic [         9:0] sig_i,
    input  logic [         9:0] recip_i,
    input  logic [   WordW-1:0] top_word_i,
    input  logic                asym_i,
    input  logic [         1:0] bank_i,
    input  logic [   WordW-1:0] word_i,
    output logic [16*Lanes-1:0] min_o,
    output logic [ShiftW*Lanes-1:0] shift_o,
    output logic [10*Lanes-1:0] sig_o,
    output logic [10*Lanes-1:0] recip_o,
    input  logic                pre_start_i,
    output logic                pre_valid_o,
    output logic [16*Lanes-1:0] pre_data_o,
    output logic                pre_last_o
);

  // Gather a word of channels.
  logic [16*Lanes-1:0] scales_q, mins_q, held_q;
  logic [ShiftW*Lanes-1:0] shifts_q;
  logic [10*Lanes-1:0] sigs_q;
  logic [10*Lanes-1:0] recips_q;
  logic [$clog2(Lanes)-1:0] lane_q;
  logic put1_q, put2_q, full_q, full_asym_q, full2_q;
  logic [1:0] bank_q, full_bank_q, full2_bank_q;
  logic [WordW-1:0] word_q, full_word_q, full2_word_q;
  logic full1_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      lane_q <= '0;
      full_q <= 1'b0;
      bank_q <= '0;
      word_q <= '0;
      full_asym_q <= 1'b0;
      put1_q <= 1'b0;
      put2_q <= 1'b0;
      full1_q <= 1'b0;
      full2_q <= 1'b0;
    end else if (en_i) begin
      put1_q <= put_i;
      put2_q <= put1_q;
      full1_q <= full_q;
      full2_q <= full1_q;
      full_q <= put_i && &lane_q;
      full_asym_q <= full_q && asym_i;
      if (put_i) lane_q <= lane_q + 1'b1;
      if (full_q) begin
        word_q <= word_q == top_word_i ? '0 : word_q + 1'b1;
        if (word_q == top_word_i) bank_q <= bank_q + 2'd1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (put_i) begin
        scales_q <= {scale_i, scales_q[16*Lanes-1:16]};
        mins_q   <= {min_i, mins_q[16*Lanes-1:16]};
      end
      if (put2_q) begin
        shifts_q <= {shift_i, shifts_q[ShiftW*Lanes-1:ShiftW]};
        sigs_q   <= {sig_i, sigs_q[10*Lanes-1:10]};
        recips_q <= {recip_i, recips_q[10*Lanes-1:10]};
      end
      held_q      <= mins_q;
      full_bank_q <= bank_q;
      full_word_q <= word_q;
      full2_bank_q <= full_bank_q;
      full2_word_q <= full_word_q;
    end
  end

  // For the lanes: two memories, read as late as each is needed.
  logic [WordW+1:0] at0, at1_q, at2_q, at3_q;
  assign at0 = {bank_i, word_i};

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      at1_q <= at0;
      at2_q <= at1_q;
      at3_q <= at2_q;
    end
  end

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(4 * Words)
  ) u_mins (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (full_q),
      .waddr_i({bank_q, word_q}),
      .data_i (mins_q),
      .raddr_i(at1_q),
      .zero_i (1'b0),
      .data_o (min_o)
  );

  kv_ram_1r1w #(
      .Width((20 + ShiftW) * Lanes),
      .Depth(4 * Words)
  ) u_divisors (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (full2_q),
      .waddr_i({full2_bank_q, full2_word_q}),
      .data_i ({recips_q, sigs_q, shifts_q}),
      .raddr_i(at3_q),
      .zero_i (1'b0),
      .data_o ({recip_o, sig_o, shift_o})
  );

  // As beats: scales in the lower, minima in the upper half of a bank; a word's minima are written
  // one cycle after its scales.
  logic [1:0] pre_bank_q;
  logic pre_run_q, pre_half_q, pre_valid_q, pre_last_q, pre_end;
  logic [WordW-1:0] pre_word_q;

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(8 * Words)
  ) u_beats (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (full_q || full_asym_q),
      .waddr_i(full_q ? {bank_q, 1'b0, word_q} : {full_bank_q, 1'b1, full_word_q}),
      .data_i (full_q ? scales_q : held_q),
      .raddr_i({pre_bank_q, pre_half_q, pre_word_q}),
      .zero_i (1'b0),
      .data_o (pre_data_o)
  );

  assign pre_end = pre_word_q == top_word_i && pre_half_q == asym_i;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      pre_bank_q  <= '0;
      pre_run_q   <= 1'b0;
      pre_half_q  <= 1'b0;
      pre_word_q  <= '0;
      pre_valid_q <= 1'b0;
    end else if (en_i) begin
      if (pre_start_i) pre_run_q <= 1'b1;
      else if (pre_end) pre_run_q <= 1'b0;
      pre_valid_q <= pre_run_q;
      if (pre_run_q) begin
        pre_word_q <= pre_word_q == top_word_i ? '0 : pre_word_q + 1'b1;
        if (pre_word_q == top_word_i) pre_half_q <= asym_i && !pre_half_q;
        if (pre_end) pre_bank_q <= pre_bank_q + 2'd1;
      end
    end
  end

  always_ff @(posedge clk_i) if (en_i) pre_last_q <= pre_end;

  assign pre_valid_o = pre_valid_q;
  assign pre_last_o  = pre_last_q;

endmodule
