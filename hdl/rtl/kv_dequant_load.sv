// Loader of DEQUANTIZE: sorts the beats of a tile into scales, minima and codes
// (docs/engine.md, 5.8, Loading).
//
// beat_*_i     a beat taken in this cycle; comes only with ready_o.
// ready_o      from registers: the code FIFO (full_i: no place left) takes codes, one of
//              the two banks is free for a first scale beat, the rest of a bank always.
// ready_next_o ready_o of the next cycle, if this one is enabled; full_next_i: full_i of it.
// code_o       the beat is of codes: the code FIFO takes it in this cycle.
// bank_o       the bank that is read next; bank_ok_o: it is complete. bank_bad_o: it
//              held a value that is not finite. free_i frees it at the end of the cycle.
// idx_i        item whose scales and minima (cleaned; minima 0 if symmetric) are on
//              scale_o and min_o in the next cycle; nonsense unless the bank is complete.
// bf16_i       these are bfloat16.
// ev_nonfinite_o  values of the beat taken in the cycle before that were not finite.
//
// Per token all beats are codes and the banks are not used. No overflow: a beat that
// finds no place is not taken. The first beat may come with the new command's settings
// in their first cycle, the first code beat of a channel group in their second.
module kv_dequant_load #(
    parameter int unsigned Lanes  = 8,
    parameter int unsigned MaxDim = 256,
    localparam int unsigned ItemW = $clog2(MaxDim / Lanes)
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                channel_i,
    input  logic                asym_i,
    input  logic                bf16_i,
    input  logic [         1:0] group_i,
    input  logic [         3:0] bits_i,
    input  logic [         9:0] dims_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                full_i,
    input  logic                full_next_i,
    output logic                ready_o,
    output logic                ready_next_o,
    output logic                code_o,
    input  logic                free_i,
    input  logic [   ItemW-1:0] idx_i,
    output logic                bank_ok_o,
    output logic                bank_bad_o,
    output logic [16*Lanes-1:0] scale_o,
    output logic [16*Lanes-1:0] min_o,
    output logic [         5:0] ev_nonfinite_o
);

  localparam int unsigned LaneB = $clog2(Lanes);
  // Code beats of a group: 128 rows of MaxDim codes of 8 bits at the most.
  localparam int unsigned BeatW = $clog2(128 * MaxDim * 8 / (16 * Lanes) + 1);

  typedef enum logic [1:0] {
    Scales,
    Minima,
    Codes
  } part_e;

  part_e part_q, part_d;
  logic [BeatW-1:0] count_q;  // beats of this part, the one to come included
  logic [BeatW-1:0] group_beats_q;
  logic part_end, stats_end;
  logic begins_q, begins_d;  // count_q is 1
  logic [1:0] busy_q, busy_d;  // banks in use
  logic [1:0] ok_q, bad_q;  // of each bank
  logic wr_bank_q, rd_bank_q;
  logic claim;

  // Code beats of a group: dims/16 x bits, times g/16, times 16/Lanes; ready one cycle after
  // the settings.
  logic [BeatW-1:0] row, row_a, row_b;
  assign row = BeatW'(dims_i[9:4]);
  assign row_a = bits_i == 4'd6 ? row << 1 : bits_i[0] ? row : '0;
  assign row_b = bits_i[3] ? row << 3 : bits_i[2] ? row << 2 : row << 1;

  always_ff @(posedge clk_i)
    if (en_i) group_beats_q <= ((row_a + row_b) << group_i) << (4 - LaneB);

  assign part_end = part_q == Codes ? count_q == group_beats_q :
                    count_q == BeatW'(dims_i[9:LaneB]);
  assign stats_end = channel_i && beat_valid_i && part_end &&
                     (part_q == Minima || (part_q == Scales && !asym_i));
  assign claim = channel_i && beat_valid_i && part_q == Scales && begins_q;

  assign code_o = beat_valid_i && (!channel_i || part_q == Codes);

  always_comb begin
    if (!channel_i || part_q == Codes) ready_o = !full_i;
    else ready_o = part_q != Scales || !begins_q || !busy_q[1];
  end

  always_comb begin
    if (!channel_i || part_d == Codes) ready_next_o = !full_next_i;
    else ready_next_o = part_d != Scales || !begins_d || !busy_d[1];
  end

  always_comb begin
    part_d   = part_q;
    begins_d = begins_q;
    busy_d   = busy_q;
    if (channel_i && beat_valid_i) begin
      begins_d = part_end;
      if (part_end)
        case (part_q)
          Scales:  part_d = asym_i ? Minima : Codes;
          Minima:  part_d = Codes;
          default: part_d = Scales;
        endcase
    end
    if (claim && !free_i) busy_d = {busy_q[0], !busy_q[0]};
    if (free_i && !claim) busy_d = {1'b0, busy_q[1]};
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      part_q   <= Scales;
      begins_q <= 1'b1;
      count_q  <= BeatW'(1);
    end else if (en_i) begin
      part_q   <= part_d;
      begins_q <= begins_d;
      if (channel_i && beat_valid_i) count_q <= part_end ? BeatW'(1) : count_q + BeatW'(1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      busy_q    <= 2'd0;
      ok_q      <= 2'b00;
      wr_bank_q <= 1'b0;
      rd_bank_q <= 1'b0;
    end else if (en_i) begin
      busy_q    <= busy_d;
      wr_bank_q <= wr_bank_q ^ stats_end;
      rd_bank_q <= rd_bank_q ^ free_i;
      for (int i = 0; i < 2; i++) begin
        if (stats_end && wr_bank_q == 1'(i)) ok_q[i] <= 1'b1;
        if (free_i && rd_bank_q == 1'(i)) ok_q[i] <= 1'b0;
      end
    end
  end

  // dims is a multiple of 16.
  logic unused;
  assign unused = &{1'b0, dims_i[3:0]};

  assign bank_ok_o  = rd_bank_q ? ok_q[1] : ok_q[0];
  assign bank_bad_o = rd_bank_q ? bad_q[1] : bad_q[0];

  // A beat of scales or minima is cleaned and written one cycle after it was taken. The
  // first code of its group is three cycles behind it.
  logic [16*Lanes-1:0] clean, stat_q;
  logic [Lanes-1:0] bad;
  logic [5:0] bad_count, bad_count_q;
  logic scale_we_q, min_we_q, first_q, bank_q;
  logic [ItemW-1:0] place_q;

  for (genvar i = 0; i < Lanes; i++) begin : g_clean
    kv_fp16_clean u_clean (
        .bf16_i(bf16_i),
        .x_i  (beat_i[16*i+:16]),
        .x_o  (clean[16*i+:16]),
        .bad_o(bad[i])
    );
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      scale_we_q  <= 1'b0;
      min_we_q    <= 1'b0;
      bad_count_q <= '0;
    end else if (en_i) begin
      scale_we_q <= channel_i && beat_valid_i && part_q == Scales;
      min_we_q   <= channel_i && beat_valid_i && part_q == Minima;
      bad_count_q <= channel_i && beat_valid_i && part_q != Codes ? bad_count : '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      stat_q  <= clean;
      first_q <= claim;
      bank_q  <= wr_bank_q;
      place_q <= ItemW'(count_q - BeatW'(1));
      for (int i = 0; i < 2; i++)
        if ((scale_we_q || min_we_q) && bank_q == 1'(i))
          bad_q[i] <= bad_count_q != '0 || (bad_q[i] && !first_q);
    end
  end

  always_comb begin
    bad_count = '0;
    for (int i = 0; i < Lanes; i++) bad_count = bad_count + 6'(bad[i]);
  end

  assign ev_nonfinite_o = bad_count_q;

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(2 * MaxDim / Lanes)
  ) u_scales (
      .clk_i,
      .en_i,
      .we_i   (scale_we_q),
      .waddr_i({bank_q, place_q}),
      .data_i (stat_q),
      .raddr_i({rd_bank_q, idx_i}),
      .zero_i (1'b0),
      .data_o (scale_o)
  );

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(2 * MaxDim / Lanes)
  ) u_minima (
      .clk_i,
      .en_i,
      .we_i   (min_we_q),
      .waddr_i({bank_q, place_q}),
      .data_i (stat_q),
      .raddr_i({rd_bank_q, idx_i}),
      .zero_i (!asym_i),
      .data_o (min_o)
  );

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(beat_valid_i && !ready_o))
      else $error("kv_dequant_load: beat without ready");
      assert (!(free_i && busy_q == 2'd0))
      else $error("kv_dequant_load: no bank to free");
    end
`endif

endmodule
