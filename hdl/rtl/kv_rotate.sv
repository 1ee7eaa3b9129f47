// Rotation by the Walsh-Hadamard transform, before QUANTIZE and after DEQUANTIZE (docs/engine.md, sections 4 and 5.12).
//
// block_i    kv_pkg::ROTATE_32, _64 or _128: blocks of R elements. restore_i: e = 3, 3, 4, not 2, 3, 3.
//            Both stay while beats are on their way.
// valid_i    a beat comes: beat_i, any fp16, which are cleaned; last_i: last of its packet; nonfinite_i, saturated_i:
//            flags it has already. A packet is a whole number of blocks. Always ready; gaps are anywhere.
// valid_o    a rotated beat leaves: beat i of a block in cycle c + LAT_ROTATE + R/Lanes + i, c being that in which
//            the block's last beat came. beat_o is clean; last_o; nonfinite_o: an input of its block was NaN or infinite or had
//            that flag; saturated_o: an element of it was clamped, or one of its block had that flag.
// ev_nonfinite_o  elements cleaned of the beat that came in the cycle before
// ev_saturated_o  elements clamped of the beat that leaves
// One rounding, half to even, saturating. Nothing moves in a cycle with en_i = 0.
//
// A block is gathered, then read in consecutive cycles: whole numbers in units of 2^-28 after e, which the lift is for; stages
// between beats, the farthest first, while numbers are short; stages between lanes; rounding.
module kv_rotate #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [         1:0] block_i,
    input  logic                restore_i,
    input  logic                valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                last_i,
    input  logic                nonfinite_i,
    input  logic                saturated_i,
    output logic                valid_o,
    output logic [16*Lanes-1:0] beat_o,
    output logic                last_o,
    output logic                nonfinite_o,
    output logic                saturated_o,
    output logic [         4:0] ev_nonfinite_o,
    output logic [         4:0] ev_saturated_o
);

  localparam int unsigned MaxBlock = MaxDim < 128 ? MaxDim : 128;
  localparam int unsigned Beats = MaxBlock / Lanes;
  localparam int unsigned BeatW = $clog2(Beats);
  localparam int unsigned LaneB = $clog2(Lanes);
  // 41 bits of an element, one for each stage, one or two for the lift.
  localparam int unsigned Final = MaxBlock == 128 ? 49 : 48;
  // 1 to read a block, 2, 2 for each stage between beats, 1 for each between lanes, 4, and the Step of each stage.
  localparam int unsigned Spare = kv_pkg::LAT_ROTATE - 7 - 2 * BeatW - LaneB;

  if (Spare > 8 || kv_pkg::ROTATE_32 != 1 || kv_pkg::ROTATE_128 != 3) begin : gen_latency
    $error("kv_rotate: LAT_ROTATE is too short, or blocks have other codes");
  end

  // Width of the numbers that go into stage s between beats: no less than what passes through all of them.
  function automatic int unsigned width(input int unsigned s);
    width = Final - (BeatW + LaneB - s) < 43 ? 43 : Final - (BeatW + LaneB - s);
  endfunction

  logic [BeatW-1:0] top;
  logic [1:0] lift_q;

  assign top = BeatW'((8'd16 << block_i) / 8'(Lanes) - 8'd1);

  always_ff @(posedge clk_i)
    if (en_i) lift_q <= restore_i ? {1'b0, block_i != 2'(kv_pkg::ROTATE_128)} : {block_i == 2'(kv_pkg::ROTATE_32), block_i != 2'(kv_pkg::ROTATE_32)};

  // Cleaned and gathered.
  logic [16*Lanes-1:0] clean;
  logic [Lanes-1:0] bad, bad_q;
  logic [BeatW-1:0] in_q;
  logic in_end, go_q, nonfinite_q, saturated_q, nonfinite, saturated;

  for (genvar i = 0; i < Lanes; i++) begin : gen_clean
    kv_fp16_clean u_clean (
        .bf16_i(1'b0),
        .x_i  (beat_i[16*i+:16]),
        .x_o  (clean[16*i+:16]),
        .bad_o(bad[i])
    );
  end

  assign in_end    = in_q == top;
  assign nonfinite = nonfinite_q || nonfinite_i || bad != '0;
  assign saturated = saturated_q || saturated_i;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      in_q        <= '0;
      go_q        <= 1'b0;
      bad_q       <= '0;
      nonfinite_q <= 1'b0;
      saturated_q <= 1'b0;
    end else if (en_i) begin
      go_q  <= valid_i && in_end;
      bad_q <= bad & {Lanes{valid_i}};
      if (valid_i) begin
        in_q        <= in_end ? '0 : in_q + 1'b1;
        nonfinite_q <= nonfinite && !in_end;
        saturated_q <= saturated && !in_end;
      end
    end
  end

  always_comb begin
    ev_nonfinite_o = '0;
    for (int i = 0; i < Lanes; i++) ev_nonfinite_o += 5'(bad_q[i]);
  end

  // Read at c + 1 + i: no sooner is the place written for the next block, and that at the end of the cycle.
  logic [16*Lanes-1:0] gathered[0:Beats-1], read_q;
  logic [BeatW-1:0] at, at_q;
  logic read_go_q;

  assign at = go_q ? '0 : at_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (valid_i) gathered[in_q] <= clean;
      read_q <= gathered[at];
      at_q   <= at + 1'b1;
    end
  end

  // Whole numbers.
  logic [43*Lanes-1:0] fixed;
  logic [2:1] fix_go_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) {fix_go_q, read_go_q} <= '0;
    else if (en_i) {fix_go_q, read_go_q} <= {fix_go_q[1], read_go_q, go_q};
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_fix
    kv_rotate_fix u_fix (
        .clk_i (clk_i),
        .en_i  (en_i),
        .x_i   (read_q[16*i+:16]),
        .lift_i(lift_q),
        .x_o   (fixed[43*i+:43])
    );
  end

  // Stages.
  for (genvar s = 0; s < BeatW; s++) begin : gen_pair
    localparam int unsigned Step = Beats >> (s + 1);
    localparam int unsigned In = width(s);
    localparam int unsigned Out = width(s + 1);
    logic [Lanes*In-1:0] x;
    logic [Lanes*Out-1:0] y;
    logic go, go_next;

    if (s == 0) begin : gen_in
      assign x  = fixed;
      assign go = fix_go_q[2];
    end else begin : gen_next
      assign x  = gen_pair[s-1].y;
      assign go = gen_pair[s-1].go_next;
    end

    kv_rotate_pair #(
        .Lanes(Lanes),
        .Width(In),
        .Step (Step),
        .More (Out - In)
    ) u_pair (
        .clk_i (clk_i),
        .rst_i (rst_i),
        .en_i  (en_i),
        .go_i  (go),
        .skip_i((8'd16 << block_i) < 8'(2 * Step * Lanes)),
        .x_i   (x),
        .go_o  (go_next),
        .x_o   (y)
    );
  end

  logic [Lanes*Final-1:0] sums;

  kv_rotate_lanes #(
      .Lanes(Lanes),
      .Width(width(BeatW))
  ) u_lanes (
      .clk_i(clk_i),
      .en_i (en_i),
      .x_i  (gen_pair[BeatW-1].y),
      .x_o  (sums)
  );

  // Rounding; what is left of the latency after it.
  logic [17*Lanes-1:0] rounded;  // values, and which were clamped
  logic [17*Lanes-1:0] spare_q[0:Spare];

  for (genvar i = 0; i < Lanes; i++) begin : gen_round
    kv_rotate_round #(
        .Width(Final)
    ) u_round (
        .clk_i (clk_i),
        .en_i  (en_i),
        .x_i   (sums[Final*i+:Final]),
        .x_o   (rounded[16*i+:16]),
        .over_o(rounded[16*Lanes+i])
    );
  end

  always_comb spare_q[0] = rounded;
  for (genvar k = 1; k <= Spare; k++) begin : gen_spare
    always_ff @(posedge clk_i) if (en_i) spare_q[k] <= spare_q[k-1];
  end

  // Beats that leave.
  logic [2:0] flag;
  logic valid, out_end;

  kv_rotate_leave #(
      .Behind(LaneB + 4 + Spare),
      .BeatW (BeatW)
  ) u_leave (
      .clk_i      (clk_i),
      .rst_i      (rst_i),
      .en_i       (en_i),
      .top_i      (top),
      .go_i       (gen_pair[BeatW-1].go_next),
      .put_i      (valid_i && in_end),
      .put_flags_i({last_i, saturated, nonfinite}),
      .valid_o    (valid),
      .flags_o    (flag),
      .end_o      (out_end)
  );

  logic [Lanes-1:0] over;

  assign over        = spare_q[Spare][16*Lanes+:Lanes] & {Lanes{valid}};
  assign valid_o     = valid;
  assign beat_o      = spare_q[Spare][16*Lanes-1:0];
  assign last_o      = out_end && flag[2];
  assign nonfinite_o = flag[0];
  assign saturated_o = flag[1] || over != '0;

  always_comb begin
    ev_saturated_o = '0;
    for (int i = 0; i < Lanes; i++) ev_saturated_o += 5'(over[i]);
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i)
      assert (!(valid_i && last_i && !in_end))
      else $error("kv_rotate: a packet ends within a block");
`endif

endmodule
