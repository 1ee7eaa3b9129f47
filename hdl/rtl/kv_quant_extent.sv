// Extent of a per-token group: the least and the greatest of the keys of its beats.
//
// valid_i, keys_i   a beat of Lanes order keys (see kv_quant) in this cycle
// first_i, last_i   it is the first, the last of its group
// tag_i             the lowest bit of a key does not count: of equal keys the first is the greatest; the
//                   least means nothing then
// least_o, most_o   extent of the group as values, 4 cycles after its last beat; done_o is then high
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

  // Survivors of the first three stages: halves, but quarters in the first if there are 16 lanes.
  localparam int unsigned Left1 = Lanes == 16 ? 4 : Lanes / 2;
  localparam int unsigned Left2 = Left1 == 1 ? 1 : Left1 / 2;
  localparam int unsigned Each = Lanes / Left1;

  logic [15:0] low;
  assign low = {15'd0, tag_i};

  // Stage 1. One comparison gives the less and the greater of two.
  logic [15:0] least1[0:Left1-1], most1[0:Left1-1];
  logic [15:0] least1_q[0:Left1-1], most1_q[0:Left1-1];

  for (genvar q = 0; q < Left1; q++) begin : gen_first
    logic [15:0] less[0:Each/2-1], more[0:Each/2-1];

    for (genvar p = 0; p < Each / 2; p++) begin : gen_pair
      logic [15:0] a, b;
      logic b_more;
      assign a       = keys_i[16*(Each*q+2*p)+:16];
      assign b       = keys_i[16*(Each*q+2*p+1)+:16];
      assign b_more  = (b | low) > (a | low);
      assign less[p] = b_more ? a : b;
      assign more[p] = b_more ? b : a;
    end

    if (Each == 4) begin : gen_two
      assign least1[q] = less[1] < less[0] ? less[1] : less[0];
      assign most1[q]  = (more[1] | low) > (more[0] | low) ? more[1] : more[0];
    end else begin : gen_one
      assign least1[q] = less[0];
      assign most1[q]  = more[0];
    end
  end

  // Stages 2 and 3.
  logic [15:0] least2_q[0:Left2-1], most2_q[0:Left2-1];
  logic [15:0] least3_q, most3_q, least4_q, most4_q;
  logic [15:0] least3, most3;

  for (genvar q = 0; q < Left2; q++) begin : gen_second
    logic [15:0] less, more;
    if (Left1 == 1) begin : gen_one
      assign less = least1_q[0];
      assign more = most1_q[0];
    end else begin : gen_two
      assign less = least1_q[2*q+1] < least1_q[2*q] ? least1_q[2*q+1] : least1_q[2*q];
      assign more = (most1_q[2*q+1] | low) > (most1_q[2*q] | low) ? most1_q[2*q+1] : most1_q[2*q];
    end
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        least2_q[q] <= less;
        most2_q[q]  <= more;
      end
    end
  end

  if (Left2 == 1) begin : gen_third_one
    assign least3 = least2_q[0];
    assign most3  = most2_q[0];
  end else begin : gen_third_two
    assign least3 = least2_q[1] < least2_q[0] ? least2_q[1] : least2_q[0];
    assign most3  = (most2_q[1] | low) > (most2_q[0] | low) ? most2_q[1] : most2_q[0];
  end

  // Stage 4: with what came before.
  logic valid1_q, valid2_q, valid3_q, done_q;
  logic [3:1] first_q, last_q;
  logic take_least, take_most;
  logic [15:0] least_value_q, most_value_q;

  // The value of a key; with tags the sign is the tag.
  function automatic logic [15:0] value(input logic [15:0] key);
    value = tag_i ? {key[0], key[15:1]} : {!key[15], key[14:0] ^ {15{!key[15]}}};
  endfunction

  assign take_least = first_q[3] || least3_q < least4_q;
  assign take_most  = first_q[3] || (most3_q | low) > (most4_q | low);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid1_q <= 1'b0;
      valid2_q <= 1'b0;
      valid3_q <= 1'b0;
      done_q   <= 1'b0;
    end else if (en_i) begin
      valid1_q <= valid_i;
      valid2_q <= valid1_q;
      valid3_q <= valid2_q;
      done_q   <= valid3_q && last_q[3];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      first_q  <= {first_q[2:1], first_i};
      last_q   <= {last_q[2:1], last_i};
      for (int q = 0; q < Left1; q++) begin
        least1_q[q] <= least1[q];
        most1_q[q]  <= most1[q];
      end
      least3_q <= least3;
      most3_q  <= most3;
      if (valid3_q && take_least) begin
        least4_q      <= least3_q;
        least_value_q <= value(least3_q);
      end
      if (valid3_q && take_most) begin
        most4_q      <= most3_q;
        most_value_q <= value(most3_q);
      end
    end
  end

  assign done_o  = done_q;
  assign least_o = least_value_q;
  assign most_o  = most_value_q;

endmodule
