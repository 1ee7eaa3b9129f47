// Counts the payload beats of a request (docs/engine.md, section 3, the payload columns).
//
// load_i takes over the length of the command in header_i, which must have been stable
// since the cycle before (words 1 to 3 since two cycles before if the header has several
// beats) and stay so up to the end of the payload. beat_i counts one beat taken or filled in.
// From registers, of the next beat:
//   last_o       it is the last expected
//   part_o       what it belongs to: of SELECT and COMPRESS 0 scores so far, 1 attention or
//                key rows to select by, 2 value rows, 3 key rows; 3 for all other commands
//   part_end_o   it is the last of its part;  row_end_o  of its row
// QUANTIZE has rows x beats of a row; ECHO, DEQUANTIZE and SINK one run of beats.
// A length of a header that fails the checks is never used; so what only commands need that are not built (HasRun:
// DEQUANTIZE, HasScore: SELECT or COMPRESS, HasRows: those or QUANTIZE) is not built either.
module kv_front_count #(
    parameter int unsigned Lanes = 8,  // fp16 elements per beat: 2, 4, 8 or 16
    parameter bit HasRun = 1'b1,
    parameter bit HasRows = 1'b1,
    parameter bit HasScore = 1'b1
) (
    input  logic         clk_i,
    input  logic         en_i,
    input  logic [255:0] header_i,
    input  logic         load_i,
    input  logic         beat_i,
    output logic         last_o,
    output logic [  1:0] part_o,
    output logic         part_end_o,
    output logic         row_end_o
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

  // A row, or a run: so many whole beats, and one more with rest. Those of DEQUANTIZE
  // come straight from the multiplier, so the others are settled a cycle before.
  logic [28:0] whole, whole_q, left_q;
  logic rest, other_rest_q, rest_q, run_q, score_q;
  logic [23:0] row_n_q, rows_q;
  logic [2:0] opcode;
  logic [30:0] bytes;
  logic [16:0] positions;
  logic key_norm, bytewise;

  assign opcode = header_i[kv_pkg::REQ_OPCODE_LSB+:3];
  assign bytes = header_i[kv_pkg::REQ_ROWS_LSB+:31];
  assign positions = header_i[kv_pkg::REQ_DIMS_LSB+:17];
  assign key_norm = header_i[kv_pkg::REQ_KEY_NORM_LSB];
  assign bytewise = opcode == 3'(kv_pkg::OP_ECHO) || opcode == 3'(kv_pkg::OP_SINK) || !(HasRows || HasRun);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      run_q   <= HasRun && opcode == 3'(kv_pkg::OP_DEQUANTIZE);
      score_q <= HasScore && (opcode == 3'(kv_pkg::OP_SELECT) || opcode == 3'(kv_pkg::OP_COMPRESS));
      if (bytewise) begin
        whole_q <= 29'(bytes[30:LaneB+1]);
        other_rest_q <= bytes[LaneB:0] != '0;
      end else begin
        whole_q <= 29'(positions[16:LaneB]);
        other_rest_q <= positions[LaneB-1:0] != '0;
      end
      if (bytewise || !HasRows || opcode == 3'(kv_pkg::OP_DEQUANTIZE)) row_n_q <= 24'd1;
      else row_n_q <= header_i[kv_pkg::REQ_ROWS_LSB+:24];
    end
  end

  assign whole = run_q ? 29'(units[19:LaneB]) : whole_q;
  assign rest  = run_q ? units[LaneB-1:0] != '0 : other_rest_q;

  // Parts: the one under way, the one to be loaded, and whether that is the last.
  logic [1:0] part_q, part;
  logic has_rows_q, final_q, narrow;  // narrow: its rows have RowDims elements
  logic [23:0] part_rows;

  // What the outputs say of the next beat, and whether its row is the part's last.
  logic row_end_q, part_end_q, last_q, last_row_q;
  logic row_end_d, last_row_d, final_d;

  assign narrow   = score_q && (part[1] || (part[0] && key_norm));

  always_comb begin
    if (!score_q) part = 2'd3;
    else if (load_i) part = {1'b0, !header_i[kv_pkg::REQ_SCORES_IN_LSB]};
    else if (!part_end_q) part = part_q;
    else part = part_q == 2'd0 && !has_rows_q ? 2'd2 : part_q + 2'd1;
    if (!score_q || part == 2'd1 && !key_norm) part_rows = row_n_q;
    else part_rows = part == 2'd0 ? 24'd4 : 24'(positions);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      has_rows_q <= key_norm || header_i[kv_pkg::REQ_ROWS_LSB+:24] != '0;
      if (reload) begin
        left_q <= narrow ? 29'(narrow_beats) : whole;
        rest_q <= !narrow && rest;
        rows_q <= load_i || part_end_q ? part_rows : rows_q - 24'd1;
        part_q <= part;
      end else if (beat_i) left_q <= left_q - 29'd1;
    end
  end

  // A beat is the row's last when all but one of the whole ones are done, or with a rest all of them.
  logic reload, one_row;
  logic [9-LaneB:0] narrow_beats;

  assign reload       = load_i || (beat_i && row_end_q);
  assign narrow_beats = header_i[kv_pkg::REQ_ROW_DIMS_LSB+LaneB+:10-LaneB];

  // part_rows is 1.
  always_comb begin
    if (!score_q || part == 2'd1 && !key_norm) one_row = row_n_q == 24'd1;
    else one_row = part != 2'd0 && positions == 17'd1;
  end

  always_comb begin
    row_end_d  = row_end_q;
    last_row_d = last_row_q;
    final_d    = final_q;
    if (reload) begin
      if (narrow) row_end_d = narrow_beats == (10 - LaneB)'(1);
      else row_end_d = whole == 29'(!rest);
      last_row_d = load_i || part_end_q ? one_row : rows_q == 24'd2;
      final_d    = part == 2'd3 || (opcode == 3'(kv_pkg::OP_SELECT) && (part == 2'd1 || !has_rows_q));
    end else if (beat_i) row_end_d = left_q == (rest_q ? 29'd1 : 29'd2);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      row_end_q  <= row_end_d;
      last_row_q <= last_row_d;
      final_q    <= final_d;
      part_end_q <= row_end_d && last_row_d;
      last_q     <= row_end_d && last_row_d && final_d;
    end
  end

  assign last_o     = last_q;
  assign part_o     = part_q;
  assign part_end_o = part_end_q;
  assign row_end_o  = row_end_q;

  // The rest of the header, and the eighths that a legal tile never has.
  logic unused;
  assign unused = &{1'b0, header_i, product[2:0]};

endmodule
