// Package layers holds the lines between the parts: who may import whom.
package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/kvaccel/kvaccel/"

// allowed lists, for each part, the parts that its non-test code may import.
// A part is the longest prefix found here.
var allowed = map[string][]string{
	"docs":               {},
	"hdl":                {},
	"internal":           {},
	"driver/regmap":      {},
	"driver/regmap/gen":  {"driver/regmap/spec"},
	"driver/regmap/spec": {},
	"driver/packet":      {"driver/regmap"},
	"driver":             {"driver/regmap"},
	"driver/rtl":         {"driver", "driver/regmap", "driver/packet", "internal"},
	"driver/usbip":       {},
	"driver/flash/dfu":   {},
	"driver/flash":       {"driver", "driver/regmap", "driver/flash/dfu", "driver/udev"},
	"driver/virtual":     {"driver/usbip", "driver/flash/dfu"},
	"driver/wire":        {"driver/regmap"},
	"driver/link":        {"driver", "driver/regmap", "driver/packet", "driver/wire"},
	"driver/udev":        {"driver"},
	"driver/pcie":        {"driver", "driver/regmap", "driver/packet", "driver/udev"},
	"driver/usb":         {"driver", "driver/regmap", "driver/link", "driver/udev"},
	"driver/uart":        {"driver", "driver/regmap", "driver/link", "driver/udev"},
	"driver/replay":      {"driver", "driver/regmap"},
	"driver/fault":       {"driver", "driver/regmap", "driver/packet"},
	"driver/drivertest":  {"driver", "driver/regmap", "driver/packet", "internal"},
	"emulator":           {"driver", "driver/regmap", "driver/packet", "internal"},
	"host":               {"driver", "driver/regmap", "driver/packet", "hdl", "internal"},
	"cmd":                {"hdl", "driver", "driver/regmap", "driver/packet", "driver/rtl", "driver/wire", "driver/link", "driver/udev", "driver/pcie", "driver/usb", "driver/uart", "driver/replay", "driver/fault", "driver/usbip", "driver/virtual", "driver/flash", "driver/flash/dfu", "emulator", "host", "internal"},
	"verification":       {"driver", "driver/usbip", "driver/virtual", "driver/flash", "driver/flash/dfu", "driver/regmap", "driver/regmap/spec", "driver/packet", "driver/rtl", "driver/wire", "driver/link", "driver/udev", "driver/pcie", "driver/usb", "driver/uart", "driver/replay", "driver/fault", "driver/drivertest", "emulator", "host", "internal"},

	// For tests alone:
	"host/hosttest":        {"driver", "emulator", "host"},
	"host/sweep/sweeptest": {"driver", "emulator", "host"},
}

func part(path string) string {
	path = strings.TrimPrefix(path, module)
	for p := path; p != ""; {
		if _, ok := allowed[p]; ok {
			return p
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return ""
}

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		from := part(pkg.ImportPath)
		if from == "" {
			t.Errorf("%s belongs to no part: add it to the table", pkg.ImportPath)
			continue
		}
		ok := map[string]bool{from: true}
		for _, p := range allowed[from] {
			ok[p] = true
		}
		for _, imp := range pkg.Imports {
			if strings.HasPrefix(imp, module) && !ok[part(imp)] {
				t.Errorf("%s must not import %s", strings.TrimPrefix(pkg.ImportPath, module), strings.TrimPrefix(imp, module))
			}
			if (imp == "C" || imp == "unsafe") && from != "driver/usb" && from != "driver/pcie" {
				t.Errorf("%s imports %q: cgo and unsafe live in driver/usb and driver/pcie only", pkg.ImportPath, imp)
			}
		}
	}
	if seen < 5 {
		t.Fatalf("go list named only %d packages", seen)
	}
}
