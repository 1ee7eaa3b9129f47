// SOURCE and SINK: the pseudo-random stream given, or compared with what comes
// (docs/engine.md, 3 and 5.11).
//
// source_i, sink_i  one cycle after dispatch, one of them: bytes_i and seed_i hold from then on.
// room_i     the payload FIFO has 4 free places: SOURCE pushes a beat in each such cycle, from
//            LAT_SOURCE after the dispatch on.
// beat_*_i   SINK: a beat, in any cycle; beat_last_i: the last expected; abort_i: the last, too early.
// push_*_o   an entry. The result of SINK comes LAT_SINK after the last beat; with two lanes its second
//            half a cycle later; after an abort it is an empty one.
// The stream is made a beat at a time: the last 31 bits of one give the next.
// Nothing moves in a cycle with en_i = 0.
module kv_prbs #(
    parameter int unsigned Lanes = 8
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                source_i,
    input  logic                sink_i,
    input  logic [        30:0] bytes_i,
    input  logic [        30:0] seed_i,
    input  logic                room_i,
    input  logic                beat_valid_i,
    input  logic [16*Lanes-1:0] beat_i,
    input  logic                beat_last_i,
    input  logic                abort_i,
    output logic                push_valid_o,
    output logic [16*Lanes-1:0] push_data_o,
    output logic [         5:0] push_bytes_o,
    output logic                push_last_o
);

  localparam int unsigned Width = 16 * Lanes;
  localparam int unsigned ByteW = $clog2(2 * Lanes);
  localparam int unsigned BeatW = 31 - ByteW;

  if (kv_pkg::LAT_SOURCE != 2 || kv_pkg::LAT_SINK != 4) begin : g_latency
    $error("kv_prbs: built for other latencies");
  end

  // The stream.
  logic [Width-1:0] stream_q;
  logic advance;

  function automatic logic [Width-1:0] following(input logic [30:0] last);
    logic [Width+30:0] bits;
    bits = {{Width{1'b0}}, last};
    for (int i = 31; i < Width + 31; i++) bits[i] = bits[i-31] ^ bits[i-28];
    following = bits[Width+30:31];
  endfunction

  always_ff @(posedge clk_i)
    if (en_i && (source_i || sink_i || advance))
      stream_q <= following(source_i || sink_i ? seed_i : stream_q[Width-1-:31]);

  // SOURCE: beats still to be pushed, less one.
  logic running_q, source_push;
  logic [BeatW-1:0] left_q;
  logic [5:0] rest;
  logic [2*Lanes-1:0] used;  // bytes of the last beat

  assign source_push = running_q && room_i;
  assign advance     = source_push || valid_q[1];
  assign rest        = bytes_i[ByteW-1:0] == '0 ? 6'(2 * Lanes) : 6'(bytes_i[ByteW-1:0]);
  always_comb for (int b = 0; b < 2 * Lanes; b++) used[b] = 6'(b) < rest;

  always_ff @(posedge clk_i) begin
    if (rst_i) running_q <= 1'b0;
    else if (en_i) begin
      if (source_i) running_q <= 1'b1;
      else if (source_push && left_q == '0) running_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      if (source_i) left_q <= bytes_i[30:ByteW] - BeatW'(bytes_i[ByteW-1:0] == '0);
      else if (source_push) left_q <= left_q - 1'b1;
    end

  // SINK: the beat in t + 1, when the stream is there too; bytes that differ in t + 2, whether that
  // counts in t + 3, the result in t + 4.
  logic [Width-1:0] beat1_q;
  logic [2*Lanes-1:0] differ2_q;
  logic [3:1] valid_q, last_q, cut_q;
  logic differ3_q, second_q, end_q, end_cut_q;
  logic [31:0] errors_q, first_q;
  logic [BeatW-1:0] index_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q  <= '0;
      end_q    <= 1'b0;
      second_q <= 1'b0;
    end else if (en_i) begin
      valid_q  <= {valid_q[2:1], beat_valid_i};
      end_q    <= valid_q[3] && last_q[3];
      second_q <= Lanes == 2 && end_q && !end_cut_q;
    end
  end

  always_ff @(posedge clk_i)
    if (en_i) begin
      beat1_q   <= beat_i;
      for (int b = 0; b < 2 * Lanes; b++) differ2_q[b] <= beat1_q[8*b+:8] != stream_q[8*b+:8];
      last_q    <= {last_q[2:1], beat_last_i || abort_i};
      cut_q     <= {cut_q[2:1], abort_i};
      end_cut_q <= cut_q[3];
      differ3_q <= valid_q[2] && (differ2_q & (last_q[2] ? used : '1)) != '0;
      if (sink_i) begin
        errors_q <= '0;
        first_q  <= '1;
        index_q  <= '0;
      end else begin
        if (differ3_q) begin
          errors_q <= errors_q + 32'd1;
          if (errors_q == '0) first_q <= 32'(index_q);
        end
        if (valid_q[3]) index_q <= index_q + 1'b1;
      end
    end

  always_comb begin
    push_valid_o = source_push || end_q || second_q;
    if (end_q || second_q) begin
      push_last_o  = Lanes != 2 || second_q || end_cut_q;
      push_bytes_o = end_q && end_cut_q ? 6'd0 : Lanes == 2 ? 6'd4 : 6'd8;
      push_data_o  = second_q ? Width'(first_q) : Width'({first_q, errors_q});
    end else begin
      push_last_o  = left_q == '0;
      push_bytes_o = left_q == '0 ? rest : 6'(2 * Lanes);
      for (int b = 0; b < 2 * Lanes; b++)
        push_data_o[8*b+:8] = stream_q[8*b+:8] & {8{left_q != '0 || used[b]}};
    end
  end

endmodule
