# Builds the engine behind XDMA for an Artix-7 card.
#
#   vivado -mode batch -source hdl/syn/artix7-xdma/build.tcl -tclargs XDC [PART [MHZ]]
#
# XDC   the card's constraint file: PCIe reference clock (pcie_refclk), reset (pcie_perst_n), lanes (pcie_x4_*), configuration voltage
# PART  xc7a200tfbg484-2 if not given
# MHZ   the engine's clock, 62.5 if not given
#
# NOT RUN: written without Vivado at hand, for 2022.2 or later; names of IP parameters may differ between its releases. The result is
# build/vivado/artix7-xdma/kv_artix7_xdma.bit. Run it in the repository's root.

if {$argc < 1} { error "usage: build.tcl XDC \[PART \[MHZ\]\]" }
set xdc [file normalize [lindex $argv 0]]
set part [expr {$argc > 1 ? [lindex $argv 1] : "xc7a200tfbg484-2"}]
set mhz [expr {$argc > 2 ? [lindex $argv 2] : 62.5}]
if {![file exists $xdc]} { error "$xdc: no such constraint file" }

set here hdl/syn/artix7-xdma
set sources {}
foreach f [split [string trim [read [set c [open hdl/rtl/files.f]]]] "\n"] { lappend sources hdl/rtl/$f }
close $c
# BUILD_HASH as of the other builds: the start of the SHA-256 of the engine's sources.
set hash [string range [exec cat {*}$sources | sha256sum] 0 7]

create_project -force kv_artix7_xdma build/vivado/artix7-xdma -part $part
add_files -norecurse $sources
set_property file_type SystemVerilog [get_files *.sv]
add_files -norecurse $here/kv_xdma_engine.v
add_files -fileset constrs_1 -norecurse $xdc
update_compile_order -fileset sources_1

create_bd_design kv
create_bd_cell -type ip -vlnv xilinx.com:ip:xdma xdma
set_property -dict [list \
  CONFIG.functional_mode {DMA} \
  CONFIG.pl_link_cap_max_link_width {X4} \
  CONFIG.pl_link_cap_max_link_speed {5.0_GT/s} \
  CONFIG.axi_data_width {128_bit} \
  CONFIG.axisten_freq {125} \
  CONFIG.xdma_axi_intf_mm {AXI_Stream} \
  CONFIG.xdma_rnum_chnl {1} \
  CONFIG.xdma_wnum_chnl {1} \
  CONFIG.axilite_master_en {true} \
  CONFIG.axilite_master_size {64} \
  CONFIG.axilite_master_scale {Kilobytes} \
  CONFIG.xdma_num_usr_irq {1} \
] [get_bd_cells xdma]

create_bd_cell -type ip -vlnv xilinx.com:ip:util_ds_buf refclk
set_property CONFIG.C_BUF_TYPE IBUFDSGTE [get_bd_cells refclk]
create_bd_cell -type ip -vlnv xilinx.com:ip:clk_wiz clock
set_property -dict [list CONFIG.PRIM_IN_FREQ 125 CONFIG.PRIM_SOURCE {No_buffer} CONFIG.CLKOUT1_REQUESTED_OUT_FREQ $mhz \
  CONFIG.USE_RESET {false}] [get_bd_cells clock]
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset
create_bd_cell -type ip -vlnv xilinx.com:ip:axis_clock_converter to_engine
create_bd_cell -type ip -vlnv xilinx.com:ip:axis_clock_converter to_host
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_clock_converter registers
create_bd_cell -type module -reference kv_xdma_engine engine
set_property CONFIG.BUILD_HASH "0x$hash" [get_bd_cells engine]

# The card's pins
create_bd_intf_port -mode Slave -vlnv xilinx.com:interface:diff_clock_rtl:1.0 pcie_refclk
create_bd_intf_port -mode Master -vlnv xilinx.com:interface:pcie_7x_mgt_rtl:1.0 pcie_x4
create_bd_port -dir I -type rst pcie_perst_n
set_property CONFIG.POLARITY ACTIVE_LOW [get_bd_ports pcie_perst_n]
connect_bd_intf_net [get_bd_intf_ports pcie_refclk] [get_bd_intf_pins refclk/CLK_IN_D]
connect_bd_intf_net [get_bd_intf_ports pcie_x4] [get_bd_intf_pins xdma/pcie_mgt]
connect_bd_net [get_bd_pins refclk/IBUF_OUT] [get_bd_pins xdma/sys_clk]
connect_bd_net [get_bd_ports pcie_perst_n] [get_bd_pins xdma/sys_rst_n]

# Clocks and resets: XDMA's on one side of the converters, the engine's on the other
connect_bd_net [get_bd_pins xdma/axi_aclk] [get_bd_pins clock/clk_in1] [get_bd_pins engine/host_aclk] [get_bd_pins to_engine/s_axis_aclk] \
  [get_bd_pins to_host/m_axis_aclk] [get_bd_pins registers/s_axi_aclk]
connect_bd_net [get_bd_pins xdma/axi_aresetn] [get_bd_pins reset/ext_reset_in] [get_bd_pins to_engine/s_axis_aresetn] \
  [get_bd_pins to_host/m_axis_aresetn] [get_bd_pins registers/s_axi_aresetn]
connect_bd_net [get_bd_pins clock/clk_out1] [get_bd_pins reset/slowest_sync_clk] [get_bd_pins engine/aclk] \
  [get_bd_pins to_engine/m_axis_aclk] [get_bd_pins to_host/s_axis_aclk] [get_bd_pins registers/m_axi_aclk]
connect_bd_net [get_bd_pins clock/locked] [get_bd_pins reset/dcm_locked]
connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins engine/aresetn] [get_bd_pins to_engine/m_axis_aresetn] \
  [get_bd_pins to_host/s_axis_aresetn] [get_bd_pins registers/m_axi_aresetn]

# Streams, registers, interrupt
connect_bd_intf_net [get_bd_intf_pins xdma/M_AXIS_H2C_0] [get_bd_intf_pins to_engine/S_AXIS]
connect_bd_intf_net [get_bd_intf_pins to_engine/M_AXIS] [get_bd_intf_pins engine/s_axis]
connect_bd_intf_net [get_bd_intf_pins engine/m_axis] [get_bd_intf_pins to_host/S_AXIS]
connect_bd_intf_net [get_bd_intf_pins to_host/M_AXIS] [get_bd_intf_pins xdma/S_AXIS_C2H_0]
connect_bd_intf_net [get_bd_intf_pins xdma/M_AXI_LITE] [get_bd_intf_pins registers/S_AXI]
connect_bd_intf_net [get_bd_intf_pins registers/M_AXI] [get_bd_intf_pins engine/s_axil]
connect_bd_net [get_bd_pins engine/irq] [get_bd_pins xdma/usr_irq_req]
assign_bd_address
foreach s [get_bd_addr_segs -of_objects [get_bd_addr_spaces xdma/M_AXI_LITE]] { set_property offset 0x0 $s; set_property range 64K $s }

validate_bd_design
save_bd_design
make_wrapper -files [get_files kv.bd] -top -import
set_property top kv_wrapper [current_fileset]


launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
open_run impl_1
set slack [get_property SLACK [get_timing_paths -setup]]
if {$slack < 0} { error "timing is missed by [expr {-$slack}] ns: give a lower MHZ" }
report_utilization -file build/vivado/artix7-xdma/utilization.txt
file copy -force [glob build/vivado/artix7-xdma/kv_artix7_xdma.runs/impl_1/*.bit] build/vivado/artix7-xdma/kv_artix7_xdma.bit
puts "build/vivado/artix7-xdma/kv_artix7_xdma.bit, build $hash, $slack ns to spare"
