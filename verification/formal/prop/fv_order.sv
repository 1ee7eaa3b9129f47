// What every queue promises: each item that goes in comes out once, in its turn.
//
// Watches a queue from outside. One item is followed at a time: with pick_i a pushed item
// becomes the followed one; ahead_o counts the items that must come out before it. When its
// turn comes, what comes out has to be it. As pick_i is free, this holds for every item: a
// lost, doubled, changed or overtaken one would be seen.
//
// count_o  items inside, counted here; follow_o, ahead_o, item_o are for the invariants of
//          the module that is watched.
module fv_order #(
    parameter int unsigned Width = 8,
    parameter int unsigned Depth = 4,
    localparam int unsigned CountW = $clog2(Depth + 1)
) (
    input  logic              clk_i,
    input  logic              rst_i,
    input  logic              pick_i,
    input  logic              push_i,
    input  logic [ Width-1:0] in_i,
    input  logic              pop_i,
    input  logic [ Width-1:0] out_i,
    output logic [CountW-1:0] count_o,
    output logic              follow_o,
    output logic [CountW-1:0] ahead_o,
    output logic [ Width-1:0] item_o
);

  logic [CountW-1:0] count_q, ahead_q;
  logic [Width-1:0] item_q;
  logic follow_q;

  assign count_o  = count_q;
  assign follow_o = follow_q;
  assign ahead_o  = ahead_q;
  assign item_o   = item_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      count_q  <= '0;
      follow_q <= 1'b0;
    end else begin
      count_q <= count_q + CountW'(push_i) - CountW'(pop_i);
      if (!follow_q) begin
        if (push_i && pick_i) begin
          follow_q <= 1'b1;
          item_q   <= in_i;
          ahead_q  <= count_q - CountW'(pop_i);
        end
      end else if (pop_i) begin
        if (ahead_q == '0) follow_q <= 1'b0;
        else ahead_q <= ahead_q - CountW'(1);
      end
    end
  end

  always_comb
    if (!rst_i) begin
      assert (count_q <= CountW'(Depth));
      assert (!pop_i || count_q != '0);
      assert (!push_i || count_q != CountW'(Depth));
      assert (!follow_q || ahead_q < count_q);
      if (pop_i && follow_q && ahead_q == '0) assert (out_i == item_q);
    end

endmodule
