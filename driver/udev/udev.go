// Package udev has the rules that let people open boards without being root, and
// the error that says which of them is missing.
//
// The file must sort before 71-seat.rules, where the tag uaccess is acted on:
// that gives access to whoever sits at the machine. Somebody who came by SSH does
// not, so every rule names a group too.
package udev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
)

// Path is where the rules belong.
const Path = "/etc/udev/rules.d/70-kvaccel.rules"

// Group is the group that may open boards beside whoever sits at the machine.
const Group = "plugdev"

// ID is a USB vendor and product that a board of kvaccel may have.
type ID struct {
	Vendor, Product uint16
	Name            string
}

// IDs lists them.
var IDs = []ID{
	{0x1209, 0x5af0, "kvaccel, native USB"},
	{0x0403, 0x6014, "FTDI FT232H"},
	{0x0403, 0x6010, "FTDI FT2232H"},
	{0x0403, 0x6001, "FTDI FT232R"},
	{0x0403, 0x6015, "FTDI FT-X (ULX3S)"},
	{0x0403, 0x601e, "FTDI FT600"},
	{0x0403, 0x601f, "FTDI FT601"},
	{0x1d50, 0x614b, "ULX3S bootloader (DFU)"},
	{0x1209, 0x5bf0, "Fomu bootloader (DFU)"},
}

const access = `MODE="0660", GROUP="` + Group + `", TAG+="uaccess"`

// USB is the rule for the USB devices of one vendor and product.
func USB(vendor, product uint16) string {
	return fmt.Sprintf(`SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="%04x", ATTR{idProduct}=="%04x", %s`, vendor, product, access)
}

// TTY is the rule for the serial ports of one vendor and product.
func TTY(vendor, product uint16) string {
	return fmt.Sprintf(`SUBSYSTEM=="tty", ATTRS{idVendor}=="%04x", ATTRS{idProduct}=="%04x", %s`, vendor, product, access)
}

// XDMA is the rule for the character devices of the Xilinx DMA core.
func XDMA() string { return `SUBSYSTEM=="xdma", KERNEL=="xdma[0-9]*", ` + access }

// File is the whole rules file.
func File() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Boards of kvaccel, for members of %s and whoever sits at the machine.\n", Group)
	fmt.Fprintf(&b, "# This file must sort before 71-seat.rules. Written by kvaccel udev.\n")
	fmt.Fprintf(&b, "ACTION==\"remove\", GOTO=\"kvaccel_end\"\n")
	for _, id := range IDs {
		fmt.Fprintf(&b, "\n# %s\n%s\n", id.Name, USB(id.Vendor, id.Product))
		if id.Vendor == 0x0403 {
			fmt.Fprintf(&b, "%s\n", TTY(id.Vendor, id.Product))
		}
	}
	fmt.Fprintf(&b, "\n# Xilinx DMA core over PCIe\n%s\n\nLABEL=\"kvaccel_end\"\n", XDMA())
	return b.String()
}

// Denied says that a device node may not be opened and what would change that.
// It is a driver.ErrAccess.
func Denied(node, rule string, cause error) error {
	mode := "mode unknown"
	if st, err := os.Stat(node); err == nil {
		mode = fmt.Sprintf("mode %04o%s", st.Mode().Perm(), owner(st))
	}
	return fmt.Errorf(`%w: %s (%s): %w
  this rule, in %s, gives access to the group %s and to whoever sits at the machine:
    %s
  "kvaccel udev --install" writes it (as root); then plug the board in again.
  Over SSH only the group counts: "sudo usermod -aG %s $USER", and log in again`,
		driver.ErrAccess, node, mode, cause, Path, Group, rule, Group)
}

// Explain says in the terms of package driver why a node could not be opened.
func Explain(node, rule string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Denied(node, rule, err)
	case errors.Is(err, fs.ErrNotExist), isGone(err):
		return fmt.Errorf("%w: %w", driver.ErrNotFound, err)
	case isBusy(err):
		return fmt.Errorf("%w: %w", driver.ErrBusy, err)
	}
	return err
}
