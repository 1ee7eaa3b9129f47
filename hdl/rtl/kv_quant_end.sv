// The end of a section of COMPRESS in QUANTIZE (docs/engine.md, 5.10): when the rows left over of a per-channel group are
// read, and when the packer gives what it holds.
//
// end_i         the section ends with the beat of this cycle, or with the one before
// read_i        a beat is read from the ring in this cycle
// channel_i     groups are per channel; complete_i, started_i: one is complete, the reading of one starts
// beats_i       beats of the group under way, those of the section all counted two cycles after end_i
// clear_o       in that cycle: counts of beats and rows start over
// rest_go_o     LAT_QUANT_TOKEN cycles after the section's last beat, or after the last ring read if that was later: the reading
//               of the rest_beats_o + 1 beats left over starts, if there are any and no group is waiting
// flush_o       FlushLatency - 3 cycles after the last of all these: the section is given; done_o: 3 cycles later
// Nothing moves in a cycle with en_i = 0.
module kv_quant_end #(
    parameter int unsigned FlushLatency = 20
) (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic        en_i,
    input  logic        end_i,
    input  logic        read_i,
    input  logic        channel_i,
    input  logic        complete_i,
    input  logic        started_i,
    input  logic [15:0] beats_i,
    output logic        clear_o,
    output logic        rest_go_o,
    output logic [15:0] rest_beats_o,
    output logic        flush_o,
    output logic        done_o
);

  localparam logic [4:0] Flush = 5'(FlushLatency - 3);

  logic end1_q, end2_q, ended_q, left_q, waiting;
  logic [15:0] rest_beats_q;
  logic [4:0] since_q;  // cycles since the last beat or read, 31 at most
  logic [1:0] pending_q;  // complete groups of channels, not yet read
  logic [3:1] flush_q;

  assign waiting      = ended_q && pending_q == '0;
  assign rest_go_o    = waiting && left_q && since_q == 5'(kv_pkg::LAT_QUANT_TOKEN);
  assign flush_o      = waiting && !left_q && since_q == Flush;
  assign clear_o      = end2_q;
  assign rest_beats_o = rest_beats_q;
  assign done_o       = flush_q[3];

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      end1_q    <= 1'b0;
      end2_q    <= 1'b0;
      ended_q   <= 1'b0;
      left_q    <= 1'b0;
      since_q   <= '0;
      pending_q <= '0;
      flush_q   <= '0;
    end else if (en_i) begin
      end1_q    <= end_i;
      end2_q    <= end1_q;
      flush_q   <= {flush_q[2:1], flush_o};
      ended_q   <= !flush_o && (end1_q || ended_q);
      if (end2_q) left_q <= channel_i && beats_i != '0;
      else if (rest_go_o) left_q <= 1'b0;
      since_q   <= read_i || end_i ? 5'd1 : &since_q ? since_q : since_q + 5'd1;
      pending_q <= pending_q + 2'(channel_i && complete_i) - 2'(channel_i && started_i);
    end
  end

  always_ff @(posedge clk_i) if (en_i && end2_q) rest_beats_q <= beats_i - 16'd1;

endmodule
