// CRC-32 of the byte link, one byte a step (docs/link.md, section 1).
//
// crc_o is crc_i with data_i worked in, bits of the byte least significant first. Start from all
// ones; the CRC to send is the inverse of the last crc_o, least significant byte first. After a frame and its
// CRC the register is Residue. Combinational, no ties, no overflow.
module kv_link_crc (
    input  logic [31:0] crc_i,
    input  logic [ 7:0] data_i,
    output logic [31:0] crc_o
);

  localparam logic [31:0] Polynomial = 32'hEDB8_8320;  // 04C11DB7, mirrored

  always_comb begin
    crc_o = crc_i ^ {24'b0, data_i};
    for (int i = 0; i < 8; i++) crc_o = {1'b0, crc_o[31:1]} ^ (crc_o[0] ? Polynomial : 32'b0);
  end

endmodule
