// Beats of COMPRESS beside the lanes of QUANTIZE: the ring keeps them as they came, for items that bring them so.
//
// beat_i   a beat from the ring, as it came; bf16_i: of bfloat16
// clean_o  the same cleaned, 1 cycle later
// beat_o   the same as it came, 9 cycles later
// A beat every cycle; no handshake. Nothing moves in a cycle with en_i = 0.
module kv_quant_raw #(
    parameter int unsigned Lanes = 8
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                en_i,
    input  logic                bf16_i,
    input  logic [16*Lanes-1:0] beat_i,
    output logic [16*Lanes-1:0] clean_o,
    output logic [16*Lanes-1:0] beat_o
);

  logic [16*Lanes-1:0] clean;
  logic [Lanes-1:0] counted;  // when the beat came
  logic [3:0] at_q;

  for (genvar i = 0; i < Lanes; i++) begin : gen_clean
    kv_fp16_clean u_clean (
        .bf16_i(bf16_i),
        .x_i   (beat_i[16*i+:16]),
        .x_o   (clean[16*i+:16]),
        .bad_o (counted[i])
    );
  end

  always_ff @(posedge clk_i) if (en_i) clean_o <= clean;

  // Read half a turn after it was written.
  always_ff @(posedge clk_i) begin
    if (rst_i) at_q <= '0;
    else if (en_i) at_q <= at_q + 4'd1;
  end

  kv_ram_1r1w #(
      .Width(16 * Lanes),
      .Depth(16)
  ) u_raw (
      .clk_i  (clk_i),
      .en_i   (en_i),
      .we_i   (1'b1),
      .waddr_i(at_q),
      .data_i (beat_i),
      .raddr_i(at_q ^ 4'd8),
      .zero_i (1'b0),
      .data_o (beat_o)
  );

  wire unused = &{1'b0, counted};

endmodule
