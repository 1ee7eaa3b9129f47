// Issue control of DEQUANTIZE: which item leaves the bit buffer, which beat enters it
// (docs/engine.md, 5.8, Issuing).
//
// start_i      a packet of rows_i rows joins the queue (room for 4; the engine never has
//              more in flight).
// code_valid_i, code_mark_i  head of the code FIFO, and whether it is the packet's last beat.
// room_i       the payload FIFO has room for what may be on its way.
// bank_ok_i    the bank of scales read next is complete.
// refill_o     the head of the code FIFO moves into the bit buffer in this cycle.
// idle_o       no packet is in the queue.
// issue_o      an item is issued in this cycle:
//              lead_o: first of a per-token group, with scale and minimum before its codes;
//              next_lead_o: so is the one after it, if it is not the last of its packet;
//              spare_o: with fold_i (4-bit blocks), of the second half of its group, whose codes
//              came with the first half; last_o: last of its packet, what remains in the buffer is dropped;
//              idx_o: its place in the row; free_o: last of a per-channel group.
// ev_*_o       events of this cycle. lead_o, last_o and idx_o speak of the next item
//              whether it is issued or not.
// All decisions are made from registers and the inputs of this cycle; no latency. The
// settings have to be stable two cycles before the first item can be issued.
module kv_dequant_issue #(
    parameter int unsigned Lanes = 8,
    parameter int unsigned MaxDim = 256,
    parameter int unsigned TileTokens = 128,
    localparam int unsigned ItemW = $clog2(MaxDim / Lanes)
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             en_i,
    input  logic             start_i,
    input  logic             channel_i,
    input  logic             asym_i,
    input  logic             fold_i,
    input  logic [      2:0] group_i,
    input  logic [      3:0] bits_i,
    input  logic [     23:0] rows_i,
    input  logic [      9:0] dims_i,
    input  logic             code_valid_i,
    input  logic             code_mark_i,
    input  logic             room_i,
    input  logic             bank_ok_i,
    output logic             refill_o,
    output logic             issue_o,
    output logic             idle_o,
    output logic             lead_o,
    output logic             next_lead_o,
    output logic             spare_o,
    output logic             last_o,
    output logic [ItemW-1:0] idx_o,
    output logic             free_o,
    output logic             ev_token_o,
    output logic [      9:0] ev_groups_o
);

  localparam int unsigned LaneB = $clog2(Lanes);
  localparam int unsigned RowW = $clog2(TileTokens);
  localparam logic [5:0] Capacity = Lanes == 2 ? 6'd48 : 6'd32;
  localparam logic [5:0] Beat = 6'd16;

  // What follows from the settings: units of the first item of a group, items of a row less
  // one, items of a per-token group less one, rows of a per-channel group less one.
  logic [5:0] need_lead_q, need_code_q, need_first_q;
  logic fold_q, token_q;  // the axis in a register of its own: issue_o waits for it
  logic [ItemW-1:0] items_q, item_mask_q;
  logic [RowW-1:0] row_mask_q;
  logic [9:0] group_step_q;

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      need_code_q  <= need_code;
      need_lead_q  <= need_lead;
      need_first_q <= -need_lead;
      fold_q       <= fold_i;
      token_q      <= !channel_i;
      items_q      <= ItemW'(dims_i[9:LaneB] - 1'b1);
      item_mask_q  <= group_i == 3'(kv_pkg::GROUP_ROW) ? '1 :
                      ItemW'((10'(16 / Lanes) << group_i) - 10'd1);
      row_mask_q   <= RowW'((10'd16 << group_i) - 10'd1);
      group_step_q <= channel_i ? dims_i : 10'd1;
    end
  end

  logic [5:0] need_code, need_lead;
  assign need_code = fold_i ? 6'd8 : 6'(bits_i);
  assign need_lead = need_code + (channel_i ? 6'd0 : asym_i ? 6'(32 / Lanes) : 6'(16 / Lanes));

  // Packets: rows less one.
  logic [RowW-1:0] rows_q[0:3];
  logic [1:0] in_q, out_q;
  logic [2:0] packets_q;
  logic busy_q;  // there is one
  logic done;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      in_q      <= 2'd0;
      out_q     <= 2'd0;
      packets_q <= 3'd0;
      busy_q    <= 1'b0;
    end else if (en_i) begin
      if (start_i) in_q <= in_q + 2'd1;
      if (done) out_q <= out_q + 2'd1;
      packets_q <= packets_q + 3'(start_i) - 3'(done);
      if (start_i || done) busy_q <= start_i || packets_q != 3'd1;
    end
  end

  always_ff @(posedge clk_i) if (en_i && start_i) rows_q[in_q] <= RowW'(rows_i - 24'd1);

  // Position of the next item.
  logic [ItemW-1:0] idx_q, idx_next, idx_step;
  logic [RowW-1:0] row_q, row_in_group;
  logic row_end, group_row_end, first;
  logic lead_q;  // idx_q is that of the first item of a group, if groups are per token

  assign row_in_group = row_q & row_mask_q;
  assign group_row_end = row_in_group == row_mask_q;
  assign idx_o = idx_q;
  assign idx_next = idx_q + ItemW'(1);
  assign lead_o = lead_q && token_q;
  assign first = lead_o || (!token_q && idx_q == '0 && row_in_group == '0);
  assign last_o = row_end && row_q == rows_q[out_q];
  assign done = issue_o && last_o;
  assign idle_o = !busy_q;
  assign spare_o = fold_q && idx_q[$clog2(16/Lanes)];

  // Of the item at a place of a row: it is the row's last; the one behind it is the first of a group, needs so many units.
  logic ends[2], leads[2];
  logic [5:0] needs[2], need_next;

  assign idx_step = row_end ? '0 : idx_next;

  for (genvar i = 0; i < 2; i++) begin : gen_place
    logic [ItemW-1:0] at, behind;
    assign at       = i == 0 ? idx_q : idx_step;
    assign behind   = at + ItemW'(1);
    assign ends[i]  = at == items_q;
    assign leads[i] = ends[i] || (behind & item_mask_q) == '0;
    assign needs[i] = leads[i] ? need_lead_q : fold_q && behind[$clog2(16/Lanes)] ? '0 : need_code_q;
  end

  // Kept for the item at idx_q. The settings are that old when the first can be issued.
  always_ff @(posedge clk_i)
    if (en_i) begin
      row_end     <= ends[issue_o];
      next_lead_o <= leads[issue_o];
      need_next   <= needs[issue_o];
    end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      idx_q  <= '0;
      row_q  <= '0;
      lead_q <= 1'b1;
    end else if (en_i && issue_o) begin
      idx_q  <= idx_step;
      lead_q <= next_lead_o;
      if (row_end) row_q <= last_o ? '0 : row_q + RowW'(1);
    end
  end

  // The buffer's fill in units, and what would be left of it with the item that is next: negative if that is not
  // enough. Both are kept a cycle ahead, so that nothing but the outside decides late.
  logic [5:0] fill_q, kept;
  logic [6:0] rest_q, rest_next, rest_kept;
  logic fits_rest, fits_fill, moved_q;
  logic fresh_q;  // nothing of the packet has been moved yet

  assign rest_next = rest_q - 7'(need_next);
  assign fits_rest = rest_q[5:0] <= Capacity - Beat;
  assign fits_fill = fill_q <= Capacity - Beat;

  assign issue_o = busy_q && !rest_q[6] && room_i && (token_q || bank_ok_i);
  assign refill_o = code_valid_i && !moved_q && (issue_o ? fits_rest : fits_fill);
  assign kept = issue_o ? rest_q[5:0] : fill_q;
  assign rest_kept = fresh_q ? {1'b1, need_first_q} : issue_o ? rest_next : rest_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      fill_q  <= '0;
      rest_q  <= '1;
      moved_q <= 1'b0;
      fresh_q <= 1'b1;
    end else if (en_i) begin
      fill_q  <= done ? '0 : {kept[5:4] + 2'(refill_o), kept[3:0]};
      rest_q  <= done ? '1 : {rest_kept[6:4] + 3'(refill_o), rest_kept[3:0]};
      moved_q <= !done && (moved_q || (refill_o && code_mark_i));
      fresh_q <= done || (fresh_q && !refill_o);
    end
  end

  assign free_o = issue_o && !token_q && row_end && group_row_end;
  assign ev_token_o = issue_o && row_end;
  assign ev_groups_o = issue_o && first ? group_step_q : '0;

  // Bits of the settings that only matter to the checks of the front.
  logic unused;
  assign unused = &{1'b0, rows_i[23:RowW], dims_i[LaneB-1:0]};

`ifndef SYNTHESIS
  always_ff @(posedge clk_i)
    if (!rst_i && en_i) begin
      assert (!(start_i && packets_q == 3'd4 && !done))
      else $error("kv_dequant_issue: packet queue overflow");
      assert (!(done && !moved_q))
      else $error("kv_dequant_issue: packet complete before its last beat");
    end
`endif

endmodule
