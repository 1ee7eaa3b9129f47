package usbip

import (
	"encoding/binary"
	"unicode/utf16"
)

// Descriptor types of chapter 9 of the USB specification.
const (
	descDevice    = 1
	descConfig    = 2
	descString    = 3
	descInterface = 4
	descEndpoint  = 5
)

// Descriptors is what a device says of itself: one configuration, any number
// of interfaces and alternate settings.
type Descriptors struct {
	Speed                    Speed
	Vendor, Product, Release uint16
	Manufacturer, Name       string
	Serial                   string
	Interfaces               []Interface
}

// Interface is one alternate setting of one interface.
type Interface struct {
	Number, Alternate         byte
	Class, SubClass, Protocol byte
	Name                      string
	Extra                     []byte // class descriptors, between interface and endpoints
	Endpoints                 []Endpoint
}

// Endpoint is a bulk endpoint. Bit 7 of the address is set for IN.
type Endpoint struct {
	Address   byte
	MaxPacket uint16
}

// strings lists the string descriptors from index 1.
func (d Descriptors) strings() []string {
	s := []string{d.Manufacturer, d.Name, d.Serial}
	for _, i := range d.Interfaces {
		s = append(s, i.Name)
	}
	return s
}

func (d Descriptors) index(i int) byte {
	if d.strings()[i] == "" {
		return 0
	}
	return byte(i + 1)
}

// device encodes the device descriptor.
func (d Descriptors) device() []byte {
	usb, ep0 := uint16(0x0200), byte(64)
	b := []byte{18, descDevice, byte(usb), byte(usb >> 8), 0, 0, 0, ep0}
	for _, v := range []uint16{d.Vendor, d.Product, d.Release} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return append(b, d.index(0), d.index(1), d.index(2), 1)
}

// configuration encodes the configuration with everything under it.
func (d Descriptors) configuration() []byte {
	b := []byte{9, descConfig, 0, 0, d.interfaces(), 1, 0, 0x80, 50}
	for n, i := range d.Interfaces {
		b = append(b, 9, descInterface, i.Number, i.Alternate, byte(len(i.Endpoints)), i.Class, i.SubClass, i.Protocol, d.index(3+n))
		b = append(b, i.Extra...)
		for _, e := range i.Endpoints {
			b = append(b, 7, descEndpoint, e.Address, 2, byte(e.MaxPacket), byte(e.MaxPacket>>8), 0)
		}
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// interfaces counts them, alternate settings not.
func (d Descriptors) interfaces() byte {
	var n byte
	for _, i := range d.Interfaces {
		if i.Alternate == 0 {
			n++
		}
	}
	return n
}

// str encodes string descriptor i; ok is false if there is none.
func (d Descriptors) str(i byte) (b []byte, ok bool) {
	if i == 0 {
		return []byte{4, descString, 0x09, 0x04}, true // English (United States)
	}
	all := d.strings()
	if int(i) > len(all) || all[i-1] == "" {
		return nil, false
	}
	b = []byte{0, descString}
	for _, u := range utf16.Encode([]rune(all[i-1])) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	b = b[:min(len(b), 254)]
	b[0] = byte(len(b))
	return b, true
}

// record is the device as the protocol lists it.
func (d Descriptors) record(busID string, bus, dev uint32) Record {
	r := Record{
		Path: "/sys/devices/virtual/kvaccel/usb" + busID, BusID: busID, BusNum: bus, DevNum: dev, Speed: d.Speed,
		Vendor: d.Vendor, Product: d.Product, Release: d.Release,
		Configuration: 1, Configurations: 1, NumInterfaces: d.interfaces(),
	}
	for _, i := range d.Interfaces {
		if i.Alternate == 0 {
			r.Interfaces = append(r.Interfaces, [3]byte{i.Class, i.SubClass, i.Protocol})
		}
	}
	return r
}
