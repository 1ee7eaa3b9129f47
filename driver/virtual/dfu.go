package virtual

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver/flash/dfu"
	"github.com/kvaccel/kvaccel/driver/usbip"
)

// Loader is how a boot loader presents itself and what it has.
type Loader struct {
	Vendor, Product uint16
	Name, Serial    string
	Functional      dfu.Functional
	Size            int           // bytes of memory behind DFU's address 0
	Memory          string        // file that keeps it; made, erased, if it is not there
	Busy            time.Duration // that a block takes
	Faults          []Fault       // each happens once
	App             usbip.Device  // what the board is after a manifest without tolerance; nil: the boot loader again
	StartInApp      bool          // has App on the bus first; DETACH leads to the boot loader
}

// DFU is a board with a boot loader that takes its firmware by DFU 1.1.
type DFU struct {
	Loader
	memory *os.File

	mu      sync.Mutex
	app     bool // App is on the bus
	state   dfu.State
	code    dfu.Code
	next    int // byte that the next DNLOAD or UPLOAD begins at
	block   []byte
	busy    time.Time // until when
	lie     time.Duration
	lying   bool
	pending []Fault
}

// erased is what flash memory reads before it is written.
const erased = 0xff

// NewDFU opens the memory and powers the board up.
func NewDFU(l Loader) (*DFU, error) {
	f, err := os.OpenFile(l.Memory, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < int64(l.Size) {
		blank := make([]byte, int64(l.Size)-info.Size())
		for i := range blank {
			blank[i] = erased
		}
		_, err = f.WriteAt(blank, info.Size())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("memory of the boot loader: %w", err)
	}
	d := &DFU{Loader: l, memory: f, app: l.StartInApp && l.App != nil, pending: append([]Fault{}, l.Faults...)}
	d.reset()
	return d, nil
}

// Close closes the memory.
func (d *DFU) Close() error { return d.memory.Close() }

// reset is power-up of the boot loader; mu is held or nobody else is there yet.
func (d *DFU) reset() {
	d.state, d.code, d.next, d.busy, d.lying = dfu.Idle, dfu.OK, 0, time.Time{}, false
}

// fault takes a fault from the script if it is due.
func (d *DFU) fault(kind FaultKind, block int) bool {
	for i, f := range d.pending {
		if f.Kind == kind && f.Block == block {
			d.pending = append(d.pending[:i], d.pending[i+1:]...)
			return true
		}
	}
	return false
}

func (d *DFU) inApp() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.app
}

// Descriptors implements usbip.Device. The application has a run-time DFU
// interface beside its own.
func (d *DFU) Descriptors() usbip.Descriptors {
	extra := d.Functional.Bytes()
	if d.inApp() {
		desc := d.App.Descriptors()
		n := byte(len(desc.Interfaces))
		desc.Interfaces = append(desc.Interfaces, usbip.Interface{Number: n, Class: dfu.Class, SubClass: dfu.SubClass, Protocol: dfu.ProtocolRuntime, Name: "DFU run time", Extra: extra})
		return desc
	}
	return usbip.Descriptors{
		Speed: usbip.FullSpeed, Vendor: d.Vendor, Product: d.Product, Release: 0x0100, Manufacturer: "kvaccel", Name: d.Name, Serial: d.Serial,
		Interfaces: []usbip.Interface{{Class: dfu.Class, SubClass: dfu.SubClass, Protocol: dfu.ProtocolDFU, Name: "flash", Extra: extra}},
	}
}

// Connect implements usbip.Device. To plug a boot loader in is to power it up.
func (d *DFU) Connect(on bool) {
	if d.inApp() {
		d.App.Connect(on)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reset()
}

// In implements usbip.Device: the application's endpoints.
func (d *DFU) In(ctx context.Context, endpoint byte, p []byte) (int, error) {
	if !d.inApp() {
		return 0, usbip.ErrStall
	}
	return d.App.In(ctx, endpoint, p)
}

// Out implements usbip.Device.
func (d *DFU) Out(ctx context.Context, endpoint byte, p []byte) (int, error) {
	if !d.inApp() {
		return 0, usbip.ErrStall
	}
	return d.App.Out(ctx, endpoint, p)
}

// classToInterface is the request type of DFU's requests without the direction.
const classToInterface = 0x21

// Control implements usbip.Device.
func (d *DFU) Control(ctx context.Context, s usbip.Setup, data []byte) ([]byte, error) {
	if s.Type&0x7f != classToInterface {
		if d.inApp() {
			return d.App.Control(ctx, s, data)
		}
		return nil, usbip.ErrStall
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.app {
		return d.runtime(s)
	}
	in, err := d.request(s, data)
	if err == usbip.ErrStall {
		d.state, d.code = dfu.Error, dfu.ErrStalled
	}
	return in, err
}

func (d *DFU) runtime(s usbip.Setup) ([]byte, error) {
	switch s.Request {
	case dfu.ReqDetach:
		d.app = false
		d.reset()
		return nil, usbip.ErrLeave
	case dfu.ReqGetStatus:
		return dfu.Status{State: dfu.AppIdle}.Bytes(), nil
	case dfu.ReqGetState:
		return []byte{byte(dfu.AppIdle)}, nil
	}
	return nil, usbip.ErrStall
}

func (d *DFU) request(s usbip.Setup, data []byte) ([]byte, error) {
	switch s.Request {
	case dfu.ReqDownload:
		return nil, d.download(data)
	case dfu.ReqUpload:
		return d.upload(int(s.Length))
	case dfu.ReqGetStatus:
		return d.status()
	case dfu.ReqGetState:
		return []byte{byte(d.state)}, nil
	case dfu.ReqClrStatus:
		if d.state != dfu.Error {
			return nil, usbip.ErrStall
		}
		d.reset()
		return nil, nil
	case dfu.ReqAbort:
		switch d.state {
		case dfu.Idle, dfu.DownloadSync, dfu.DownloadIdle, dfu.ManifestSync, dfu.UploadIdle:
			d.reset()
			return nil, nil
		}
	}
	return nil, usbip.ErrStall
}

func (d *DFU) download(data []byte) error {
	switch {
	case d.state == dfu.DownloadIdle && len(data) == 0:
		d.state = dfu.ManifestSync
		return nil
	case d.state != dfu.Idle && d.state != dfu.DownloadIdle, len(data) == 0, len(data) > d.Functional.TransferSize, !d.Functional.Has(dfu.CanDownload):
		return usbip.ErrStall
	}
	n := d.next / d.Functional.TransferSize
	switch {
	case d.fault(FaultStall, n):
		return usbip.ErrStall
	case d.fault(FaultUnplug, n):
		return usbip.ErrGone
	case d.fault(FaultError, n):
		d.state, d.code = dfu.Error, dfu.ErrWrite
		return nil
	case d.next+len(data) > d.Size:
		d.state, d.code = dfu.Error, dfu.ErrAddress
		return nil
	}
	d.block = append(d.block[:0], data...)
	if d.fault(FaultCorrupt, n) {
		d.block[len(d.block)/2] ^= 0x10
	}
	if _, err := d.memory.WriteAt(d.block, int64(d.next)); err != nil {
		d.state, d.code = dfu.Error, dfu.ErrWrite
		return nil
	}
	d.busy, d.lying = time.Now().Add(d.Busy), false
	if d.fault(FaultLongPoll, n) {
		d.lying, d.lie = true, 0xffffff*time.Millisecond
	}
	if d.fault(FaultZeroPoll, n) {
		d.lying, d.lie, d.busy = true, 0, time.Now().Add(d.Busy+20*time.Millisecond)
	}
	d.next += len(data)
	d.state = dfu.DownloadSync
	return nil
}

// status moves the state machine on, as GETSTATUS does.
func (d *DFU) status() ([]byte, error) {
	if d.fault(FaultStatusLength, d.next/d.Functional.TransferSize) {
		return []byte{0, 0, 0}, nil
	}
	s := dfu.Status{Code: d.code, State: d.state}
	left := time.Until(d.busy)
	switch d.state {
	case dfu.DownloadSync, dfu.DownloadBusy:
		switch {
		case d.lying && d.lie > 0: // says it once
			s.State, s.Poll, d.lying = dfu.DownloadBusy, d.lie, false
		case left > 0:
			s.State, s.Poll = dfu.DownloadBusy, left.Truncate(time.Millisecond)+time.Millisecond
			if d.lying {
				s.Poll = 0
			}
		default:
			s.State = dfu.DownloadIdle
		}
	case dfu.ManifestSync:
		s.State, s.Poll = dfu.Manifest, time.Millisecond
		if !d.Functional.Has(dfu.ManifestTolerant) {
			d.state = dfu.ManifestWaitReset
			d.app = d.App != nil && !d.fault(FaultManifest, 0)
			return s.Bytes(), usbip.ErrLeave
		}
		if d.fault(FaultManifest, 0) {
			return s.Bytes(), usbip.ErrLeave
		}
	case dfu.Manifest:
		s.State = dfu.Idle
		d.reset()
	}
	d.state = s.State
	return s.Bytes(), nil
}

func (d *DFU) upload(n int) ([]byte, error) {
	if d.state != dfu.Idle && d.state != dfu.UploadIdle || !d.Functional.Has(dfu.CanUpload) || n > d.Functional.TransferSize {
		return nil, usbip.ErrStall
	}
	if d.state == dfu.Idle {
		d.next = 0
	}
	k := min(n, d.Size-d.next)
	if d.fault(FaultShortUpload, 0) {
		k /= 2
	}
	b := make([]byte, k)
	if _, err := d.memory.ReadAt(b, int64(d.next)); err != nil {
		d.state, d.code = dfu.Error, dfu.ErrTarget
		return nil, usbip.ErrStall
	}
	d.next += k
	d.state = dfu.UploadIdle
	if k < n {
		d.reset() // a short answer ends the upload
	}
	return b, nil
}
