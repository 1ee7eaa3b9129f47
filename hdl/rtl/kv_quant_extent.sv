// Extent of a per-token group: the least and the greatest of the keys of its beats.
//
// valid_i, keys_i   a beat of Lanes order keys (see kv_quant) in this cycle
// first_i, last_i   it is the first, the last of its group
// tag_i             the lowest bit of a key does not count: of equal keys the first is taken
// least_o, most_o   extent of the group, 3 cycles after its last beat; done_o is then high
// A beat every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_extent #(
    parameter int unsigned Lanes = 8
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                valid_i,
    input  logic                first_i,
    input  logic                last_i,
    input  logic                tag_i,
    input  logic [16*Lanes-1:0] keys_i,
    output logic                done_o,
    output logic [        15:0] least_o,
    output logic [        15:0] most_o
);

  // Quarters of up to four lanes in the first stage, the rest in the second.
  localparam int unsigned Quarters = Lanes < 4 ? 1 : Lanes / 4;
  localparam int unsigned Each = Lanes / Quarters;

  logic [15:0] least1[0:Quarters-1], most1[0:Quarters-1];
  logic [15:0] least1_q[0:Quarters-1], most1_q[0:Quarters-1];
  logic [15:0] least2, most2, least2_q, most2_q;
  logic [15:0] least3_q, most3_q;
  logic valid1_q, first1_q, last1_q, valid2_q, first2_q, last2_q, done_q;

  logic [15:0] low;
  assign low = {15'd0, tag_i};

  always_comb begin
    for (int q = 0; q < Quarters; q++) begin
      least1[q] = keys_i[16*Each*q+:16];
      most1[q]  = keys_i[16*Each*q+:16];
      for (int i = 1; i < Each; i++) begin
        if (keys_i[16*(Each*q+i)+:16] < least1[q]) least1[q] = keys_i[16*(Each*q+i)+:16];
        if ((keys_i[16*(Each*q+i)+:16] | low) > (most1[q] | low)) most1[q] = keys_i[16*(Each*q+i)+:16];
      end
    end
    least2 = least1_q[0];
    most2  = most1_q[0];
    for (int q = 1; q < Quarters; q++) begin
      if (least1_q[q] < least2) least2 = least1_q[q];
      if ((most1_q[q] | low) > (most2 | low)) most2 = most1_q[q];
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid1_q <= 1'b0;
      valid2_q <= 1'b0;
      done_q   <= 1'b0;
    end else if (en_i) begin
      valid1_q <= valid_i;
      valid2_q <= valid1_q;
      done_q   <= valid2_q && last2_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      first1_q <= first_i;
      first2_q <= first1_q;
      last1_q  <= last_i;
      last2_q  <= last1_q;
      for (int q = 0; q < Quarters; q++) begin
        least1_q[q] <= least1[q];
        most1_q[q]  <= most1[q];
      end
      least2_q <= least2;
      most2_q  <= most2;
      if (valid2_q) begin
        least3_q <= first2_q || least2_q < least3_q ? least2_q : least3_q;
        most3_q  <= first2_q || (most2_q | low) > (most3_q | low) ? most2_q : most3_q;
      end
    end
  end

  assign done_o  = done_q;
  assign least_o = least3_q;
  assign most_o  = most3_q;

endmodule
