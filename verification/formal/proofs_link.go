package formal

// linkProofs are those of the byte link (docs/link.md).
func linkProofs() []Proof {
	const (
		crc  = "link/kv_link_crc.sv"
		rx   = "link/kv_link_rx.sv"
		in   = "link/kv_link_in.sv"
		out  = "link/kv_link_out.sv"
		regs = "link/kv_link_regs.sv"
		ctrl = "link/kv_link_ctrl.sv"
		pkg  = "link/kv_link_pkg.sv"
	)
	return []Proof{
		{
			Name: "fv_link_rx",
			Says: "one delimiter, and nothing of what came before matters",
			RTL:  []string{pkg, crc, rx},
			Mutants: []Mutant{
				{"distance kept over the delimiter", rx, "if (zero) left_q <= '0;", "if (zero) left_q <= left_q;"},
				{"CRC goes on over the delimiter", rx, "        over_q  <= 1'b0;\n        crc_q   <= '1;\n        index_q <= '0;", "        over_q  <= 1'b0;\n        index_q <= '0;"},
				{"payload beyond its end", rx, "~in_head & rest_q > 9'(", "~in_head & rest_q >= 9'("},
				{"fill taken for frames", rx, "some_q <= ~zero;", "some_q <= some_q | ~zero;"},
			},
		},
		{
			Name: "fv_link_in",
			Says: "the window from the host does not overflow; its limit is exact",
			RTL:  []string{pkg, in},
			Mutants: []Mutant{
				{"a slot too many", in, "assign room    = (next_q - read_q) != 8'(Slots);", "assign room = (next_q - read_q) != 8'(Slots + 1);"},
				{"room looked at late", in, "assign fits    = pay_index_i == '0 ? room : fits_q;", "assign fits = room;"},
				{"limit a frame too far", in, "assign limit_o = read_q + 8'(Slots);", "assign limit_o = read_q + 8'(Slots + 1);"},
				{"read before the commit", in, "Look:    if (some) state_q <= Info;", "Look: state_q <= Info;"},
				{"beat overwritten", in, "assign step          = state_q == Bytes & (~full_q | m_axis_tready);", "assign step = state_q == Bytes;"},
			},
		},
		{
			Name: "fv_link_out",
			Says: "nothing leaves the window unacknowledged or without credit",
			RTL:  []string{pkg, out},
			Mutants: []Mutant{
				{"slot reused while it is sent", out, "if (~busy_i & ~start_i) kept_q <= acked_q;", "kept_q <= acked_q;"},
				{"a slot too many", out, "assign room          = (fill_q - kept_q) != 8'(Slots);", "assign room = (fill_q - kept_q) != 8'(Slots + 1);"},
				{"limit not looked at", out, "send_q != fill_q & ahead != '0 & ~ahead[7]", "send_q != fill_q"},
				{"ACK of what was never closed", out, "assign acceptable = freed <= fill_q - acked_q;", "assign acceptable = 1'b1;"},
				{"goes back too far", out, "if (back_i) send_q <= ack_i & acceptable ? ack_next_i : acked_q;", "if (back_i) send_q <= acked_q;"},
				{"sends what was acknowledged", out, "      else if (ack_i & acceptable & freed > send_q - acked_q) send_q <= ack_next_i;\n", ""},
			},
		},
		{
			Name: "fv_link_regs",
			Says: "a register request is performed once, and answered by its outcome",
			RTL:  []string{pkg, regs},
			Mutants: []Mutant{
				{"repeated request performed again", regs, "assign again          = known_q & id_q == id_i;", "assign again = 1'b0;"},
				{"begun while one is under way", regs, "assign begins         = request_i & ~again & ~busy_q;", "assign begins = request_i & ~again;"},
				{"valid not held", regs, "if (m_axil_wready) w_q <= 1'b0;", "w_q <= 1'b0;"},
				{"address that is not there", regs, "ar_q    <= ~write_i & ~beyond;", "ar_q <= ~write_i;"},
				{"no second answer", regs, "if (ends | (request_i & again & ~busy_q)) due_q", "if (ends) due_q"},
				{"value of a refused read", regs, "m_axil_rvalid & m_axil_rresp == Okay ?", "m_axil_rvalid ?"},
			},
		},
		{
			Name: "fv_link_ctrl",
			Says: "what the contract says about each frame is what is done",
			RTL:  []string{pkg, ctrl},
			Mutants: []Mutant{
				{"taken twice", ctrl, "assign commit_o  = data_now & expected & fits_i;", "assign commit_o = data_now & ~in_front & fits_i;"},
				{"taken without credit", ctrl, "assign commit_o  = data_now & expected & fits_i;", "assign commit_o = data_now & expected;"},
				{"a NAK for each", ctrl, "(data_now & in_front & ~gap_q)", "(data_now & in_front)"},
				{"gap mark kept", ctrl, "if (commit_o) gap_q <= 1'b0;\n      else if (nak_now)", "if (nak_now)"},
				{"ACK lost that falls due while one is sent", ctrl, "if (ack_now) ack_due_q <= 1'b1;\n      else if (ack_sent_i) ack_due_q <= 1'b0;", "if (ack_sent_i) ack_due_q <= 1'b0;\n      else if (ack_now) ack_due_q <= 1'b1;"},
				{"registers before HELLO", ctrl, "assign request_o = frame_i & linked_q & (", "assign request_o = frame_i & ("},
				{"half a beat", ctrl, "n != '0 & (n & BeatMask) == '0", "n != '0"},
				{"fresh ACK does not stop the timer", ctrl, "~waiting_i | quiet | timeout | fresh_i | data_sent_i", "~waiting_i | quiet | timeout | data_sent_i"},
				{"time-out does not go back", ctrl, "assign back_o  = timeout | ", "assign back_o = "},
			},
		},
	}
}
