package upkeep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/udev"
	"github.com/kvaccel/kvaccel/driver/usb"
)

// States of a check.
const (
	good    = "ok"
	note    = "note" // something is missing that not everybody needs
	bad     = "FAIL"
	skipped = "-"
)

// Check is one thing that doctor looked at.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, note, FAIL or -
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do next

	err error
}

// NewDoctor builds "kvaccel doctor".
func NewDoctor(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out why a device does not work, and what to do",
		Long: `doctor looks at what drivers need (libusb, udev rules, groups, kernel modules, device nodes),
opens the device of -d and checks that its engine answers and was built from the same
register map as this program. Each line that is not ok says what to do next. The exit code
is that of opening the device.`,
		Example: "  kvaccel doctor\n  kvaccel doctor -d usb:\n  kvaccel doctor -d xdma:0 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks := examine(cmd.Context(), env)
			var failed error
			for _, c := range checks {
				if c.State == bad && failed == nil {
					failed = c.err
				}
			}
			if err := show(env, checks); err != nil {
				return err
			}
			return failed
		},
	}
}

func show(env *cli.Env, checks []Check) error {
	if env.JSON {
		return env.PrintJSON(map[string]any{"schema_version": cli.SchemaVersion, "device": env.Device, "checks": checks})
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	for _, c := range checks {
		first, rest, _ := strings.Cut(c.Found, "\n")
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.State, c.Name, first)
		for _, more := range []string{rest, c.Advice} {
			for line := range strings.SplitSeq(more, "\n") {
				if line != "" {
					fmt.Fprintf(w, "\t\t  %s\n", strings.TrimSpace(line))
				}
			}
		}
	}
	return w.Flush()
}

// examine makes all checks. Only those of the device asked for can fail.
func examine(ctx context.Context, env *cli.Env) []Check {
	root := rootDir{"/"}
	checks := []Check{usbBuild(), root.usbMemory(), root.rules(), groups(), root.xdma()}
	checks = append(checks, boards(ctx, env)...)
	return append(checks, engine(ctx, env)...)
}

// rootDir is where the files of the system are.
type rootDir struct{ path string }

func (r rootDir) join(path string) string { return filepath.Join(r.path, path) }

func usbBuild() Check {
	c := Check{Name: "USB in this build", State: good, Found: "yes"}
	if !usb.Built {
		c.State, c.Found = note, "no"
		c.Advice = "for boards on USB: apt install libusb-1.0-0-dev pkg-config gcc, then make kvaccel"
	}
	return c
}

func (r rootDir) usbMemory() Check {
	const path = "/sys/module/usbcore/parameters/usbfs_memory_mb"
	c := Check{Name: "USB transfer memory", State: skipped, Found: "this kernel has no USB"}
	b, err := os.ReadFile(r.join(path))
	if err != nil {
		return c
	}
	c.State, c.Found = good, strings.TrimSpace(string(b))+" MB for all devices"
	if mb, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && mb != 0 && mb < 16 {
		c.State, c.Advice = note, "transfers may fail for want of memory: echo 16 > "+path+", or smaller size= and depth="
	}
	return c
}

func (r rootDir) rules() Check {
	c := Check{Name: "udev rules", State: note, Advice: "sudo kvaccel udev --install"}
	b, err := os.ReadFile(r.join(udev.Path))
	switch {
	case err != nil:
		c.Found = udev.Path + " is not there"
	case string(b) != udev.File():
		c.Found = udev.Path + " is of another version"
	default:
		return Check{Name: c.Name, State: good, Found: udev.Path}
	}
	return c
}

func groups() Check {
	c := Check{Name: "group " + udev.Group, State: skipped, Found: "root needs none"}
	if os.Geteuid() == 0 {
		return c
	}
	c.State, c.Found = note, "you are not in it"
	c.Advice = fmt.Sprintf("over SSH only the group counts: sudo usermod -aG %s $USER, and log in again", udev.Group)
	g, err := user.LookupGroup(udev.Group)
	if err != nil {
		c.Found = "there is no such group"
		c.Advice = "sudo groupadd --system " + udev.Group + "; " + c.Advice
		return c
	}
	in, err := os.Getgroups()
	if id, convErr := strconv.Atoi(g.Gid); err == nil && convErr == nil && slices.Contains(in, id) {
		return Check{Name: c.Name, State: good, Found: "you are in it"}
	}
	return c
}

func (r rootDir) xdma() Check {
	c := Check{Name: "XDMA driver", State: skipped, Found: "not loaded"}
	if _, err := os.Stat(r.join("/sys/module/xdma")); err != nil {
		if cards, _ := filepath.Glob(r.join("/sys/bus/pci/devices/*/vendor")); anyXilinx(cards) {
			c.State, c.Found = note, "not loaded, and there is a Xilinx card"
			c.Advice = "build and load the XDMA driver (docs/pcie.md), or look at the card with -d pci:BDF as root"
		}
		return c
	}
	nodes, err := filepath.Glob(r.join("/dev/xdma*_user"))
	if err != nil || len(nodes) == 0 {
		c.State, c.Found = note, "loaded, and has no card with registers"
		c.Advice = "is the bitstream loaded? Then remove and rescan the card (docs/pcie.md); see dmesg"
		return c
	}
	c.State, c.Found = good, fmt.Sprintf("loaded, %d cards", len(nodes))
	return c
}

func anyXilinx(vendors []string) bool {
	return slices.ContainsFunc(vendors, func(path string) bool {
		b, err := os.ReadFile(path)
		return err == nil && strings.TrimSpace(string(b)) == "0x10ee"
	})
}

// boards are what the drivers find.
func boards(ctx context.Context, env *cli.Env) (checks []Check) {
	for _, scheme := range env.Devices.Schemes() {
		list := env.Devices.Lister(scheme)
		if list == nil || scheme == "usb" && !usb.Built {
			continue
		}
		found, err := list(ctx)
		name := scheme + ": boards"
		if err != nil {
			checks = append(checks, Check{Name: name, State: note, Found: err.Error()})
			continue
		}
		if len(found) == 0 {
			checks = append(checks, Check{Name: name, State: skipped, Found: "none found"})
		}
		for _, b := range found {
			c := Check{Name: name, State: good, Found: b.Description, Advice: "-d '" + b.URI + "'"}
			if b.Problem != "" {
				c.State, c.Found = note, b.Description+": "+b.Problem
				c.Advice = "kvaccel doctor -d '" + b.URI + "' says more"
				if strings.HasPrefix(b.Problem, "no permission") {
					c.Advice = "sudo kvaccel udev --install, then plug it in again; " + c.Advice
				}
			}
			checks = append(checks, c)
		}
	}
	return checks
}

// engine opens the device and has a look at its engine.
func engine(ctx context.Context, env *cli.Env) []Check {
	name := "device " + env.Device
	d, err := env.Open(ctx)
	if err != nil {
		return []Check{{Name: name, State: bad, Found: err.Error(), Advice: advice(err), err: err}}
	}
	defer d.Close()
	info := d.Info()
	checks := []Check{
		{Name: name, State: good, Found: info.Description},
		{Name: "SPEC_ID", State: good, Found: fmt.Sprintf("%#08x, as in this program", info.SpecID)},
	}
	check := func(name string, found string, err error) {
		c := Check{Name: name, State: good, Found: found}
		if err != nil {
			c = Check{Name: name, State: bad, Found: err.Error(), Advice: advice(err), err: fmt.Errorf("%s: %w", name, err)}
		}
		checks = append(checks, c)
	}
	status, err := d.ReadReg(ctx, regmap.RegStatus)
	if err == nil && status>>regmap.StatResetting&1 != 0 {
		err = fmt.Errorf("%w: STATUS reads %#x, a reset does not end", driver.ErrTimeout, status)
	}
	check("status", fmt.Sprintf("%#x", status), err)
	errs, err := d.ReadReg(ctx, regmap.RegErrors)
	names := regmap.StCodes.Bits(errs)
	if len(names) == 0 {
		names = []string{"none"}
	}
	check("errors since cleared", strings.Join(names, " "), err)
	return checks
}

// advice is what to do about an error.
func advice(err error) string {
	for _, a := range []struct {
		is   error
		text string
	}{
		{driver.ErrOption, "see kvaccel --help for how -d is written"},
		{driver.ErrAmbiguous, "give one of those with -d"},
		{driver.ErrAccess, ""}, // the error has the rule
		{driver.ErrBusy, "end the other program (fuser -v NODE names it)"},
		{driver.ErrVersion, "flash a bitstream of this version (kvaccel flash), or use the program that it was made with"},
		{driver.ErrUnsupported, ""},
		{driver.ErrNotFound, "kvaccel list shows what there is; is the board powered, the bitstream loaded, the cable one with data?"},
		{driver.ErrDisconnected, "plug the board in again; for a PCIe card see docs/pcie.md"},
		{driver.ErrTimeout, "the board is there and its engine is silent: load the bitstream (kvaccel flash); is the part in the right mode?"},
		{driver.ErrProtocol, "what answers is no engine of this version: load the bitstream (kvaccel flash)"},
	} {
		if errors.Is(err, a.is) {
			return a.text
		}
	}
	return ""
}
