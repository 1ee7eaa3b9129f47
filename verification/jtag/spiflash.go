package jtag

// SPIFlash is a serial NOR flash as it is seen at its pins: 256-byte pages, sectors of 4 KiB, blocks of 64 KiB; writing clears bits only,
// and only after write enable. Operations end at once.
type SPIFlash struct {
	ID     [3]byte
	Memory []byte

	// FailAt, if not 0, is an address whose programming does nothing: a worn cell.
	FailAt int

	// Absent is a socket without a flash: its data line is pulled up.
	Absent bool

	enabled bool
	status  byte
	in      []byte // since it was selected
	bits    int
	byteIn  byte
	out     []byte // to be shifted
	Erased  int    // sectors and blocks
	Pages   int    // programmed
}

// NewSPIFlash is an erased W25Q128: 16 MiB.
func NewSPIFlash() *SPIFlash {
	f := &SPIFlash{ID: [3]byte{0xef, 0x40, 0x18}, Memory: make([]byte, 16<<20)}
	for i := range f.Memory {
		f.Memory[i] = 0xff
	}
	return f
}

// Clock is a cycle with the flash selected: MISO before the edge, then MOSI is taken.
func (f *SPIFlash) Clock(mosi bool) (miso bool) {
	if f.Absent {
		return true
	}
	if n := f.bits / 8; n < len(f.out) {
		miso = f.out[n]&(0x80>>(f.bits%8)) != 0
	}
	f.byteIn <<= 1
	if mosi {
		f.byteIn |= 1
	}
	if f.bits++; f.bits%8 == 0 {
		f.in = append(f.in, f.byteIn)
		f.answer()
	}
	return miso
}

func (f *SPIFlash) address() int {
	return (int(f.in[1])<<16 | int(f.in[2])<<8 | int(f.in[3])) % len(f.Memory)
}

// answer prepares what goes out in the next byte.
func (f *SPIFlash) answer() {
	n := len(f.in)
	push := func(b byte) {
		for len(f.out) < n {
			f.out = append(f.out, 0xff)
		}
		f.out = append(f.out, b)
	}
	switch cmd := f.in[0]; {
	case cmd == 0x9f:
		push(f.ID[(n-1)%3])
	case cmd == 0x05:
		s := f.status
		if f.enabled {
			s |= 2
		}
		push(s)
	case cmd == 0x35 || cmd == 0x15 || cmd == 0x70:
		push(0)
	case cmd == 0x03 && n >= 4:
		push(f.Memory[(f.address()+n-4)%len(f.Memory)])
	case cmd == 0x0b && n >= 5:
		push(f.Memory[(f.address()+n-5)%len(f.Memory)])
	}
}

// Deselect ends a command: writing and erasing happen here, if the command came whole.
func (f *SPIFlash) Deselect() {
	if f.bits%8 == 0 && len(f.in) > 0 {
		f.perform()
	}
	f.in, f.out, f.bits = f.in[:0], f.out[:0], 0
}

func (f *SPIFlash) perform() {
	enabled := f.enabled
	if cmd := f.in[0]; cmd == 0x02 || cmd == 0x20 || cmd == 0xd8 || cmd == 0x01 || cmd == 0xc7 || cmd == 0x60 {
		f.enabled = false
		if !enabled {
			return
		}
	}
	switch cmd, n := f.in[0], len(f.in); {
	case cmd == 0x06:
		f.enabled = true
	case cmd == 0x04:
		f.enabled = false
	case cmd == 0x01 && n > 1:
		f.status = f.in[1] & 0x7c
	case cmd == 0x20 && n == 4 && f.status == 0:
		f.erase(f.address(), 4<<10)
	case cmd == 0xd8 && n == 4 && f.status == 0:
		f.erase(f.address(), 64<<10)
	case cmd == 0x02 && n > 4 && f.status == 0:
		at := f.address()
		for i, b := range f.in[4:] {
			if a := at&^0xff | (at+i)&0xff; f.FailAt == 0 || a != f.FailAt {
				f.Memory[a] &= b
			}
		}
		f.Pages++
	}
}

func (f *SPIFlash) erase(at, size int) {
	at &^= size - 1
	for i := range size {
		f.Memory[at+i] = 0xff
	}
	f.Erased++
}
