// One clock from the PLL of an ECP5: clk_o = clk_i / InDiv * FbDiv; clk_o x OutDiv has to be 400 to 800 MHz.
//
// locked_o is asynchronous. For boards only: the engine and the link have no vendor cells.
module kv_ecp5_pll #(
    parameter int unsigned InDiv = 1,
    parameter int unsigned FbDiv = 1,
    parameter int unsigned OutDiv = 10
) (
    input  logic clk_i,
    output logic clk_o,
    output logic locked_o
);

  EHXPLLL #(
      .PLLRST_ENA      ("DISABLED"),
      .INTFB_WAKE      ("DISABLED"),
      .STDBY_ENABLE    ("DISABLED"),
      .DPHASE_SOURCE   ("DISABLED"),
      .OUTDIVIDER_MUXA ("DIVA"),
      .OUTDIVIDER_MUXB ("DIVB"),
      .OUTDIVIDER_MUXC ("DIVC"),
      .OUTDIVIDER_MUXD ("DIVD"),
      .CLKI_DIV        (InDiv),
      .CLKFB_DIV       (FbDiv),
      .CLKOP_ENABLE    ("ENABLED"),
      .CLKOP_DIV       (OutDiv),
      .CLKOP_CPHASE    (OutDiv / 2),
      .CLKOP_FPHASE    (0),
      .FEEDBK_PATH     ("CLKOP")
  ) u_pll (
      .RST         (1'b0),
      .STDBY       (1'b0),
      .CLKI        (clk_i),
      .CLKOP       (clk_o),
      .CLKFB       (clk_o),
      .CLKINTFB    (),
      .PHASESEL0   (1'b0),
      .PHASESEL1   (1'b0),
      .PHASEDIR    (1'b1),
      .PHASESTEP   (1'b1),
      .PHASELOADREG(1'b1),
      .PLLWAKESYNC (1'b0),
      .ENCLKOP     (1'b0),
      .LOCK        (locked_o)
  );

endmodule
