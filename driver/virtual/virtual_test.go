package virtual

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver/usbip"
)

// mirror is a byte pipe that gives back what it gets.
func mirror() io.ReadWriteCloser {
	r, w := io.Pipe()
	return struct {
		io.Reader
		io.Writer
		io.Closer
	}{r, w, r}
}

func TestNativeCarriesBytes(t *testing.T) {
	d := NewNative(mirror(), "1")
	defer d.Close()
	want := bytes.Repeat([]byte("abcdefgh"), 100_000) // more than the buffers hold
	go func() { _, _ = d.Out(t.Context(), nativeOut, want) }()
	var got []byte
	for p := make([]byte, 4096); len(got) < len(want); {
		n, err := d.In(t.Context(), nativeIn, p)
		if err != nil || n == 0 {
			t.Fatalf("%d, %v", n, err)
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes came back")
	}
}

// TestNativeHoldsLittle lets nobody read: writes must stop at what the buffers hold.
func TestNativeHoldsLittle(t *testing.T) {
	d := NewNative(mirror(), "1")
	defer d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n, err := d.Out(ctx, nativeOut, make([]byte, 10<<20))
	if !errors.Is(err, context.DeadlineExceeded) || n > 3*pumpBytes {
		t.Errorf("took %d bytes, %v", n, err)
	}
}

func TestNativeEndsWithThePipe(t *testing.T) {
	a, b := net.Pipe()
	d := NewNative(a, "1")
	defer d.Close()
	_ = b.Close()
	if _, err := d.In(t.Context(), nativeIn, make([]byte, 8)); !errors.Is(err, usbip.ErrGone) {
		t.Errorf("%v", err)
	}
}

func (d *FTDI) vendor(t *testing.T, request byte, value uint16) {
	t.Helper()
	if _, err := d.Control(t.Context(), usbip.Setup{Type: 0x40, Request: request, Value: value}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestFTDI(t *testing.T) {
	d := NewFTDI(mirror(), "1", false)
	defer d.Close()
	d.vendor(t, ftdiSetLatency, 1)
	p := make([]byte, 2*packet)
	in := func() []byte {
		n, err := d.In(t.Context(), ftdiIn, p)
		if err != nil || n < 2 || p[0] != 1 || p[1] != 0x60 {
			t.Fatalf("%d bytes, status % x, %v", n, p[:2], err)
		}
		return p[:n]
	}
	_, _ = d.Out(t.Context(), ftdiOut, []byte("lost"))
	if b := in(); len(b) != 2 {
		t.Errorf("bytes %q without synchronous FIFO mode", b)
	}
	d.vendor(t, ftdiSetMode, ftdiModeFIFO<<8|0xff)
	if _, err := d.Out(t.Context(), ftdiOut, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if b := in(); string(b[2:]) != "hello" {
		t.Errorf("got %q", b)
	}
	if b := in(); len(b) != 2 {
		t.Errorf("a quiet part gave %d bytes", len(b))
	}
	want := bytes.Repeat([]byte{7}, 600)
	_, _ = d.Out(t.Context(), ftdiOut, want)
	time.Sleep(20 * time.Millisecond)
	if b := in(); len(b) != packet+2+600-(packet-2) || b[packet] != 1 || b[packet+1] != 0x60 {
		t.Errorf("%d bytes in two packets", len(b))
	}
	_, _ = d.Out(t.Context(), ftdiOut, want)
	time.Sleep(20 * time.Millisecond)
	d.vendor(t, ftdiReset, 2)
	if b := in(); len(b) != 2 {
		t.Errorf("%d bytes after a purge", len(b))
	}
	if _, err := d.Control(t.Context(), usbip.Setup{Type: 0x40, Request: 0x77}, nil); !errors.Is(err, usbip.ErrStall) {
		t.Errorf("unknown request: %v", err)
	}
	d.Connect(true)
	if wired, _ := d.wired(); wired {
		t.Error("the mode outlives the plug")
	}
}

func TestFTDIUART(t *testing.T) {
	d := NewFTDI(mirror(), "1", true)
	defer d.Close()
	if wired, _ := d.wired(); wired {
		t.Error("bytes flow without a baud rate")
	}
	d.vendor(t, ftdiBaud, 3)
	if wired, _ := d.wired(); !wired {
		t.Error("no bytes flow")
	}
}

func TestScript(t *testing.T) {
	got, err := ParseScript("stall@2, manifest,long-poll@0")
	if err != nil || len(got) != 3 || got[0] != (Fault{FaultStall, 2}) || got[1].Kind != FaultManifest {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"stall", "manifest@1", "dance", "stall@-1", "stall@x", ","} {
		if _, err := ParseScript(s); !errors.Is(err, ErrScript) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
