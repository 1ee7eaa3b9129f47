// Packs the kept positions of SELECT into beats (docs/engine.md, 5.9, list packer).
//
// clear_i     a new list begins; before its first word.
// valid5_i    a word: keep5_i its kept lanes, word5_i its number, last5_i the last one. Its
//             positions are appended three cycles later; in that cycle
// push_*_o    a beat of Lanes positions is given if so many are held, `last` if the list ends
//             with it, or the rest (perhaps nothing) after the last word. If a full beat
//             leaves some after the last word, they follow in the next cycle.
// bytes_o     2 per position; what is not used of a beat is 0.
// A word every cycle. Nothing moves in a cycle with en_i = 0.
module kv_select_pack #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned WordW = 9
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                clear_i,
    input  logic                valid5_i,
    input  logic                last5_i,
    input  logic [   WordW-1:0] word5_i,
    input  logic [   Lanes-1:0] keep5_i,
    output logic                push_valid_o,
    output logic                push_last_o,
    output logic [         5:0] push_bytes_o,
    output logic [16*Lanes-1:0] push_data_o
);

  localparam int unsigned LaneB = $clog2(Lanes);

  // Stage 5: how many kept lanes stand before each.
  logic [LaneB*Lanes-1:0] ahead, ahead6_q;
  logic [LaneB:0] many, many6_q, many7_q, sum8_q;

  kv_select_rank #(
      .Lanes(Lanes)
  ) u_rank (
      .set_i  (keep5_i),
      .rank_o (ahead),
      .total_o(many)
  );

  // Stage 6: the slot of each kept lane in the beat under way, or, past its end, the next.
  // held_q: positions in the beat under way before this word.
  logic [LaneB-1:0] held_q, held7_q, held8_q;  // and sum8_q with it
  logic [LaneB*Lanes-1:0] slot7_q;
  logic [Lanes-1:0] keep6_q, keep7_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      ahead6_q <= ahead;
      many6_q   <= valid5_i ? many : '0;
      keep6_q   <= keep5_i;
      for (int i = 0; i < Lanes; i++)
        slot7_q[LaneB*i+:LaneB] <= ahead6_q[LaneB*i+:LaneB] + held_q;
      many7_q <= many6_q;
      keep7_q <= keep6_q;
      held7_q <= held_q;
      held_q  <= clear_i ? '0 : held_q + many6_q[LaneB-1:0];
    end

  // Stage 7: which lane each slot takes.
  logic [Lanes-1:0] hit, hit8_q;
  logic [LaneB*Lanes-1:0] lane, lane8_q;

  always_comb begin
    hit  = '0;
    lane = '0;
    for (int s = 0; s < Lanes; s++)
      for (int i = 0; i < Lanes; i++)
        if (keep7_q[i] && slot7_q[LaneB*i+:LaneB] == LaneB'(s)) begin
          hit[s] = 1'b1;
          lane[LaneB*s+:LaneB] = lane[LaneB*s+:LaneB] | LaneB'(i);
        end
  end

  logic valid6_q, valid7_q, valid8_q, last6_q, last7_q, last8_q;
  logic [WordW-1:0] word6_q, word7_q, word8_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid6_q <= 1'b0;
      valid7_q <= 1'b0;
      valid8_q <= 1'b0;
    end else if (en_i) begin
      valid6_q <= valid5_i;
      valid7_q <= valid6_q;
      valid8_q <= valid7_q;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      hit8_q  <= hit;
      lane8_q <= lane;
      sum8_q  <= (LaneB + 1)'(held7_q) + many7_q;
      held8_q <= held7_q;
      last6_q <= last5_i;
      last7_q <= last6_q;
      last8_q <= last7_q;
      word6_q <= word5_i;
      word7_q <= word6_q;
      word8_q <= word7_q;
    end

  // Stage 8: append and push.
  logic [16*Lanes-1:0] hold_q;  // positions of the beat under way
  logic [LaneB:0] rest_q;
  logic full, over, rest_valid_q;

  assign full = sum8_q[LaneB];
  assign over = full && sum8_q[LaneB-1:0] != '0;

  assign push_valid_o = rest_valid_q || (valid8_q && (full || last8_q));
  assign push_last_o  = rest_valid_q || (last8_q && !over);
  assign push_bytes_o = rest_valid_q ? 6'({rest_q, 1'b0}) :
                        full ? 6'(2 * Lanes) : 6'({sum8_q, 1'b0});

  always_comb begin
    push_data_o = '0;
    for (int s = 0; s < Lanes; s++)
      if (rest_valid_q ? (LaneB + 1)'(s) < rest_q : LaneB'(s) < held8_q)
        push_data_o[16*s+:16] = hold_q[16*s+:16];
      else if (!rest_valid_q && hit8_q[s])
        push_data_o[16*s+:16] = 16'({word8_q, lane8_q[LaneB*s+:LaneB]});
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) rest_valid_q <= 1'b0;
    else if (en_i) rest_valid_q <= valid8_q && last8_q && over;
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      rest_q <= {1'b0, sum8_q[LaneB-1:0]};
      for (int s = 0; s < Lanes; s++)
        if (valid8_q && hit8_q[s])
          hold_q[16*s+:16] <= 16'({word8_q, lane8_q[LaneB*s+:LaneB]});
    end

endmodule
