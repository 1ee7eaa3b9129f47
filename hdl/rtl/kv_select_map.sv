// Packs the result of SELECT as a map of its positions (docs/engine.md, 5.9): a bit or four a
// position.
//
// tiers_i     four bits a position: tier7_i (0 for lanes without a position); else one: keep7_i.
// n_i         how many positions.
// valid7_i    a word, the last one with last7_i; word6_i: the low bits of its number, a cycle earlier. Words come in
//             order from 0.
// push_*_o    one cycle later: a beat, if one is full or the map is; `last` with the latter. bytes: those
//             of the map; the rest of the beat is 0.
// A word every cycle. Nothing moves in a cycle with en_i = 0.
module kv_select_map #(
    parameter int unsigned Lanes = 8,
    parameter bit Tiers = 1'b1
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                tiers_i,
    input  logic [         7:0] n_i,
    input  logic                valid7_i,
    input  logic                last7_i,
    input  logic [         3:0] word6_i,
    input  logic [   Lanes-1:0] keep7_i,
    input  logic [ 4*Lanes-1:0] tier7_i,
    output logic                push_valid_o,
    output logic                push_last_o,
    output logic [         5:0] push_bytes_o,
    output logic [16*Lanes-1:0] push_data_o
);

  localparam int unsigned ByteW = $clog2(2 * Lanes);

  logic wide;
  logic [7:0] bytes;
  logic [ByteW-1:0] rest;

  assign wide  = Tiers && tiers_i;
  // Of the last beat, 0 for all; a beat is at most 32 bytes.
  assign bytes = wide ? (n_i >> 1) + 8'(n_i[0]) : (n_i >> 3) + 8'(n_i[2:0] != '0);
  assign rest  = bytes[ByteW-1:0];

  always_ff @(posedge clk_i) begin
    if (rst_i) push_valid_o <= 1'b0;
    else if (en_i) push_valid_o <= valid7_i && (fills7_q || last7_i);
  end

  // Where the word goes, decoded in the cycle before: its place, a new beat, a full one.
  logic [15:0] at7_q;
  logic new7_q, fills7_q;

  always_ff @(posedge clk_i)
    if (en_i) begin
      for (int k = 0; k < 16; k++) at7_q[k] <= wide ? word6_i[1:0] == 2'(k / 4) : word6_i == 4'(k);
      new7_q   <= wide ? word6_i[1:0] == 2'd0 : word6_i == 4'd0;
      fills7_q <= wide ? word6_i[1:0] == 2'd3 : word6_i == 4'd15;
    end

  // A sixteenth of a beat at a time; the first word of a beat empties the rest of it.
  always_ff @(posedge clk_i)
    if (en_i && valid7_i) begin
      push_last_o  <= last7_i;
      push_bytes_o <= last7_i && rest != '0 ? 6'(rest) : 6'(2 * Lanes);
      for (int k = 0; k < 16; k++)
        if (at7_q[k]) push_data_o[Lanes*k+:Lanes] <= wide ? tier7_i[Lanes*(k%4)+:Lanes] : keep7_i;
        else if (new7_q) push_data_o[Lanes*k+:Lanes] <= '0;
    end

  logic unused;
  assign unused = &{1'b0, tiers_i, bytes, tier7_i};

endmodule
