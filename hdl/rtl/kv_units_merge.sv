// The entry that a unit pushes, and the events of all of them; combinational.
//
// unit_i           the command at hand, one-hot, bit opcode - 1
// push_valid_i, push_entry_i  a bit and an entry each for ECHO, QUANTIZE, DEQUANTIZE, SELECT, SOURCE and SINK; one at a time pushes
// push_o, entry_o  that entry. A COMPRESS pushes from two units: SELECT and QUANTIZE
// tile_*_i, pick_*_i  events of QUANTIZE and DEQUANTIZE, of SELECT; tile_clamped_i: of the rotation, besides
// ev_*_o           what is counted in this cycle
// clk_i, rst_i, en_i, start_i, beat_valid_i, ready_i, ready_next_i: for assertions only, of what kv_units promises
module kv_units_merge #(
    parameter int unsigned Lanes = 8,
    parameter logic [11:0] Features = 12'hFFF,
    localparam int unsigned EntryW = 16 * Lanes + 10
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic [         6:0] unit_i,
    input  logic [         6:0] start_i,
    input  logic [         6:0] beat_valid_i,
    input  logic [         6:0] ready_i,
    input  logic [         6:0] ready_next_i,
    input  logic [         4:0] push_valid_i,
    input  logic [5*EntryW-1:0] push_entry_i,
    output logic                push_o,
    output logic [  EntryW-1:0] entry_o,
    input  logic [         4:0] tile_saturated_i,
    input  logic [         4:0] tile_clamped_i,
    input  logic [         9:0] tile_nonfinite_i,
    input  logic [         4:0] pick_saturated_i,
    input  logic [         9:0] pick_nonfinite_i,
    output logic [         5:0] ev_saturated_o,
    output logic [         9:0] ev_nonfinite_o
);

  logic compress;

  assign compress = Features[kv_pkg::FEAT_COMPRESS] && unit_i[4];
  assign push_o   = push_valid_i != '0;

  always_comb begin
    if (unit_i[6] || unit_i[5]) entry_o = push_entry_i[EntryW*4+:EntryW];
    else if (unit_i[3] || (compress && push_valid_i[3])) entry_o = push_entry_i[EntryW*3+:EntryW];
    else if (unit_i[2]) entry_o = push_entry_i[EntryW*2+:EntryW];
    else if (unit_i[1] || compress) entry_o = push_entry_i[EntryW*1+:EntryW];
    else entry_o = push_entry_i[EntryW*0+:EntryW];
  end

  // Items of DEQUANTIZE go on while others come out of the rotation.
  assign ev_saturated_o = {1'b0, tile_saturated_i | pick_saturated_i} + {1'b0, tile_clamped_i};
  assign ev_nonfinite_o = tile_nonfinite_i | pick_nonfinite_i;

  wire unused = &{1'b0, clk_i, rst_i, en_i, unit_i, start_i, beat_valid_i, ready_i, ready_next_i};

`ifndef SYNTHESIS
  logic [4:0] turn;
  assign turn = {unit_i[6] | unit_i[5], unit_i[4] | unit_i[3], unit_i[2], unit_i[4] | unit_i[1], unit_i[0]};

  // ready_next_i of the cycle before says which of the units at work are ready. The first cycle of
  // a payload is the one of start_i.
  logic [6:0] said_q;
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      said_q <= ready_next_i;
      assert (unit_i == '0 || start_i == '0 || (unit_i & ready_i) == (unit_i & said_q))
      else $error("kv_units: not as ready at the start as was said");
      assert ((beat_valid_i & ~ready_i) == '0)
      else $error("kv_units: a beat for a unit that is not ready");
      assert ($countones(push_valid_i) <= 1)
      else $error("kv_units: two entries pushed at once");
      assert ((push_valid_i & ~turn) == '0)
      else $error("kv_units: a unit pushes out of its turn");
    end
`endif

endmodule
