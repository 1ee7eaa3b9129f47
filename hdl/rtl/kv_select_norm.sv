// Scores from key norms (docs/engine.md, 4): 2^40 - 1 less the sum of squares of a row in units of
// 2^-24, or 0 where that is negative.
//
// valid_i, clean_i  a beat of a row, cleaned elements (sign ignored); row_end_i: the last of its row.
// one_valid_o, one_o  seven cycles after the last beat of a row: its score.
// The sum is exact: squares are kept in units of 2^-48, and of 2^16 and more it matters only that
// they are (an element of 256 or more suffices). A beat every cycle; nothing moves in a cycle with en_i = 0.
module kv_select_norm #(
    parameter int unsigned Lanes = 8
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                clear_i,
    input  logic                valid_i,
    input  logic                row_end_i,
    input  logic [16*Lanes-1:0] clean_i,
    output logic                one_valid_o,
    output logic [        39:0] one_o
);

  localparam int unsigned Fours = Lanes < 4 ? 1 : Lanes / 4;
  localparam int unsigned Each = Lanes / Fours;

  logic [63:0] square[0:Lanes-1];
  logic [Lanes-1:0] huge;

  for (genvar i = 0; i < Lanes; i++) begin : g_lane
    logic [14:0] x1_q;
    logic [21:0] square2_q;
    logic [4:0] up2_q;
    logic huge2_q, huge3_q;
    logic [10:0] sig;
    logic [63:0] moved, square3_q;

    assign sig = {x1_q[14:10] != '0, x1_q[9:0]};

    // By twice the exponent, which is 0 for subnormals too.
    always_comb begin
      moved = {42'd0, square2_q};
      for (int k = 0; k < 5; k++) if (up2_q[k]) moved = moved << (2 << k);
    end

    always_ff @(posedge clk_i)
      if (en_i) begin
        x1_q      <= clean_i[16*i+:15];
        square2_q <= {11'd0, sig} * {11'd0, sig};
        up2_q     <= x1_q[14:10] - 5'(x1_q[14:10] != '0);
        huge2_q  <= x1_q[14:10] >= 5'd23;
        square3_q <= moved;
        huge3_q  <= huge2_q;
      end

    assign square[i] = square3_q;
    assign huge[i]  = huge3_q;
  end

  // Four at a time, all, and row by row.
  logic [65:0] fours4_q[0:Fours-1];
  logic [67:0] all5_q, so_far;
  logic [63:0] sum6_q;
  logic huge4_q, huge5_q, huge6_q;
  logic [6:1] valid_q, end_q;
  logic first_q;  // at stage 5: the first beat of a row

  assign so_far = all5_q + (first_q ? '0 : {4'd0, sum6_q});

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q     <= '0;
      first_q     <= 1'b1;
      one_valid_o <= 1'b0;
    end else if (en_i) begin
      valid_q     <= {valid_q[5:1], valid_i};
      one_valid_o <= valid_q[6] && end_q[6];
      if (clear_i) first_q <= 1'b1;
      else if (valid_q[5]) first_q <= end_q[5];
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      end_q <= {end_q[5:1], row_end_i};
      for (int f = 0; f < Fours; f++) begin
        logic [65:0] sum;
        sum = '0;
        for (int i = 0; i < Each; i++) sum = sum + {2'd0, square[Each*f+i]};
        fours4_q[f] <= sum;
      end
      huge4_q <= huge != '0;
      huge5_q <= huge4_q;
      if (valid_q[5]) begin
        sum6_q   <= so_far[63:0];
        huge6_q <= huge5_q || so_far[67:64] != '0 || (!first_q && huge6_q);
      end
      one_o <= huge6_q ? '0 : ~sum6_q[63:24];
    end

  logic [67:0] all4;
  always_comb begin
    all4 = '0;
    for (int f = 0; f < Fours; f++) all4 = all4 + {2'd0, fours4_q[f]};
  end
  always_ff @(posedge clk_i) if (en_i) all5_q <= all4;

  // The sign does not matter.
  logic unused;
  assign unused = &{1'b0, clean_i};

endmodule
