package alloc

import "testing"

var kept []byte

func TestBytes(t *testing.T) {
	if n := Bytes(func() { kept = make([]byte, 1<<20) }); n < 1<<20 || n > 1<<21 {
		t.Errorf("%d bytes for an allocation of %d", n, 1<<20)
	}
	if n := Bytes(func() {}); n > 1<<16 {
		t.Errorf("%d bytes for nothing", n)
	}
}
