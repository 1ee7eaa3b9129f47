package bitstream

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// xilinxFile makes a .bit file as Vivado writes it.
func xilinxFile(part string, data []byte) []byte {
	b := append([]byte{}, xilinxHeader...)
	for i, v := range []string{"top;UserID=0XFFFFFFFF;Version=2023.2", part, "2026/01/02", "03:04:05"} {
		b = append(b, "abcd"[i])
		b = binary.BigEndian.AppendUint16(b, uint16(len(v)+1))
		b = append(append(b, v...), 0)
	}
	return append(binary.BigEndian.AppendUint32(append(b, 'e'), uint32(len(data))), data...)
}

var xilinxData = append(bytes.Repeat([]byte{0xff}, 32), 0xaa, 0x99, 0x55, 0x66, 0x20, 0, 0, 0)

func TestParse(t *testing.T) {
	for name, want := range map[string]Bitstream{
		"ecp5-25f.bit":            {Format: ECP5, Part: "LFE5U-25F", IDCODE: 0x41111043, Checked: true},
		"ecp5-25f-compressed.bit": {Format: ECP5, Part: "LFE5U-25F", IDCODE: 0x41111043},
		"ecp5-25f-ram.bit":        {Format: ECP5, Part: "LFE5U-25F", IDCODE: 0x41111043, Checked: true},
		"ice40-up5k.bin":          {Format: ICE40, Part: "iCE40UP5K/U4K", Checked: true},
		// The user code stands between the frames and the block RAM.
		"ecp5-25f-compressed-ram.bit": {Format: ECP5, Part: "LFE5U-25F", IDCODE: 0x41111043, UserCode: 0x12345678},
	} {
		got, err := Parse(sample(t, name))
		if err != nil || got.Format != want.Format || got.Part != want.Part || got.IDCODE != want.IDCODE || got.UserCode != want.UserCode || got.Checked != want.Checked {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	got, err := Parse(xilinxFile("7a35ticsg324", xilinxData))
	if err != nil || got.Part != "7a35ticsg324" || got.IDCODE != 0x0362d093 || got.Design != "top" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestComments(t *testing.T) {
	b := sample(t, "ecp5-25f.bit")
	with := append([]byte("\xff\x00Part: LFE5U-25F-6CABGA381\x00kvaccel\x00"), b[2:]...)
	got, err := Parse(with)
	if err != nil || strings.Join(got.Comments, "|") != "Part: LFE5U-25F-6CABGA381|kvaccel" {
		t.Errorf("%q, %v", got.Comments, err)
	}
}

// TestTruncated cuts each sample at many places: none may pass.
func TestTruncated(t *testing.T) {
	files := map[string][]byte{"xilinx": xilinxFile("7a35ticsg324", xilinxData)}
	for _, name := range []string{"ecp5-25f.bit", "ecp5-25f-compressed.bit", "ecp5-25f-compressed-ram.bit", "ecp5-25f-ram.bit", "ice40-up5k.bin"} {
		files[name] = sample(t, name)
	}
	for name, b := range files {
		end := len(bytes.TrimRight(b, "\xff\x00")) // padding may be missing
		for i := range 100 {
			n := end * i / 100
			if _, err := Parse(b[:n]); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

// TestDamaged flips bits in what a CRC covers.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"ecp5-25f.bit", "ice40-up5k.bin"} {
		for i := range 100 {
			b := sample(t, name)
			at := 100 + (len(b)-400)*i/100
			b[at] ^= 1 << (i % 8)
			if _, err := Parse(b); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s with byte %#x changed: %v", name, at, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	ecp5 := sample(t, "ecp5-25f.bit")
	id := bytes.Index(ecp5, []byte{0x41, 0x11, 0x10, 0x43})
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty":        {nil, "empty"},
		"text":         {[]byte(".comment arachne\n.device 5k\n"), "icepack"},
		"program":      {[]byte("\x7fELF\x02\x01"), "program"},
		"noise":        {bytes.Repeat([]byte{0x12, 0x34}, 1000), "no preamble"},
		"unknown part": {append(append(append([]byte{}, ecp5[:id]...), 0x12, 0x34, 0x56, 0x78), ecp5[id+4:]...), "IDCODE 0x12345678"},
		"other size":   {append(append(append([]byte{}, ecp5[:id]...), 0x41, 0x11, 0x30, 0x43), ecp5[id+4:]...), "frames"},
		"appended":     {append(append([]byte{}, ecp5...), 1, 2, 3), "after the end"},
		"xilinx":       {append(xilinxFile("7a35ticsg324", xilinxData), 0), "the header says"},
		"no sync":      {xilinxFile("7a35ticsg324", make([]byte, 100)), "sync word"},
	} {
		if _, err := Parse(c.file); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a word on %q", name, err, c.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"ecp5-25f.bit", "ecp5-25f-compressed.bit", "ice40-up5k.bin"} {
		b := sample(f, name)
		f.Add(append(append([]byte{}, b[:200]...), b[len(b)-64:]...))
	}
	f.Add(xilinxFile("7a35ticsg324", xilinxData))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("untyped error %v", err)
		}
		if err == nil && s.Part == "" && s.Format != Xilinx {
			t.Fatalf("accepted %+v", s)
		}
	})
}
