// Checks a request header (docs/engine.md, section 3, "Checks").
//
// header_i is the header as received, missing words 0. short_i: TLAST came before
// its last beat; tlast_i: TLAST came on its last beat. The checks are gathered into
// registers in every enabled cycle; one cycle later status_o, refused_o and empty_o
// (legal, and without a payload) follow from them through one level of choice.
// So with header_i stable in t, the outputs hold in t + 1.
module kv_front_check #(
    parameter int unsigned MaxDim = 256,  // largest dims
    parameter int unsigned TileTokens = 128,  // most rows in a tile
    parameter int unsigned MaxTokens = 4096,  // most positions in a SELECT
    parameter logic [3:0] Features = 4'hF  // commands built in, bits kv_pkg::FEAT_*
) (
    input  logic         clk_i,
    input  logic         en_i,
    input  logic [255:0] header_i,
    input  logic         short_i,
    input  logic         tlast_i,
    output logic [  2:0] status_o,
    output logic         refused_o,
    output logic         empty_o
);

  logic [31:0] w1, rows, dims, sinks, recent, topk, w7;
  logic [7:0] opcode;
  logic is_echo, is_quant, is_select, has_unit;
  logic [1:0] scheme;
  logic axis;
  logic [2:0] group;
  logic [3:0] bits;
  logic [6:0] below;  // group size less 1: bits that must be 0 in a multiple
  logic block, block_code;
  logic stray_echo, stray_quant, stray_select, bad_code;
  logic range_echo, range_quant, range_select;
  logic empty;
  // one flag a check, in the order in which they count
  logic short_q, magic_q, opcode_q, unit_q, option_q, range_q, early_q, late_q, empty_q;

  assign opcode = header_i[kv_pkg::REQ_OPCODE_LSB+:8];
  assign w1 = header_i[32+:32];
  assign rows = header_i[kv_pkg::REQ_ROWS_LSB+:32];
  assign dims = header_i[kv_pkg::REQ_DIMS_LSB+:32];
  assign sinks = header_i[kv_pkg::REQ_SINKS_LSB+:32];
  assign recent = header_i[kv_pkg::REQ_RECENT_LSB+:32];
  assign topk = header_i[kv_pkg::REQ_TOP_K_LSB+:32];
  assign w7 = header_i[224+:32];
  assign scheme = header_i[kv_pkg::REQ_SCHEME_LSB+:2];
  assign axis = header_i[kv_pkg::REQ_AXIS_LSB];
  assign group = header_i[kv_pkg::REQ_GROUP_LSB+:3];
  assign bits = header_i[kv_pkg::REQ_BITS_LSB+:4];

  assign block = header_i[kv_pkg::REQ_LAYOUT_LSB] == 1'(kv_pkg::LAYOUT_BLOCK);
  assign block_code = axis == 1'(kv_pkg::AXIS_TOKEN) && group == 3'(kv_pkg::GROUP_32) &&
                      bits == (scheme == 2'(kv_pkg::SCHEME_SYM) ? 4'd8 : 4'd4);

  assign is_echo = opcode == 8'(kv_pkg::OP_ECHO);
  assign is_quant = opcode == 8'(kv_pkg::OP_QUANTIZE) || opcode == 8'(kv_pkg::OP_DEQUANTIZE);
  assign is_select = opcode == 8'(kv_pkg::OP_SELECT);
  assign has_unit = (is_echo && Features[kv_pkg::FEAT_ECHO]) ||
                    (opcode == 8'(kv_pkg::OP_QUANTIZE) && Features[kv_pkg::FEAT_QUANTIZE]) ||
                    (opcode == 8'(kv_pkg::OP_DEQUANTIZE) && Features[kv_pkg::FEAT_DEQUANTIZE]) ||
                    (is_select && Features[kv_pkg::FEAT_SELECT]);

  // Options: bits outside the fields the command reads, codes without a meaning.
  assign stray_echo = (w1 | dims | sinks | recent | topk | w7) != '0;
  assign stray_quant = (w1[3] | w1[7] | (w1[31:13] != '0)) || (sinks | recent | topk | w7) != '0;
  assign stray_select = (w1 | w7) != '0;

  always_comb begin
    case (bits)
      4'd2, 4'd3, 4'd4, 4'd5, 4'd6, 4'd8: bad_code = 1'b0;
      default: bad_code = 1'b1;
    endcase
    if (scheme > 2'(kv_pkg::SCHEME_OFFSET) || group > 3'(kv_pkg::GROUP_ROW)) bad_code = 1'b1;
    if (axis == 1'(kv_pkg::AXIS_CHANNEL) && group == 3'(kv_pkg::GROUP_ROW)) bad_code = 1'b1;
    if (block ? !block_code : scheme == 2'(kv_pkg::SCHEME_OFFSET)) bad_code = 1'b1;
  end

  // Geometry. Every row is a multiple of a group of one row.
  always_comb begin
    case (group)
      3'(kv_pkg::GROUP_16): below = 7'd15;
      3'(kv_pkg::GROUP_32): below = 7'd31;
      3'(kv_pkg::GROUP_64): below = 7'd63;
      3'(kv_pkg::GROUP_128): below = 7'd127;
      default: below = 7'd0;
    endcase
  end

  // Beyond a power of two, limits of the engine being such; carry chains are for the rest.
  function automatic logic beyond(input logic [31:0] value, input int unsigned log);
    beyond = (value >> (log + 1)) != '0 ||
             (value[log[4:0]] && (value & ((32'd1 << log) - 32'd1)) != '0);
  endfunction

  // With dims in range, a number of positions beyond dims shows in the low bits.
  localparam int unsigned TokenB = $clog2(MaxTokens);
  function automatic logic above(input logic [31:0] value, input logic [TokenB:0] limit);
    above = (value >> (TokenB + 1)) != '0 || value[TokenB:0] > limit;
  endfunction

  assign range_echo = beyond(rows, $clog2(kv_pkg::MAX_ECHO_BYTES));
  assign range_quant = rows == '0 || beyond(rows, $clog2(TileTokens)) || dims == '0 ||
                       beyond(dims, $clog2(MaxDim)) || dims[3:0] != '0 ||
                       ((axis == 1'(kv_pkg::AXIS_CHANNEL) ? rows[6:0] : dims[6:0]) & below) != '0;
  assign range_select = rows == '0 || (rows >> $clog2(kv_pkg::MAX_ATTN_ROWS + 1)) != '0 || dims == '0 ||
                        beyond(dims, TokenB) || above(sinks, dims[TokenB:0]) ||
                        above(recent, dims[TokenB:0]) || above(topk, dims[TokenB:0]);

  assign empty = is_echo && rows == '0;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      short_q <= short_i;
      magic_q <= header_i[kv_pkg::REQ_MAGIC_LSB+:8] != 8'(kv_pkg::MAGIC_REQUEST);
      opcode_q <= !(is_echo || is_quant || is_select);
      unit_q <= !has_unit;
      option_q <= (is_echo && stray_echo) || (is_quant && (stray_quant || bad_code)) ||
                  (is_select && stray_select);
      range_q <= (is_echo && range_echo) || (is_quant && range_quant) ||
                 (is_select && range_select);
      early_q <= tlast_i && !empty;
      late_q <= !tlast_i && empty;
      empty_q <= empty;
    end
  end

  assign refused_o = short_q | magic_q | opcode_q | unit_q | option_q | range_q | early_q | late_q;
  assign empty_o   = empty_q & ~refused_o;

  always_comb begin
    if (short_q) status_o = 3'(kv_pkg::ST_TRUNCATED);
    else if (magic_q) status_o = 3'(kv_pkg::ST_BAD_MAGIC);
    else if (opcode_q) status_o = 3'(kv_pkg::ST_BAD_OPCODE);
    else if (unit_q) status_o = 3'(kv_pkg::ST_UNSUPPORTED);
    else if (option_q) status_o = 3'(kv_pkg::ST_BAD_OPTION);
    else if (range_q) status_o = 3'(kv_pkg::ST_BAD_GEOMETRY);
    else if (early_q) status_o = 3'(kv_pkg::ST_TRUNCATED);
    else if (late_q) status_o = 3'(kv_pkg::ST_OVERLONG);
    else status_o = 3'(kv_pkg::ST_OK);
  end

  // The tag is not checked.
  logic unused;
  assign unused = &{1'b0, header_i[31:16]};

endmodule
