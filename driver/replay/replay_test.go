package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

const small = "emu:?lanes=4&max-dim=64&tile-tokens=32&max-tokens=512"

func engine(t testing.TB) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(small)
	if err != nil {
		t.Fatal(err)
	}
	d, err := emulator.Open(context.Background(), u)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The suite runs on devices that are recorded, and then again, with no engine, on
// the recordings: it cannot tell.
func TestConformanceTwice(t *testing.T) {
	var tapes []*bytes.Buffer
	opts := drivertest.Options{Oracle: oracle.Engine{}, Seed: 11}
	drivertest.Run(t, func(t *testing.T) driver.Device {
		tape := new(bytes.Buffer)
		tapes = append(tapes, tape)
		d, err := Record(engine(t), tape)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}, opts)
	if t.Failed() || len(tapes) < 20 {
		t.Fatalf("%d recordings", len(tapes))
	}
	bytes := 0
	drivertest.Run(t, func(t *testing.T) driver.Device {
		bytes += tapes[0].Len()
		d, err := Play(tapes[0], "tape")
		if err != nil {
			t.Fatal(err)
		}
		tapes = tapes[1:]
		return d
	}, opts)
	if len(tapes) > 0 {
		t.Errorf("%d recordings were not asked for", len(tapes))
	}
	t.Logf("%d bytes played", bytes)
}

// record gives a recording of a few calls.
func record(t testing.TB) string {
	t.Helper()
	var tape bytes.Buffer
	d, err := Record(engine(t), &tape)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	request := append([]byte{regmap.OpEcho, regmap.MagicRequest, 7, 0}, make([]byte, 28)...)
	_, err1 := d.ReadReg(ctx, regmap.RegMagic)
	err2 := d.WriteReg(ctx, regmap.RegScratch, 5)
	err3 := d.Send(ctx, request)
	_, err4 := d.Recv(ctx, nil)
	_, err5 := d.ReadReg(ctx, 0x3c)
	if err := errors.Join(err1, err2, err3, err4, d.(driver.Resetter).Reset(ctx), d.Close()); err != nil || !errors.Is(err5, driver.ErrBadRegister) {
		t.Fatal(err, err5)
	}
	return tape.String()
}

func TestDiffers(t *testing.T) {
	tape := record(t)
	ctx := t.Context()
	request := append([]byte{regmap.OpEcho, regmap.MagicRequest, 7, 0}, make([]byte, 28)...)
	steps := []struct {
		name string
		do   func(d driver.Device) error
		odd  func(d driver.Device) error
	}{
		{"read", func(d driver.Device) error { _, err := d.ReadReg(ctx, regmap.RegMagic); return err },
			func(d driver.Device) error { _, err := d.ReadReg(ctx, regmap.RegABI); return err }},
		{"write", func(d driver.Device) error { return d.WriteReg(ctx, regmap.RegScratch, 5) },
			func(d driver.Device) error { return d.WriteReg(ctx, regmap.RegScratch, 6) }},
		{"send", func(d driver.Device) error { return d.Send(ctx, request) },
			func(d driver.Device) error { return d.Send(ctx, make([]byte, 32)) }},
		{"recv", func(d driver.Device) error { _, err := d.Recv(ctx, nil); return err },
			func(d driver.Device) error { return d.Send(ctx, request) }},
	}
	for i := range steps {
		d, err := Play(strings.NewReader(tape), "tape")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps[:i] {
			if err := s.do(d); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		if err := steps[i].odd(d); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "tape, line") {
			t.Errorf("another call in the place of %s: %v", steps[i].name, err)
		}
	}
	d, err := Play(strings.NewReader(tape), "tape")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if err := s.do(d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.ReadReg(ctx, 0x3c); !errors.Is(err, driver.ErrBadRegister) {
		t.Errorf("a recorded error: %v", err)
	}
	if err := d.(driver.Resetter).Reset(ctx); err != nil {
		t.Error(err)
	}
	if err := d.Send(ctx, request); !errors.Is(err, ErrDiffers) {
		t.Errorf("beyond the end: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	var reg driver.Registry
	reg.Register("emu", emulator.Open)
	reg.Register("replay", Open)
	reg.Register("record", OpenRecorder(&reg))
	file := filepath.Join(t.TempDir(), "session")
	d, err := reg.Open(t.Context(), "record:"+file+","+small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadReg(t.Context(), regmap.RegLanes); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	again, err := reg.Open(t.Context(), "replay:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := again.ReadReg(t.Context(), regmap.RegLanes); v != 4 || err != nil || again.Info() != d.Info() {
		t.Errorf("LANES reads %d, %v; %+v", v, err, again.Info())
	}
	again.Close()
	if _, err := reg.Open(t.Context(), "record:"+file+",emu:"); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a recording: %v", err)
	}
	for uri, want := range map[string]error{
		"record:file": driver.ErrOption, "record:,emu:": driver.ErrOption, "record:x,vme:": driver.ErrNotFound,
		"replay:": driver.ErrOption, "replay:" + file + "?x=1": driver.ErrOption, "replay:" + file + "-none": driver.ErrNotFound,
	} {
		if _, err := reg.Open(t.Context(), uri); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", uri, err, want)
		}
	}
}

// full is a disk with room for so many bytes.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestFullDisk(t *testing.T) {
	d, err := Record(engine(t), &full{600})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if v, err := d.ReadReg(t.Context(), regmap.RegMagic); v != regmap.Magic || err != nil {
			t.Fatalf("a full disk stops the work: %v", err)
		}
	}
	if err := d.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Close of a recording that is not whole: %v", err)
	}
}

// What is no recording is refused, and no recording does harm.
func FuzzPlay(f *testing.F) {
	tape := record(f)
	f.Add(tape)
	f.Add(tape[:len(tape)/2])
	f.Add(strings.Replace(tape, "recording 1", "recording 2", 1))
	f.Add(strings.Replace(tape, `"lanes":4`, `"lanes":5`, 1))
	f.Add("")
	f.Add("{}\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Play(strings.NewReader(text), "tape")
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("%v, want %v", err, ErrFormat)
			}
			return
		}
		ctx := context.Background()
		for range 10 {
			_, err1 := d.ReadReg(ctx, 0)
			_, err2 := d.Recv(ctx, nil)
			_, _, _ = err1, err2, d.Send(ctx, nil)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
