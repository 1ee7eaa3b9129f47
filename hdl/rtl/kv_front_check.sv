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
    parameter logic [11:0] Features = 12'hFFF  // built in, bits kv_pkg::FEAT_*
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

  logic [31:0] w1, rows, w3, w4, w5, w6, w7;
  logic [19:0] dims, topk;
  logic [11:0] row_dims, step_rows;
  logic [15:0] sinks, recent, rank0, rank1, rank2, lambda;
  logic [7:0] opcode;
  logic is_echo, is_quant, is_select, is_compress, is_score, is_source, is_link, known, has_unit;
  logic [1:0] scheme;
  logic axis, bf16;
  logic [2:0] group, value_group, pool_half;
  logic [3:0] bits;
  logic pool_max, scores_in, scores_out, key_norm;
  logic [1:0] result, prot_tier, rotate;

  assign opcode      = header_i[kv_pkg::REQ_OPCODE_LSB+:8];
  assign w1          = header_i[32+:32];
  assign rows        = header_i[kv_pkg::REQ_ROWS_LSB+:32];
  assign w3          = header_i[96+:32];
  assign w4          = header_i[128+:32];
  assign w5          = header_i[160+:32];
  assign w6          = header_i[192+:32];
  assign w7          = header_i[224+:32];
  assign dims        = header_i[kv_pkg::REQ_DIMS_LSB+:20];
  assign row_dims    = header_i[kv_pkg::REQ_ROW_DIMS_LSB+:12];
  assign sinks       = header_i[kv_pkg::REQ_SINKS_LSB+:16];
  assign recent      = header_i[kv_pkg::REQ_RECENT_LSB+:16];
  assign rank0       = header_i[kv_pkg::REQ_RANK0_LSB+:16];
  assign rank1       = header_i[kv_pkg::REQ_RANK1_LSB+:16];
  assign rank2       = header_i[kv_pkg::REQ_RANK2_LSB+:16];
  assign topk        = header_i[kv_pkg::REQ_TOP_K_LSB+:20];
  assign step_rows   = header_i[kv_pkg::REQ_STEP_ROWS_LSB+:12];
  assign lambda      = header_i[kv_pkg::REQ_LAMBDA_LSB+:16];
  assign scheme      = header_i[kv_pkg::REQ_SCHEME_LSB+:2];
  assign axis        = header_i[kv_pkg::REQ_AXIS_LSB];
  assign group       = header_i[kv_pkg::REQ_GROUP_LSB+:3];
  assign bits        = header_i[kv_pkg::REQ_BITS_LSB+:4];
  assign value_group = header_i[kv_pkg::REQ_VALUE_GROUP_LSB+:3];
  assign pool_half   = header_i[kv_pkg::REQ_POOL_HALF_LSB+:3];
  assign pool_max    = header_i[kv_pkg::REQ_POOL_MAX_LSB];
  assign scores_in   = header_i[kv_pkg::REQ_SCORES_IN_LSB];
  assign scores_out  = header_i[kv_pkg::REQ_SCORES_OUT_LSB];
  assign result      = header_i[kv_pkg::REQ_RESULT_LSB+:2];
  assign prot_tier   = header_i[kv_pkg::REQ_PROT_TIER_LSB+:2];
  assign key_norm    = header_i[kv_pkg::REQ_KEY_NORM_LSB];
  assign rotate      = header_i[kv_pkg::REQ_ROTATE_LSB+:2];
  assign bf16        = header_i[kv_pkg::REQ_FORMAT_LSB] == 1'(kv_pkg::FORMAT_BF16);

  // Of a command that is not built nothing else is looked at: ST_UNSUPPORTED comes first.
  assign is_echo     = Features[kv_pkg::FEAT_ECHO] && opcode == 8'(kv_pkg::OP_ECHO);
  assign is_quant    = (Features[kv_pkg::FEAT_QUANTIZE] && opcode == 8'(kv_pkg::OP_QUANTIZE)) ||
                       (Features[kv_pkg::FEAT_DEQUANTIZE] && opcode == 8'(kv_pkg::OP_DEQUANTIZE));
  assign is_select   = Features[kv_pkg::FEAT_SELECT] && opcode == 8'(kv_pkg::OP_SELECT);
  assign is_compress = Features[kv_pkg::FEAT_COMPRESS] && opcode == 8'(kv_pkg::OP_COMPRESS);
  assign is_score    = is_select || is_compress;
  assign is_source   = Features[kv_pkg::FEAT_LINK] && opcode == 8'(kv_pkg::OP_SOURCE);
  assign is_link     = is_source || (Features[kv_pkg::FEAT_LINK] && opcode == 8'(kv_pkg::OP_SINK));
  assign known       = opcode != '0 && opcode <= 8'(kv_pkg::OP_SINK);

  // Options that are left out: their fields have to be 0.
  logic absent, absent_turn, absent_bf16;
  assign absent_turn = !Features[kv_pkg::FEAT_ROTATE] && rotate != 2'(kv_pkg::ROTATE_NONE);
  assign absent_bf16 = !Features[kv_pkg::FEAT_BF16] && bf16;
  assign absent = (!Features[kv_pkg::FEAT_POOL] && (pool_half != '0 || pool_max)) ||
                  (!Features[kv_pkg::FEAT_DECAY] && (lambda != '0 || step_rows != '0)) ||
                  (!Features[kv_pkg::FEAT_KEY_NORM] && key_norm) ||
                  (!Features[kv_pkg::FEAT_TIERS] &&
                   ((is_select && result == 2'(kv_pkg::RESULT_TIERS)) || prot_tier != '0 ||
                    rank0 != '0 || rank1 != '0 || rank2 != '0));
  assign has_unit = is_echo || (is_quant && !absent_turn && !absent_bf16) || (is_select && !absent) ||
                    (is_compress && !absent && !absent_bf16) || is_link;

  // Options: bits outside the fields the command reads, codes without a meaning.
  logic stray_echo, stray_quant, stray_select, stray_compress, stray_link;
  assign stray_echo = (w1 | w3 | w4 | w5 | w6 | w7) != '0;
  assign stray_quant = (w1 & 32'hE7FF_E080) != '0 || w3[31:20] != '0 || (w4 | w5 | w6 | w7) != '0;
  assign stray_select = (w1 & 32'hF800_FFFF) != '0;
  assign stray_compress = (w1 & 32'hF8C0_1080) != '0;
  assign stray_link = (w1 | w3 | w4 | w5 | w6) != '0 || w7[31];

  logic bad_bits, bad_quant, bad_score, bad_select, bad_compress;
  logic block, block_code;

  always_comb begin
    case (bits)
      4'd2, 4'd3, 4'd4, 4'd5, 4'd6, 4'd8: bad_bits = 1'b0;
      default: bad_bits = 1'b1;
    endcase
  end

  assign block = header_i[kv_pkg::REQ_LAYOUT_LSB] == 1'(kv_pkg::LAYOUT_BLOCK);
  assign block_code = axis == 1'(kv_pkg::AXIS_TOKEN) && group == 3'(kv_pkg::GROUP_32) &&
                      bits == (scheme == 2'(kv_pkg::SCHEME_SYM) ? 4'd8 : 4'd4);

  assign bad_quant = bad_bits || scheme > 2'(kv_pkg::SCHEME_OFFSET) || group > 3'(kv_pkg::GROUP_ROW) ||
                     (axis == 1'(kv_pkg::AXIS_CHANNEL) && group == 3'(kv_pkg::GROUP_ROW)) ||
                     (block ? !block_code : scheme == 2'(kv_pkg::SCHEME_OFFSET)) ||
                     (bf16 && (block || rotate != 2'(kv_pkg::ROTATE_NONE)));
  assign bad_score = (pool_max && pool_half == '0) || (scores_out && pool_half != '0) ||
                     (lambda != '0 && step_rows == '0) ||
                     (key_norm && (scores_in || step_rows != '0));
  assign bad_select = result > 2'(kv_pkg::RESULT_TIERS) ||
                      (result != 2'(kv_pkg::RESULT_TIERS) &&
                       (prot_tier != '0 || rank0 != '0 || rank1 != '0 || rank2 != '0)) ||
                      (row_dims != '0 && !key_norm);
  assign bad_compress = scheme > 2'(kv_pkg::SCHEME_SYM) || group > 3'(kv_pkg::GROUP_ROW) ||
                        value_group > 3'(kv_pkg::GROUP_ROW) ||
                        (axis == 1'(kv_pkg::AXIS_CHANNEL) ? group == 3'(kv_pkg::GROUP_ROW) || bad_bits :
                         bits != '0) || (key_norm && bf16);

  // Geometry. Bits that must be 0 in a multiple of a group: every row is a multiple of one of
  // a row.
  function automatic logic [6:0] below(input logic [2:0] code);
    case (code)
      3'(kv_pkg::GROUP_16): below = 7'd15;
      3'(kv_pkg::GROUP_32): below = 7'd31;
      3'(kv_pkg::GROUP_64): below = 7'd63;
      3'(kv_pkg::GROUP_128): below = 7'd127;
      default: below = 7'd0;
    endcase
  endfunction

  // Beyond a power of two, limits of the engine being such; carry chains are for the rest.
  function automatic logic beyond(input logic [31:0] value, input int unsigned log);
    beyond = (value >> (log + 1)) != '0 ||
             (value[log[4:0]] && (value & ((32'd1 << log) - 32'd1)) != '0);
  endfunction

  // With dims in range, a number of positions beyond dims shows in the low bits.
  localparam int unsigned TokenB = $clog2(MaxTokens);
  function automatic logic above(input logic [19:0] value, input logic [TokenB:0] limit);
    above = (value >> (TokenB + 1)) != '0 || value[TokenB:0] > limit;
  endfunction

  logic range_echo, range_link, range_quant, range_score, range_ranks, range_rows, range_compress;

  assign range_echo = beyond(rows, $clog2(kv_pkg::MAX_ECHO_BYTES));
  assign range_link = beyond(rows, $clog2(kv_pkg::MAX_LINK_BYTES));
  assign range_quant = rows == '0 || beyond(rows, $clog2(TileTokens)) || dims == '0 ||
                       beyond(32'(dims), $clog2(MaxDim)) || dims[3:0] != '0 ||
                       ((axis == 1'(kv_pkg::AXIS_CHANNEL) ? rows[6:0] : dims[6:0]) & below(group)) != '0 ||
                       (rotate != 2'(kv_pkg::ROTATE_NONE) && (dims[6:0] & below({1'b0, rotate})) != '0);
  assign range_score = (rows >> $clog2(kv_pkg::MAX_ATTN_ROWS + 1)) != '0 || dims == '0 ||
                       beyond(32'(dims), TokenB) || above(20'(sinks), dims[TokenB:0]) ||
                       above(20'(recent), dims[TokenB:0]) || above(topk, dims[TokenB:0]) ||
                       (rows == '0 ? (!scores_in && !key_norm) || step_rows != '0 : key_norm);
  assign range_ranks = rank0 > rank1 || rank1 > rank2 || 20'(rank2) > topk;
  assign range_rows = row_dims == '0 || row_dims[3:0] != '0 || beyond(32'(row_dims), $clog2(MaxDim));
  assign range_compress = (row_dims[6:0] & below(value_group)) != '0 ||
                          (axis == 1'(kv_pkg::AXIS_TOKEN) ? (row_dims[6:0] & below(group)) != '0 :
                           (32'd16 << group[1:0]) > TileTokens);

  // No payload in; nothing asked for at all.
  logic bare, empty;
  assign empty = (is_echo || is_link) && rows == '0;
  assign bare  = empty || is_source;

  // One flag a check, in the order in which they count.
  logic short_q, magic_q, opcode_q, unit_q, option_q, range_q, positions_q, early_q, late_q, empty_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      short_q <= short_i;
      magic_q <= header_i[kv_pkg::REQ_MAGIC_LSB+:8] != 8'(kv_pkg::MAGIC_REQUEST);
      opcode_q <= !known;
      unit_q <= !has_unit;
      option_q <= (is_echo && stray_echo) || (is_quant && (stray_quant || bad_quant)) ||
                  (is_score && bad_score) || (is_select && (stray_select || bad_select)) ||
                  (is_compress && (stray_compress || bad_compress)) ||
                  (is_link && (stray_link || w7[30:0] == '0));
      range_q <= (is_echo && range_echo) || (is_quant && range_quant) || (is_link && range_link) ||
                 (is_score && (range_ranks && (is_compress || result == 2'(kv_pkg::RESULT_TIERS)) ||
                               range_rows && (is_compress || key_norm))) ||
                 (is_compress && range_compress);
      positions_q <= is_score && range_score;
      early_q <= tlast_i && !bare;
      late_q <= !tlast_i && bare;
      empty_q <= empty;
    end
  end

  assign refused_o = short_q | magic_q | opcode_q | unit_q | option_q | range_q | positions_q | early_q | late_q;
  assign empty_o   = empty_q & ~refused_o;

  always_comb begin
    if (short_q) status_o = 3'(kv_pkg::ST_TRUNCATED);
    else if (magic_q) status_o = 3'(kv_pkg::ST_BAD_MAGIC);
    else if (opcode_q) status_o = 3'(kv_pkg::ST_BAD_OPCODE);
    else if (unit_q) status_o = 3'(kv_pkg::ST_UNSUPPORTED);
    else if (option_q) status_o = 3'(kv_pkg::ST_BAD_OPTION);
    else if (range_q || positions_q) status_o = 3'(kv_pkg::ST_BAD_GEOMETRY);
    else if (early_q) status_o = 3'(kv_pkg::ST_TRUNCATED);
    else if (late_q) status_o = 3'(kv_pkg::ST_OVERLONG);
    else status_o = 3'(kv_pkg::ST_OK);
  end

  // The tag is not checked.
  logic unused;
  assign unused = &{1'b0, header_i[31:16]};

endmodule
