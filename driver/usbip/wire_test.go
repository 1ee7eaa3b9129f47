package usbip

import (
	"bytes"
	"errors"
	"testing"
)

func TestCommandRoundTrip(t *testing.T) {
	for _, want := range []command{
		{code: cmdSubmit, seq: 7, devID: 0x10002, in: true, ep: 1, length: 512},
		{code: cmdSubmit, seq: 8, devID: 0x10002, ep: 15, flags: 2, length: 1 << 20, setup: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		{code: cmdUnlink, seq: 9, devID: 0x10002, unlink: 7},
	} {
		b := [headerBytes]byte(want.append(nil))
		got, err := decodeCommand(&b, 1<<20)
		want.flags, got.flags = 0, 0
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestCommandRefused(t *testing.T) {
	ok := command{code: cmdSubmit, seq: 1, ep: 1, length: 16}.append(nil)
	for name, at := range map[string]struct {
		offset int
		value  byte
	}{
		"code": {3, 9}, "direction": {15, 2}, "endpoint": {19, 16}, "negative length": {24, 0x80}, "long": {24, 1}, "isochronous": {35, 3},
	} {
		b := [headerBytes]byte(ok)
		b[at.offset] = at.value
		if _, err := decodeCommand(&b, 1<<20); !errors.Is(err, ErrWire) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecordLayout(t *testing.T) {
	r := Record{Path: "/p", BusID: "1-1", BusNum: 1, DevNum: 2, Speed: HighSpeed, Vendor: 0x1209, Product: 0x5af0, Release: 0x100, Class: 0xff, Configuration: 1, Configurations: 1, NumInterfaces: 1}
	b := r.append(nil)
	if len(b) != recordBytes || !bytes.Equal(b[288:], []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x12, 0x09, 0x5a, 0xf0, 1, 0, 0xff, 0, 0, 1, 1, 1}) {
		t.Errorf("record is % x", b[288:])
	}
	got, err := readRecord(bytes.NewReader(b))
	if err != nil || got.BusID != "1-1" || got.Product != 0x5af0 || got.DevID() != 0x10002 {
		t.Errorf("read %+v, %v", got, err)
	}
}

func FuzzCommand(f *testing.F) {
	f.Add(command{code: cmdSubmit, seq: 1, ep: 1, length: 16}.append(nil))
	f.Add(command{code: cmdUnlink, seq: 2, unlink: 1}.append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		var b [headerBytes]byte
		copy(b[:], p)
		c, err := decodeCommand(&b, 1<<20)
		if err != nil {
			if !errors.Is(err, ErrWire) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if c.length < 0 || c.length > 1<<20 || c.ep > 15 {
			t.Fatalf("accepted %+v", c)
		}
	})
}

func FuzzReplies(f *testing.F) {
	d := Descriptors{Vendor: 1, Interfaces: []Interface{{Class: 0xff}}}
	f.Add(append(append(opHeader{Version, opDevList, 0}.append(nil), 0, 0, 0, 1), append(d.record("1-1", 1, 2).append(nil), 0xff, 0, 0, 0)...))
	f.Add(reply{code: retSubmit, seq: 1, actual: 4}.append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		all, err := readList(bytes.NewReader(p))
		if err == nil && len(all) > len(p)/recordBytes {
			t.Fatalf("%d devices in %d bytes", len(all), len(p))
		}
		if len(p) >= headerBytes {
			b := [headerBytes]byte(p)
			if r, err := decodeReply(&b); err == nil && r.actual < 0 {
				t.Fatalf("accepted %+v", r)
			}
		}
	})
}
