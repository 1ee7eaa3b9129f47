package formal

// Proofs is the list of all proofs.
func Proofs() []Proof { return append(engineProofs(), linkProofs()...) }

func engineProofs() []Proof {
	return []Proof{
		{
			Name: "fv_skid",
			Says: "a queue of two, head and readies from registers",
			RTL:  []string{"kv_skid.sv"},
			Mutants: []Mutant{
				{"second register not used", "kv_skid.sv", "if (push_i & ~to_q0) q1_q <= data_i;", ""},
				{"head overwritten", "kv_skid.sv", "assign to_q0   = ~valid_q | (~full_q & pop_i);", "assign to_q0 = ~full_q;"},
				{"valid lost", "kv_skid.sv", "else if (pop_i & ~full_q) valid_q <= 1'b0;", "else if (pop_i) valid_q <= 1'b0;"},
				{"clear forgets the second", "kv_skid.sv", "        valid_q <= 1'b0;\n        full_q  <= 1'b0;\n      end else begin", "        valid_q <= 1'b0;\n      end else begin"},
				{"head moves though it stays", "kv_skid.sv", "if (pop_i & full_q) q0_q <= q1_q;", "if (full_q) q0_q <= q1_q;"},
			},
		},
		{
			Name: "fv_fifo",
			Says: "a queue whose head is a register, still while not enabled",
			RTL:  []string{"kv_fifo.sv"},
			Mutants: []Mutant{
				{"write beside the fetch not seen", "kv_fifo.sv", "near_q ? near_d_q : ram_q", "ram_q"},
				{"fetch a place late", "kv_fifo.sv", "assign raddr   = pop_i ? rd2_q : rd1_q;", "assign raddr = rd1_q;"},
				{"moves while not enabled", "kv_fifo.sv", "    if (en_i) begin\n      if (push_i) mem", "    begin\n      if (push_i) mem"},
				{"count off at the end", "kv_fifo.sv", "more_q  <= count_q > CountW'(2);", "more_q  <= count_q > CountW'(1);"},
			},
		},
		{
			Name: "fv_queue",
			Says: "a queue, still while not enabled",
			RTL:  []string{"kv_queue.sv"},
			Mutants: []Mutant{
				{"valid a place early", "kv_queue.sv", "valid_q <= count_q != CountW'(1);", "valid_q <= count_q != CountW'(2);"},
				{"push and pop at once lose one", "kv_queue.sv", "end else if (pop_i && !push_i) begin", "end else if (pop_i) begin"},
				{"pops while not enabled", "kv_queue.sv", "if (push_i) wr_q <= wr_q + AddrW'(1);\n      if (pop_i) rd_q <= rd_q + AddrW'(1);\n      if (push_i && !pop_i)", "if (push_i) wr_q <= wr_q + AddrW'(1);\n      if (push_i && !pop_i)"},
			},
		},
		{
			Name: "fv_shell",
			Says: "AXI-Stream rules on both ports, also across soft resets",
			RTL:  []string{"kv_skid.sv", "kv_shell.sv"},
			Mutants: []Mutant{
				{"beat taken with the soft reset not seen", "kv_shell.sv", "discard_q <= s_mid_d;", "discard_q <= s_mid_q;"},
				{"rest of a cut packet kept", "kv_shell.sv", "if (i_valid && in_last_o) discard_q <= 1'b0;", "if (i_valid) discard_q <= 1'b0;"},
				{"no abort beat", "kv_shell.sv", "abort_q   <= m_mid_q;", "abort_q   <= 1'b0;"},
				{"abort beat without TLAST", "kv_shell.sv", "assign o_last = abort_q | out_last_i;", "assign o_last = out_last_i;"},
				{"abort beat into a full slice", "kv_shell.sv", "assign abort_push = abort_q & o_ready & ~soft_rst_i;", "assign abort_push = abort_q & ~soft_rst_i;"},
				{"enabled though the output is full", "kv_shell.sv", "assign core_en_o = ~(halt | freeze_out | (", "assign core_en_o = ~(halt | ("},
				{"both stalls at once", "kv_shell.sv", "assign freeze_in = in_want_i & ~in_valid_o & ~freeze_out;", "assign freeze_in = in_want_i & ~in_valid_o;"},
				{"beat popped though the core stands", "kv_shell.sv", "(core_en_o & in_take_i)", "in_take_i"},
			},
		},
		{
			Name: "fv_regs",
			Says: "AXI4-Lite: each access answered once; registers, counters",
			RTL:  []string{"kv_regs.sv"},
			Mutants: []Mutant{
				{"answer overwritten", "kv_regs.sv", "assign write = aw_q & w_q & ~s_axil_bvalid;", "assign write = aw_q & w_q;"},
				{"write without its data", "kv_regs.sv", "assign write = aw_q & w_q & ~s_axil_bvalid;", "assign write = aw_q & ~s_axil_bvalid;"},
				{"write done twice", "kv_regs.sv", "if (write) w_q <= 1'b0;", "if (write & s_axil_wvalid) w_q <= 1'b0;"},
				{"address overwritten", "kv_regs.sv", "if (s_axil_arvalid & ~ar_q) araddr_q", "if (s_axil_arvalid) araddr_q"},
				{"read answer not held", "kv_regs.sv", "else if (s_axil_rready) s_axil_rvalid <= 1'b0;", "else s_axil_rvalid <= 1'b0;"},
				{"partial strobe writes", "kv_regs.sv", "wstrb_q <= s_axil_wstrb == 4'hF;", "wstrb_q <= s_axil_wstrb != 4'h0;"},
				{"unaligned read answered", "kv_regs.sv", "case ({araddr_q[11:6], araddr_q[1:0]})", "case ({araddr_q[11:6], 2'b00})"},
				{"event lost to a clearing write", "kv_regs.sv", "(errors_q & ~w1c_errors) | errors_set;", "(errors_q | errors_set) & ~w1c_errors;"},
				{"counts while frozen", "kv_regs.sv", "{4{en_i}}, ev_packet_i", "4'hF, ev_packet_i"},
				{"stalls swapped", "kv_regs.sv", "ev_stall_out_i, ev_stall_in_i, busy_i, 1'b1", "ev_stall_in_i, ev_stall_out_i, busy_i, 1'b1"},
				{"clear leaves the interrupts", "kv_regs.sv", "irq_status_q <= clear_q ? '0 : ", "irq_status_q <= "},
				{"interrupt not masked", "kv_regs.sv", "(irq_status_q & irq_enable_q[1:0]) != '0", "irq_status_q != '0"},
			},
		},
		{
			Name: "fv_back",
			Says: "each descriptor gives one whole response, counts and all",
			RTL:  []string{"kv_back.sv"},
			Mutants: []Mutant{
				{"empty entry pushed as a beat", "kv_back.sv", "(entry_pop_o && entry_bytes_i != '0)", "entry_pop_o"},
				{"a beat without room", "kv_back.sv", "assign out_want_o = head_push || body || tail_push;", "assign out_want_o = head_push || tail_push;"},
				{"TLAST on the first trailer beat", "kv_back.sv", "assign out_last_o = done_o;", "assign out_last_o = first_tail;"},
				{"entry not held for its scales", "kv_back.sv", "assign hold = entry_pre_i && pre_q != PreDone;", "assign hold = entry_pre_i && pre_q == PreBusy;"},
				{"scales not counted", "kv_back.sv", "bytes_q <= bytes_q + 21'(2 * Lanes);", "bytes_q <= bytes_q;"},
				{"flags of the last response kept", "kv_back.sv", "        nonfinite_q <= 1'b0;\n", ""},
				{"error told in every trailer beat", "kv_back.sv", "assign error_valid_o = first_tail && error_q;", "assign error_valid_o = tail_push && error_q;"},
				{"stall counted on in the trailer", "kv_back.sv", "assign stall_out = stall_out_q;", "assign stall_out = stall_out_now;"},
				{"two scale sets for one entry", "kv_back.sv", "else if (pre_valid_i && pre_last_i) pre_q <= PreDone;", "else if (pre_valid_i && pre_last_i) pre_q <= PreIdle;"},
			},
		},
		{
			Name:   "fv_back",
			Says:   "the same where a header is one beat (16 lanes)",
			RTL:    []string{"kv_back.sv"},
			Params: "Lanes=16",
			Mutants: []Mutant{
				{"cycles of the response before", "kv_back.sv", "assign cycles    = cycles_now;", "assign cycles    = cycles_q;"},
			},
		},
		{
			Name: "fv_check",
			Says: "the status of each of the 2^256 headers",
			RTL:  []string{"kv_front_check.sv"},
			Mutants: []Mutant{
				{"seven bits a code", "kv_front_check.sv", "4'd2, 4'd3, 4'd4, 4'd5, 4'd6, 4'd8:", "4'd2, 4'd3, 4'd4, 4'd5, 4'd6, 4'd7, 4'd8:"},
				{"no rows are legal", "kv_front_check.sv", "assign range_quant = rows == '0 ||", "assign range_quant ="},
				{"group of the wrong axis", "kv_front_check.sv", "? rows[6:0] : dims[6:0]", "? dims[6:0] : rows[6:0]"},
				{"top bit of a budget not seen", "kv_front_check.sv", "assign topk = header_i[kv_pkg::REQ_TOP_K_LSB+:32];", "assign topk = {1'b0, header_i[kv_pkg::REQ_TOP_K_LSB+:31]};"},
				{"size before option", "kv_front_check.sv", "else if (option_q) status_o = 3'(kv_pkg::ST_BAD_OPTION);", "else if (range_q) status_o = 3'(kv_pkg::ST_BAD_GEOMETRY);\n    else if (option_q) status_o = 3'(kv_pkg::ST_BAD_OPTION);"},
				{"reserved bit of word 1 not seen", "kv_front_check.sv", "w1[31:13] != '0", "w1[31:14] != '0"},
				{"offset scheme without blocks", "kv_front_check.sv", "if (block ? !block_code : scheme == 2'(kv_pkg::SCHEME_OFFSET)) bad_code = 1'b1;", "if (block && !block_code) bad_code = 1'b1;"},
				{"early TLAST not seen", "kv_front_check.sv", "early_q <= tlast_i && !empty;", "early_q <= 1'b0;"},
			},
		},
		{
			Name:   "fv_check",
			Says:   "the same in a build without QUANTIZE and SELECT",
			RTL:    []string{"kv_front_check.sv"},
			Params: "Features=4'b0101",
			Mutants: []Mutant{
				{"QUANTIZE taken for DEQUANTIZE", "kv_front_check.sv", "(opcode == 8'(kv_pkg::OP_QUANTIZE) && Features[kv_pkg::FEAT_QUANTIZE])", "(opcode == 8'(kv_pkg::OP_QUANTIZE) && Features[kv_pkg::FEAT_DEQUANTIZE])"},
			},
		},
		{
			Name: "fv_front",
			Says: "each packet answered once; a bad one never spoils the next",
			RTL:  []string{"kv_front_check.sv", "kv_front_count.sv", "kv_front.sv"},
			Mutants: []Mutant{
				{"rest of a refused packet not dropped", "kv_front.sv", "else state_d = (short_q || tlast_q) ? Head : Drain;", "else state_d = Head;"},
				{"drops on after TLAST", "kv_front.sv", "default: if (in_valid_i && in_last_i) state_d = Head;", "default: if (in_valid_i && !in_last_i) state_d = Head;"},
				{"no filling of a short payload", "kv_front.sv", "else if (pay && in_last_i) state_d = Pad;", ""},
				{"header index kept after a short header", "kv_front.sv", "if (head_done) hb_q <= '0;", "if (head_done && !in_last_i) hb_q <= '0;"},
				{"refused one overlaps", "kv_front.sv", "same_q && !refused)", "same_q)"},
				{"no outcome for a refused one", "kv_front.sv", "assign outcome_push_o = (dispatch && (refused || empty)) || pay_end ||", "assign outcome_push_o = (dispatch && empty) || pay_end ||"},
				{"overlong is OK", "kv_front.sv", "in_last_i ? 3'(kv_pkg::ST_OK) : 3'(kv_pkg::ST_OVERLONG);", "3'(kv_pkg::ST_OK);"},
				{"waits for a second command", "kv_front.sv", "assign may = none_i || (", "assign may = (none_i && last_ok_q) || ("},
				{"beat for a unit that is not ready", "kv_front.sv", "assign beat_valid_o = unit_o & ready_i & {4{in_payload}};", "assign beat_valid_o = unit_o & {4{in_payload}};"},
			},
		},
		{
			Name: "fv_emit",
			Says: "SELECT keeps the first so many candidates, drops no protected",
			RTL:  []string{"kv_select_rank.sv", "kv_select_emit.sv"},
			Mutants: []Mutant{
				{"one too many", "kv_select_emit.sv", "rank4_q[LaneB*i+:LaneB] < left_q[LaneB-1:0]", "rank4_q[LaneB*i+:LaneB] <= left_q[LaneB-1:0]"},
				{"protected one dropped", "kv_select_emit.sv", "keep5_q[i] <= keep4_q[i] ||", "keep5_q[i] <="},
				{"what is left runs below zero", "kv_select_emit.sv", "left_q <= after[CountW] ? '0 : after[CountW-1:0];", "left_q <= after[CountW-1:0];"},
				{"ranks from the other side", "kv_select_rank.sv", "rank_o[LaneB*i+:LaneB] = up_to[W*(i-1)+:LaneB];", "rank_o[LaneB*i+:LaneB] = total_o[LaneB-1:0] - up_to[W*i+:LaneB];"},
				{"counts while no word is there", "kv_select_emit.sv", "else if (valid4_q) left_q", "else left_q"},
			},
		},
		{
			Name:  "fv_pack",
			Says:  "SELECT's list: the kept positions, ascending, once",
			RTL:   []string{"kv_select_rank.sv", "kv_select_pack.sv"},
			Bound: 13,
			Mutants: []Mutant{
				{"rest of the list forgotten", "kv_select_pack.sv", "rest_valid_q <= valid8_q && last8_q && over;", "rest_valid_q <= 1'b0;"},
				{"TLAST too early", "kv_select_pack.sv", "assign push_last_o  = rest_valid_q || (last8_q && !over);", "assign push_last_o = rest_valid_q || last8_q;"},
				{"slots a word late", "kv_select_pack.sv", "held_q  <= clear_i ? '0 : held_q + many6_q[LaneB-1:0];", "held_q  <= clear_i ? '0 : held_q + many7_q[LaneB-1:0];"},
				{"lanes from the other side", "kv_select_pack.sv", "lane[LaneB*s+:LaneB] | LaneB'(i);", "lane[LaneB*s+:LaneB] | LaneB'(Lanes - 1 - i);"},
				{"bytes of the rest off by one", "kv_select_pack.sv", "6'({rest_q, 1'b0})", "6'({rest_q + 1'b1, 1'b0})"},
			},
		},
	}
}
