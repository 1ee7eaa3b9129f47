package usbip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// ErrImport is a device that the server does not hand out.
var ErrImport = errors.New("import refused")

// maxListed bounds what a server may claim to have.
const maxListed = 1024

// List asks a server for its devices.
func List(conn net.Conn) ([]Record, error) {
	if _, err := conn.Write(opHeader{Version, opRequest | opDevList, 0}.append(nil)); err != nil {
		return nil, err
	}
	return readList(conn)
}

func readList(r io.Reader) ([]Record, error) {
	h, err := readOpHeader(r)
	if err != nil {
		return nil, err
	}
	if h.code != opDevList || h.status != opOK {
		return nil, fmt.Errorf("%w: reply %#04x with status %d to a list", ErrWire, h.code, h.status)
	}
	var count [4]byte
	if _, err := io.ReadFull(r, count[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(count[:])
	if n > maxListed {
		return nil, fmt.Errorf("%w: a list of %d devices, at most %d are taken", ErrWire, n, maxListed)
	}
	var all []Record
	for range n {
		rec, err := readRecord(r)
		if err != nil {
			return nil, err
		}
		for range rec.NumInterfaces {
			var i [4]byte
			if _, err := io.ReadFull(r, i[:]); err != nil {
				return nil, err
			}
			rec.Interfaces = append(rec.Interfaces, [3]byte(i[:3]))
		}
		all = append(all, rec)
	}
	return all, nil
}

// Import takes a device. What follows on the connection are the commands of a
// host controller: hand it to the kernel's vhci-hcd.
func Import(conn net.Conn, busID string) (Record, error) {
	b := opHeader{Version, opRequest | opImport, 0}.append(nil)
	if _, err := conn.Write(append(b, fixed(busID, busIDBytes)...)); err != nil {
		return Record{}, err
	}
	h, err := readOpHeader(conn)
	switch {
	case err != nil:
		return Record{}, err
	case h.code != opImport:
		return Record{}, fmt.Errorf("%w: reply %#04x to an import", ErrWire, h.code)
	case h.status == opBusy:
		return Record{}, fmt.Errorf("%w: %s: another client has it", ErrImport, busID)
	case h.status != opOK:
		return Record{}, fmt.Errorf("%w: %s: status %d", ErrImport, busID, h.status)
	}
	return readRecord(conn)
}
