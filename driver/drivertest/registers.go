package drivertest

import (
	"errors"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// testIdentity: Info is what the registers say, and of this register map.
func testIdentity(s *session) {
	t := s.t
	got, err := driver.Identify(s.ctx, s.dev)
	if err != nil {
		t.Fatalf("Identify: %v", err)
	}
	info := s.info
	if got.ABI != info.ABI || got.SpecID != info.SpecID || got.BuildHash != info.BuildHash || got.Features != info.Features || got.Params != info.Params {
		t.Errorf("the registers say %+v, Info says %+v", got, info)
	}
	if info.ABI != regmap.ABIVersion || info.SpecID != regmap.SpecID {
		t.Errorf("ABI %d, spec %#08x; want %d, %#08x", info.ABI, info.SpecID, regmap.ABIVersion, uint32(regmap.SpecID))
	}
	if want := driver.AllFeatures() &^ s.opts.Lacks; info.Features != want {
		t.Errorf("features %#x, want %#x", info.Features, want)
	}
	if info.URI == "" || info.Description == "" || info.ClockHz <= 0 {
		t.Errorf("Info lacks a URI, a description or a clock: %+v", info)
	}
	switch info.Source {
	case driver.Emulator, driver.RTL, driver.Board:
	default:
		t.Errorf("source %q is none", info.Source)
	}
	s.unsupported(commands...)
}

// testRegisters: every register grants its kind of access and no other, and
// starts at zero if it is no constant.
func testRegisters(s *session) {
	t := s.t
	constants := map[uint32]uint32{
		regmap.RegMagic: regmap.Magic, regmap.RegABI: regmap.ABIVersion, regmap.RegSpecID: regmap.SpecID,
		regmap.RegBuildHash: s.info.BuildHash, regmap.RegFeatures: s.info.Features,
		regmap.RegLanes: uint32(s.p.Lanes), regmap.RegMaxDim: uint32(s.p.MaxDim),
		regmap.RegTileTokens: uint32(s.p.TileTokens), regmap.RegMaxTokens: uint32(s.p.MaxTokens),
	}
	for _, r := range regmap.Registers {
		if v := s.read(r.Addr); v != constants[r.Addr] && r.Addr != regmap.RegCycles {
			t.Errorf("%s reads %#x at first, want %#x", r.Name, v, constants[r.Addr])
		}
		if r.Access == "RO" {
			for _, v := range []uint32{0, 1, 0xffffffff} {
				if err := s.dev.WriteReg(s.ctx, r.Addr, v); !errors.Is(err, driver.ErrBadRegister) {
					t.Errorf("writing %#x to %s: %v, want %v", v, r.Name, err, driver.ErrBadRegister)
				}
			}
			if v := s.read(r.Addr); v != constants[r.Addr] && r.Addr != regmap.RegCycles {
				t.Errorf("%s reads %#x after refused writes, want %#x", r.Name, v, constants[r.Addr])
			}
		}
	}
	for _, v := range []uint32{0xffffffff, 0x12345678, 0xaaaaaaaa, 0x55555555, 1, 1 << 31, 0} {
		s.write(regmap.RegScratch, v)
		if got := s.read(regmap.RegScratch); got != v {
			t.Errorf("SCRATCH reads %#x, wrote %#x", got, v)
		}
	}
	for _, v := range []uint32{1 << regmap.IrqDone, 1 << regmap.IrqError, 3, 0} {
		s.write(regmap.RegIrqEnable, v)
		if got := s.read(regmap.RegIrqEnable); got != v {
			t.Errorf("IRQ_ENABLE reads %#x, wrote %#x", got, v)
		}
	}
	s.write(regmap.RegCtrl, 0)
	if v := s.read(regmap.RegCtrl); v != 0 {
		t.Errorf("CTRL reads %#x, want 0", v)
	}
	first := s.read(regmap.RegCycles)
	if second := s.read(regmap.RegCycles); second == first {
		t.Errorf("CYCLES stands still at %d", first)
	}
	if v := s.read(regmap.RegStatus); v != 0 {
		t.Errorf("STATUS of an idle engine reads %#x, want 0", v)
	}
}

// testUnmapped: every other address is refused, read or written, and changes
// nothing; and the engine works afterwards.
func testUnmapped(s *session) {
	s.write(regmap.RegScratch, 0x5ca1ab1e)
	mapped := map[uint32]bool{}
	for _, r := range regmap.Registers {
		mapped[r.Addr] = true
	}
	refused := []uint32{0x1000, 0x1000 + regmap.RegScratch, 0x80000000 + regmap.RegScratch, 0xfffffffc, 0xffffffff}
	for addr := uint32(0); addr < 0x1000; addr++ {
		if addr%4 == 0 && !mapped[addr] || addr%4 != 0 && addr < 0x100 {
			refused = append(refused, addr)
		}
	}
	for _, addr := range refused {
		if v, err := s.dev.ReadReg(s.ctx, addr); !errors.Is(err, driver.ErrBadRegister) {
			s.t.Fatalf("ReadReg(%#x) = %#x, %v; want %v", addr, v, err, driver.ErrBadRegister)
		}
		if err := s.dev.WriteReg(s.ctx, addr, 0xffffffff); !errors.Is(err, driver.ErrBadRegister) {
			s.t.Fatalf("WriteReg(%#x): %v; want %v", addr, err, driver.ErrBadRegister)
		}
	}
	for _, c := range []struct {
		name       string
		addr, want uint32
	}{{"SCRATCH", regmap.RegScratch, 0x5ca1ab1e}, {"STATUS", regmap.RegStatus, 0}, {"ERRORS", regmap.RegErrors, 0}, {"IRQ_ENABLE", regmap.RegIrqEnable, 0}} {
		if v := s.read(c.addr); v != c.want {
			s.t.Errorf("%s reads %#x after refused accesses, want %#x", c.name, v, c.want)
		}
	}
	s.oneOfEach()
}

// oneOfEach shows that the engine is in order.
func (s *session) oneOfEach() {
	s.t.Helper()
	for _, op := range commands {
		s.run(s.small(op))
	}
}

// testInterrupts: ERRORS and IRQ_STATUS gather what happened, keep it over good
// commands, and are cleared bit by bit.
func testInterrupts(s *session) {
	t := s.t
	expect := func(when string, errs, irq uint32) {
		t.Helper()
		if v := s.read(regmap.RegErrors); v != errs {
			t.Errorf("%s: ERRORS reads %#x, want %#x", when, v, errs)
		}
		if v := s.read(regmap.RegIrqStatus); v != irq {
			t.Errorf("%s: IRQ_STATUS reads %#x, want %#x", when, v, irq)
		}
	}
	const done, failed = 1 << regmap.IrqDone, 1 << regmap.IrqError
	expect("at first", 0, 0)
	s.write(regmap.RegErrors, 0xffffffff)
	s.write(regmap.RegIrqStatus, 0xffffffff)
	expect("after clearing nothing", 0, 0)
	echo := func() command { return s.small(regmap.OpEcho) }
	if !s.has(regmap.OpEcho) {
		t.Fatal("the suite needs ECHO, which every build is to have")
	}
	s.run(echo())
	expect("after a good command", 0, done)
	magic := s.edited(echo(), "bad magic", func(h []byte) { regmap.ReqMagic.Put(h, 0) })
	opcode := s.edited(echo(), "bad opcode", func(h []byte) { regmap.ReqOpcode.Put(h, 0x77) })
	s.run(magic)
	expect("after bad magic", 1<<regmap.StBadMagic, done|failed)
	s.run(opcode, echo(), echo())
	both := uint32(1<<regmap.StBadMagic | 1<<regmap.StBadOpcode)
	expect("after a bad opcode and good commands", both, done|failed)
	s.write(regmap.RegErrors, 1<<regmap.StTruncated)
	s.write(regmap.RegIrqStatus, 0)
	expect("after clearing other bits", both, done|failed)
	s.write(regmap.RegErrors, 1<<regmap.StBadMagic)
	s.write(regmap.RegIrqStatus, done)
	expect("after clearing one bit each", 1<<regmap.StBadOpcode, failed)
	s.write(regmap.RegIrqStatus, failed)
	expect("after clearing the rest of one", 1<<regmap.StBadOpcode, 0)
	s.run(echo())
	expect("after another good command", 1<<regmap.StBadOpcode, done)
	s.write(regmap.RegErrors, 0xffffffff)
	expect("after clearing all errors", 0, done)
	for _, op := range commands { // each status has its bit
		s.write(regmap.RegErrors, 0xffffffff)
		var want uint32
		for _, c := range s.malformed(op) {
			s.run(c)
			want |= 1 << c.want.status &^ 1
			expect(c.name, want, done|failed)
		}
	}
}
