package flash

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/kvaccel/kvaccel/driver/flash/bitstream"
	"github.com/kvaccel/kvaccel/driver/flash/board"
)

// parseCable takes xvc://HOST:PORT apart: a JTAG cable at the end of a network, served by a program that speaks the
// Xilinx Virtual Cable protocol.
func parseCable(s string) (host, port string, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "xvc" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return "", "", fmt.Errorf("%w: cable %q, want xvc://HOST:PORT", board.ErrRefused, s)
	}
	port = u.Port()
	if port == "" {
		port = "2542" // what such servers listen at
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%w: cable %q has port %q, want 1 to 65535", board.ErrRefused, s, port)
	}
	return u.Hostname(), port, nil
}

// checkCable fails with ErrRefused where a plan cannot go over the cable.
func checkCable(p Plan, o Options) error {
	if o.Cable == "" {
		return nil
	}
	switch _, _, err := parseCable(o.Cable); {
	case err != nil:
		return err
	case p.Method.Kind != board.Loader:
		return fmt.Errorf("%w: a cable is for openFPGALoader, %s is written by %s: --method %s", board.ErrRefused, p.Board.Name, p.Method.Kind, board.Loader)
	case p.Board.Format == bitstream.ICE40:
		return fmt.Errorf("%w: an iCE40 has no JTAG, so %s cannot be reached over %s", board.ErrRefused, p.Board.Name, o.Cable)
	case o.Serial != "":
		return fmt.Errorf("%w: a serial number is of a board on USB, not at the end of %s", board.ErrRefused, o.Cable)
	}
	return nil
}

// reach are openFPGALoader's arguments that say how it gets to the board.
func reach(p Plan, o Options) []string {
	args := []string{"--board", p.Method.Name}
	if host, port, err := parseCable(o.Cable); err == nil {
		return append(args, "--cable", "xvc-client", "--ip", host, "--port", port)
	}
	if o.Serial != "" {
		args = append(args, "--ftdi-serial", o.Serial)
	}
	return args
}
