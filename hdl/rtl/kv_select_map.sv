// Packs the result of SELECT as a map of its positions (docs/engine.md, 5.9): a bit or four a
// position.
//
// tiers_i     four bits a position: tier7_i (0 for lanes without a position); else one: keep7_i.
// n_i         how many positions.
// valid7_i    a word: word7_i the low bits of its number, last7_i the last one. Words come in order from 0.
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
    input  logic [         3:0] word7_i,
    input  logic [   Lanes-1:0] keep7_i,
    input  logic [ 4*Lanes-1:0] tier7_i,
    output logic                push_valid_o,
    output logic                push_last_o,
    output logic [         5:0] push_bytes_o,
    output logic [16*Lanes-1:0] push_data_o
);

  localparam int unsigned ByteW = $clog2(2 * Lanes);

  logic wide, fills;
  logic [7:0] bytes;
  logic [ByteW-1:0] rest;

  assign wide  = Tiers && tiers_i;
  assign fills = wide ? word7_i[1:0] == 2'd3 : word7_i == 4'd15;
  // Of the last beat, 0 for all; a beat is at most 32 bytes.
  assign bytes = wide ? (n_i >> 1) + 8'(n_i[0]) : (n_i >> 3) + 8'(n_i[2:0] != '0);
  assign rest  = bytes[ByteW-1:0];

  always_ff @(posedge clk_i) begin
    if (rst_i) push_valid_o <= 1'b0;
    else if (en_i) push_valid_o <= valid7_i && (fills || last7_i);
  end

  // A sixteenth of a beat at a time; the first word of a beat empties the rest of it.
  always_ff @(posedge clk_i)
    if (en_i && valid7_i) begin
      push_last_o  <= last7_i;
      push_bytes_o <= last7_i && rest != '0 ? 6'(rest) : 6'(2 * Lanes);
      for (int k = 0; k < 16; k++)
        if (wide) begin
          if (word7_i[1:0] == 2'(k / 4)) push_data_o[Lanes*k+:Lanes] <= tier7_i[Lanes*(k%4)+:Lanes];
          else if (word7_i[1:0] == 2'd0) push_data_o[Lanes*k+:Lanes] <= '0;
        end else begin
          if (word7_i == 4'(k)) push_data_o[Lanes*k+:Lanes] <= keep7_i;
          else if (word7_i == 4'd0) push_data_o[Lanes*k+:Lanes] <= '0;
        end
    end

  logic unused;
  assign unused = &{1'b0, tiers_i, bytes, tier7_i};

endmodule
