// Width of the codes of a row of QUANTIZE; combinational.
//
// by_tier_i        rows of a COMPRESS: tier_i says it, 1 to 3 for 8, 4 and 2 bits; of raw rows, tier 0, it means nothing
// asym_i           codes use all their bits, otherwise all but one
// bits_i, width_i  the same for all rows
// bits_o, width_o  bits of a code, and the c of 2^c - 1, its largest magnitude
module kv_quant_tier (
    input  logic       by_tier_i,
    input  logic       asym_i,
    input  logic [1:0] tier_i,
    input  logic [3:0] bits_i,
    input  logic [3:0] width_i,
    output logic [3:0] bits_o,
    output logic [3:0] width_o
);

  logic [3:0] bits;

  assign bits    = {tier_i == 2'd1, tier_i == 2'd2, tier_i == 2'd3, 1'b0};
  assign bits_o  = by_tier_i ? bits : bits_i;
  assign width_o = by_tier_i ? bits - 4'(!asym_i) : width_i;

endmodule
