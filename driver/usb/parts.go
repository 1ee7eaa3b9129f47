package usb

import (
	"fmt"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// FTDI's vendor requests and their values, as its application notes and every
// open driver have them.
const (
	ftdiReset     = 0x00
	ftdiSetFlow   = 0x02
	ftdiSetBaud   = 0x03
	ftdiSetData   = 0x04
	ftdiLatency   = 0x09
	ftdiBitMode   = 0x0b
	ftdiPurgeIn   = 1 // of ftdiReset: what the part has for the host
	ftdiPurgeOut  = 2
	ftdiFlowRTS   = 0x0100
	ftdiModeReset = 0x00
	ftdiModeFIFO  = 0x40
	ftdiData8N1   = 8

	ftdiStatusBytes = 2
)

// request is a control transfer to the device without data, and the rest it gives
// the part afterwards.
type request struct {
	request      uint8
	value, index uint16
	rest         time.Duration
}

// ftdiSetup brings a part into the mode of the options.
func ftdiSetup(p part, o options) ([]request, error) {
	port := uint16(0)
	if p.ports > 1 {
		port = uint16(o.port + 1)
	}
	list := []request{
		{ftdiReset, 0, port, 0},
		{ftdiBitMode, ftdiModeReset<<8 | 0xff, port, 10 * time.Millisecond},
		{ftdiLatency, uint16(o.latency), port, 0},
		{ftdiSetFlow, 0, port | ftdiFlowRTS, 0},
	}
	if o.uart {
		value, index, err := ftdiBaud(o.baud, p.fast)
		if err != nil {
			return nil, err
		}
		if p.ports > 1 || p.fast {
			index = index<<8 | port
		}
		list = append(list, request{ftdiSetBaud, value, index, 0}, request{ftdiSetData, ftdiData8N1, port, 0})
	} else {
		list = append(list, request{ftdiBitMode, ftdiModeFIFO<<8 | 0xff, port, 10 * time.Millisecond})
	}
	return append(list, request{ftdiReset, ftdiPurgeIn, port, 0}, request{ftdiReset, ftdiPurgeOut, port, 0}), nil
}

// ftdiBaud is the divisor of a baud rate in eighths, coded as the parts want it: 17
// bits, of which the 17th goes into index, where high-speed parts also have the
// choice of the 120 MHz clock (bit 1).
func ftdiBaud(baud int, fast bool) (value, index uint16, err error) {
	clock, high := 3000000, uint16(0)
	if fast && baud >= 1200 {
		clock, high = 12000000, 2
	}
	eighths := (16*clock/baud + 1) / 2
	if eighths < 8 || eighths >= 8<<14 {
		return 0, 0, fmt.Errorf("%w: baud=%d is beyond this part", driver.ErrOption, baud)
	}
	if real := 8 * clock / eighths; 100*abs(real-baud) > 3*baud {
		return 0, 0, fmt.Errorf("%w: baud=%d, the nearest that this part has is %d", driver.ErrOption, baud, real)
	}
	divisor := uint32(eighths/8) | [8]uint32{0, 3, 2, 4, 1, 5, 6, 7}[eighths%8]<<14
	switch divisor {
	case 1: // the two fastest have codes of their own
		divisor = 0
	case 1 | 1<<14:
		divisor = 1
	}
	return uint16(divisor), uint16(divisor>>16)&1 | high, nil
}

func abs(n int) int { return max(n, -n) }

// strip removes the two status bytes of every USB packet of a transfer, in place.
func strip(transfer []byte, packet int) []byte {
	kept := transfer[:0]
	for len(transfer) > 0 {
		p := transfer[:min(packet, len(transfer))]
		transfer = transfer[len(p):]
		if len(p) > ftdiStatusBytes {
			kept = append(kept, p[ftdiStatusBytes:]...)
		}
	}
	return kept
}
