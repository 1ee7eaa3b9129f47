package session

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// A rotation goes into the header, of blocks that divide the rows, to an engine that
// has it.
func TestRotation(t *testing.T) {
	f, s := open(t)
	for i, size := range []int{32, 64, 128} {
		l := packet.Layout{Group: 16, Bits: 4, Rotate: size}
		if _, err := s.Quantize(t.Context(), []Rows{{Layout: l, Dims: 128, Data: make([]uint16, 128)}}); err != nil {
			t.Fatal(err)
		}
		if got := regmap.ReqRotate.Get(f.headers[i]); got != uint32(i+1) {
			t.Errorf("rotation of %d is sent as %d", size, got)
		}
	}
	for _, c := range []struct {
		rotate, dims int
		words        string
	}{{64, 96, "a rotation of 64 elements divides no rows of 96"}, {128, 64, "divides no rows of 64"}, {-1, 80, "no rotation divides rows of 80"}, {16, 64, "32, 64 and 128"}} {
		if err := s.CheckTile(packet.Layout{Group: 16, Bits: 4, Rotate: c.rotate}, c.dims); !errors.Is(err, ErrGeometry) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%d of %d: %v", c.rotate, c.dims, err)
		}
	}
	f.lacks = 1 << regmap.FeatRotate
	err := New(f).CheckTile(packet.Layout{Group: 16, Bits: 4, Rotate: 64}, 64)
	if !errors.Is(err, driver.ErrUnsupported) || !strings.Contains(err.Error(), "ROTATE") {
		t.Errorf("without the feature: %v", err)
	}
}
