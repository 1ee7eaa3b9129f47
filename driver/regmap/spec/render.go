package spec

import (
	"bytes"
	"fmt"
	"go/format"
	"hash/fnv"
	"strings"
	"unicode"
)

// File is one generated file, its path relative to the module root.
type File struct {
	Path string
	Text []byte
}

// Files renders every generated file.
func Files() ([]File, error) {
	goText, err := format.Source(renderGo())
	if err != nil {
		return nil, err
	}
	return []File{
		{"driver/regmap/generated.go", goText},
		{"hdl/rtl/kv_pkg.sv", renderVerilog()},
		{"hdl/rtl/link/kv_link_pkg.sv", renderLinkVerilog()},
		{"docs/reference/regmap.md", renderDoc()},
	}, nil
}

// ID is the hash of the ABI part: names, addresses, positions and values, and
// neither prose nor latencies.
func ID() uint32 {
	h := fnv.New32a()
	for _, e := range families() {
		if !e.ABI {
			continue
		}
		for _, v := range e.Values {
			fmt.Fprintf(h, "%s %s %d\n", e.Prefix, v.Name, v.Value)
		}
	}
	for _, r := range Registers {
		fmt.Fprintf(h, "reg %s %d %s\n", r.Name, r.Addr, r.Access)
	}
	for _, hd := range Headers {
		for _, f := range hd.Fields {
			fmt.Fprintf(h, "%s %s %d %d %d\n", hd.Name, f.Name, f.Word, f.Low, f.Width)
		}
	}
	return h.Sum32()
}

func families() []Enum {
	return append([]Enum{Limits, Timing}, Enums...)
}

func (c Const) literal() string {
	if c.Hex {
		return fmt.Sprintf("0x%X", c.Value)
	}
	return fmt.Sprint(c.Value)
}

// upper turns CamelCase into UPPER_CASE, keeping runs of capitals together.
func upper(s string) string {
	var b strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(rs[i-1]) || (i+1 < len(rs) && unicode.IsLower(rs[i+1]))) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

func verilogName(prefix, name string) string {
	if prefix == "" {
		return upper(name)
	}
	return upper(prefix) + "_" + upper(name)
}

const stamp = "Generated from driver/regmap/spec by go generate ./driver/regmap; do not edit."

func renderGo() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code %s DO NOT EDIT.\n\npackage regmap\n\n", strings.ToLower(stamp[:1])+strings.TrimSuffix(stamp[1:], "; do not edit.")+".")
	fmt.Fprintf(&b, "// SpecID is the hash of the ABI part of the specification.\nconst SpecID = 0x%08X\n\n", ID())
	for _, e := range append(families(), Links...) {
		fmt.Fprintf(&b, "// %s\nconst (\n", e.Doc)
		for _, v := range e.Values {
			fmt.Fprintf(&b, "\t%s%s = %s // %s\n", e.Prefix, v.Name, v.literal(), v.Doc)
		}
		fmt.Fprint(&b, ")\n\n")
		if e.Prefix == "" || !e.ABI {
			continue
		}
		fmt.Fprintf(&b, "// %sCodes names them.\nvar %sCodes = Codes{\n", e.Prefix, e.Prefix)
		for _, v := range e.Values {
			fmt.Fprintf(&b, "\t{%d, %q, %q},\n", v.Value, upper(v.Name), v.Doc)
		}
		fmt.Fprint(&b, "}\n\n")
	}
	fmt.Fprint(&b, "// Register byte addresses.\nconst (\n")
	for _, r := range Registers {
		fmt.Fprintf(&b, "\tReg%s = 0x%03X // %s: %s\n", r.Name, r.Addr, r.Access, r.Doc)
	}
	fmt.Fprint(&b, ")\n\n// Registers lists the register map in address order.\nvar Registers = []Register{\n")
	for _, r := range Registers {
		fmt.Fprintf(&b, "\t{%q, 0x%03X, %q, %q},\n", upper(r.Name), r.Addr, r.Access, r.Doc)
	}
	fmt.Fprint(&b, "}\n\n")
	for _, h := range Headers {
		fmt.Fprintf(&b, "// %s\nvar (\n", h.Doc)
		for _, f := range h.Fields {
			fmt.Fprintf(&b, "\t%s%s = Field{Word: %d, Low: %d, Width: %d} // %s\n", h.Name, f.Name, f.Word, f.Low, f.Width, f.Doc)
		}
		fmt.Fprint(&b, ")\n\n")
	}
	return b.Bytes()
}

func renderVerilog() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// %s\n//\n// Registers, packet headers, codes, limits and latencies of the engine.\n// A header field NAME is bits NAME_LSB +: NAME_W of the 256-bit header.\n\n// No engine build uses all of them.\n// verilator lint_off UNUSEDPARAM\npackage kv_pkg;\n\n", stamp)
	fmt.Fprintf(&b, "  localparam logic [31:0] SPEC_ID = 32'h%08X;\n\n", ID())
	verilogEnums(&b, families())
	fmt.Fprint(&b, "  // Register byte addresses.\n")
	for _, r := range Registers {
		fmt.Fprintf(&b, "  localparam logic [11:0] %s = 12'h%03X;  // %s: %s\n", verilogName("Reg", r.Name), r.Addr, r.Access, r.Doc)
	}
	b.WriteByte('\n')
	for _, h := range Headers {
		fmt.Fprintf(&b, "  // %s\n", h.Doc)
		for _, f := range h.Fields {
			n := verilogName(h.Name, f.Name)
			fmt.Fprintf(&b, "  localparam int unsigned %s_LSB = %d, %s_W = %d;  // %s\n", n, 32*f.Word+f.Low, n, f.Width, f.Doc)
		}
		b.WriteByte('\n')
	}
	fmt.Fprint(&b, "endpackage\n")
	return b.Bytes()
}

// renderLinkVerilog is a package of its own: an engine without a byte link
// does not need it.
func renderLinkVerilog() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// %s\n//\n// Frames of the byte links (docs/link.md).\n\n// verilator lint_off UNUSEDPARAM\npackage kv_link_pkg;\n\n", stamp)
	verilogEnums(&b, Links)
	fmt.Fprint(&b, "endpackage\n")
	return b.Bytes()
}

func verilogEnums(b *bytes.Buffer, enums []Enum) {
	for _, e := range enums {
		fmt.Fprintf(b, "  // %s\n", e.Doc)
		for _, v := range e.Values {
			lit := fmt.Sprint(v.Value)
			if v.Hex {
				lit = fmt.Sprintf("32'h%X", v.Value)
			}
			fmt.Fprintf(b, "  localparam int unsigned %s = %s;  // %s\n", verilogName(e.Prefix, v.Name), lit, v.Doc)
		}
		b.WriteByte('\n')
	}
}

func renderDoc() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Register map and packets\n\n%s\n\nSPEC_ID `%#08x`, ABI version %d. All numbers are little-endian.\n\n", stamp, ID(), ABIVersion)
	fmt.Fprint(&b, "## Registers\n\n| address | name | access | meaning |\n|---|---|---|---|\n")
	for _, r := range Registers {
		fmt.Fprintf(&b, "| `0x%03X` | %s | %s | %s |\n", r.Addr, upper(r.Name), r.Access, r.Doc)
	}
	fmt.Fprint(&b, "\n## Packet headers\n\n")
	for _, h := range Headers {
		fmt.Fprintf(&b, "%s Bits that no field names are 0.\n\n| word | bits | field | read by | meaning |\n|---|---|---|---|---|\n", h.Doc)
		for _, f := range h.Fields {
			who := f.Commands
			if who == "" {
				who = "all"
			}
			fmt.Fprintf(&b, "| %d | %d:%d | %s | %s | %s |\n", f.Word, f.Low+f.Width-1, f.Low, f.Name, who, f.Doc)
		}
		b.WriteByte('\n')
	}
	fmt.Fprint(&b, "## Codes, limits and latencies\n\n")
	for _, e := range append(families(), Links...) {
		if len(Links) > 0 && e.Prefix == Links[0].Prefix {
			fmt.Fprint(&b, "## Byte links\n\nThe [frames](../link.md) between a host and a board; not in SPEC_ID.\n\n")
		}
		fmt.Fprintf(&b, "%s\n\n| name | value | meaning |\n|---|---|---|\n", e.Doc)
		for _, v := range e.Values {
			fmt.Fprintf(&b, "| %s%s | %s | %s |\n", e.Prefix, v.Name, v.literal(), v.Doc)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
