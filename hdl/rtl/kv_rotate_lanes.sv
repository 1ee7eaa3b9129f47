// The stages of the rotation within a beat: of the lanes i and j, which differ in one bit of their number, the lower
// gets the sum and the higher the difference; for one bit after the other.
//
// x_i  Lanes whole numbers of Width bits
// x_o  the transformed, longer by a bit a stage, ceil(log2(Lanes)) in all; as many cycles later
// One beat every cycle; no handshake. Exact. Nothing moves in a cycle with en_i = 0.
module kv_rotate_lanes #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned Width = 43,
    localparam int unsigned Stages = $clog2(Lanes),
    localparam int unsigned Out = Width + Stages
) (
    input  logic                   clk_i,
    input  logic                   en_i,
    input  logic [Lanes*Width-1:0] x_i,
    output logic [  Lanes*Out-1:0] x_o
);

  for (genvar s = 0; s < Stages; s++) begin : gen_stage
    localparam int unsigned From = Width + s;
    logic [Lanes*From-1:0] x;
    logic [Lanes*(From+1)-1:0] y_q;

    if (s == 0) begin : gen_in
      assign x = x_i;
    end else begin : gen_next
      assign x = gen_stage[s-1].y_q;
    end

    for (genvar i = 0; i < Lanes; i++) begin : gen_lane
      logic signed [From-1:0] own, other;
      assign own   = x[From*i+:From];
      assign other = x[From*(i^(1<<s))+:From];
      always_ff @(posedge clk_i)
        if (en_i)
          y_q[(From+1)*i+:From+1] <= (i & (1 << s)) != 0 ? (From+1)'(other) - (From+1)'(own) : (From+1)'(own) + (From+1)'(other);
    end
  end

  assign x_o = gen_stage[Stages-1].y_q;

endmodule
