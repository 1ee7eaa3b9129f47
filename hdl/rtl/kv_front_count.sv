// Counts the payload beats of a request (docs/engine.md, section 3, the payload columns).
//
// load_i takes over the length of the command in header_i, which must have been stable
// since the cycle before (words 1 to 3 since two cycles before if the header has several
// beats): rows x beats of a row for QUANTIZE and SELECT, one run of beats for ECHO and
// DEQUANTIZE. beat_i counts one beat taken or filled in; last_o says, from registers,
// that the next one is the last expected.
// A length of a header that fails the checks is never used.
module kv_front_count #(
    parameter int unsigned Lanes = 8  // fp16 elements per beat: 2, 4, 8 or 16
) (
    input  logic         clk_i,
    input  logic         en_i,
    input  logic [255:0] header_i,
    input  logic         load_i,
    input  logic         beat_i,
    output logic         last_o
);

  localparam int unsigned LaneB = $clog2(Lanes);

  // DEQUANTIZE: rows x dims (b / 16 + stats / g) units of 16 bits, stats being 2 or 1
  // values a group; the bracket is kept in eighths, so that it is whole for every g.
  logic [ 5:0] dims16;
  logic [ 3:0] bits;
  logic [ 1:0] stats;
  logic [ 4:0] stats8;
  logic [ 9:0] codes;
  logic [10:0] stat_units;
  logic [13:0] row8_q;
  logic [22:0] product, product_now;
  logic [19:0] units;

  assign dims16 = header_i[kv_pkg::REQ_DIMS_LSB+4+:6];
  assign bits = header_i[kv_pkg::REQ_BITS_LSB+:4];
  assign stats = header_i[kv_pkg::REQ_SCHEME_LSB+:2] == 2'(kv_pkg::SCHEME_ASYM) ? 2'd2 : 2'd1;
  assign stats8 = {stats, 3'b000} >> header_i[kv_pkg::REQ_GROUP_LSB+:2];

  always_comb begin
    case (bits)
      4'd2: codes = {3'b0, dims16, 1'b0};
      4'd3: codes = {3'b0, dims16, 1'b0} + {4'b0, dims16};
      4'd4: codes = {2'b0, dims16, 2'b0};
      4'd5: codes = {2'b0, dims16, 2'b0} + {4'b0, dims16};
      4'd6: codes = {2'b0, dims16, 2'b0} + {3'b0, dims16, 1'b0};
      default: codes = {1'b0, dims16, 3'b0};
    endcase
    // stats8 has one bit set: 1, 2, 4, 8 or 16.
    if (header_i[kv_pkg::REQ_GROUP_LSB+2]) stat_units = {6'b0, stats, 3'b0};
    else begin
      stat_units = '0;
      for (int i = 0; i < 5; i++) if (stats8[i]) stat_units |= {5'b0, dims16} << i;
    end
  end

  always_ff @(posedge clk_i) if (en_i) row8_q <= {1'b0, codes, 3'b0} + {3'b0, stat_units};

  assign product_now = {14'b0, header_i[kv_pkg::REQ_ROWS_LSB+:9]} * {9'b0, row8_q};
  assign units = product[22:3];

  // Where the header has more than one beat, words 1 to 3 stand a cycle earlier than the rest.
  if (Lanes == 16) begin : gen_at_once
    assign product = product_now;
  end else begin : gen_product
    logic [22:0] product_q;
    always_ff @(posedge clk_i) if (en_i) product_q <= product_now;
    assign product = product_q;
  end

  // A row, or the whole payload: so many whole beats, and one more with rest. Those of DEQUANTIZE
  // come straight from the multiplier, so the others are settled a cycle before.
  logic [18:0] whole, whole_q, left_q, row_q;
  logic rest, other_rest_q, rest_q, run_q;
  logic [23:0] row_n_q, rows_q;
  logic row_last;
  logic [2:0] opcode;
  logic [20:0] bytes;
  logic [16:0] positions;

  assign opcode = header_i[kv_pkg::REQ_OPCODE_LSB+:3];
  assign bytes = header_i[kv_pkg::REQ_ROWS_LSB+:21];
  assign positions = header_i[kv_pkg::REQ_DIMS_LSB+:17];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      run_q <= opcode == 3'(kv_pkg::OP_DEQUANTIZE);
      if (opcode == 3'(kv_pkg::OP_ECHO)) begin
        whole_q <= 19'(bytes[20:LaneB+1]);
        other_rest_q <= bytes[LaneB:0] != '0;
      end else begin
        whole_q <= 19'(positions[16:LaneB]);
        other_rest_q <= positions[LaneB-1:0] != '0;
      end
      if (opcode == 3'(kv_pkg::OP_ECHO) || opcode == 3'(kv_pkg::OP_DEQUANTIZE)) row_n_q <= 24'd1;
      else row_n_q <= header_i[kv_pkg::REQ_ROWS_LSB+:24];
    end
  end

  assign whole = run_q ? 19'(units[19:LaneB]) : whole_q;
  assign rest = run_q ? units[LaneB-1:0] != '0 : other_rest_q;
  assign row_last = rest_q ? left_q == '0 : left_q == 19'd1;
  assign last_o = row_last && rows_q == 24'd1;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (load_i) begin
        left_q <= whole;
        row_q  <= whole_q;
        rest_q <= rest;
        rows_q <= row_n_q;
      end else if (beat_i) begin
        left_q <= row_last ? row_q : left_q - 19'd1;
        if (row_last) rows_q <= rows_q - 24'd1;
      end
    end
  end

  // The rest of the header, and the eighths that a legal tile never has.
  logic unused;
  assign unused = &{1'b0, header_i, product[2:0]};

endmodule
