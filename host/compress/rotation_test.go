package compress

import (
	"math"
	"testing"

	"github.com/kvaccel/kvaccel/host/attention"
	"github.com/kvaccel/kvaccel/host/hosttest"
	"github.com/kvaccel/kvaccel/host/policy"
)

// Rotated rows come back as they went in, but for what 8 bits cost, as a whole;
// those that stay fp16 come back bit for bit.
func TestRotatedRowsComeBack(t *testing.T) {
	dev, tr := hosttest.Device(t, "emu:"), testTrace(t)
	for name, o := range map[string]policy.Override{
		"token":   {KBits: hosttest.Ptr(8), VBits: hosttest.Ptr(8), Rotate: hosttest.Ptr(policy.RotateRow), Group: hosttest.Ptr(policy.GroupRow), Residual: hosttest.Ptr(5)},
		"channel": {KBits: hosttest.Ptr(8), VBits: hosttest.Ptr(8), Rotate: hosttest.Ptr(32), KAxis: hosttest.Ptr(policy.Channel), Group: hosttest.Ptr(16), TopK: hosttest.Ptr(70)},
		"blocks":  {Layout: hosttest.Ptr(policy.Q80), Rotate: hosttest.Ptr(32)},
	} {
		pol := hosttest.Policy(t, "full").With(o)
		res, err := Run(t.Context(), dev, tr, pol, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := Restore(t.Context(), dev, res.Cache, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for l := range tr.Layers {
			layer, _, err := tr.Layer(l, false)
			if err != nil {
				t.Fatal(err)
			}
			for h, head := range back.Layers[l] {
				whole := pol.QuantizedRows(len(head.Positions), 8, pol.KAxis)
				for i, j := range head.Positions {
					d := distance(layer.K[h][j*tr.D:][:tr.D], head.K[i*tr.D:][:tr.D])
					if d > 0.01 || i >= whole && d != 0 {
						t.Fatalf("%s: layer %d head %d: key %d is %g of its length away", name, l, h, j, d)
					}
				}
			}
		}
	}
}

// distance is |a - b| / |a|.
func distance(a, b []uint16) float64 {
	x, y := attention.Floats(a), attention.Floats(b)
	var d, n float64
	for i := range x {
		d += (x[i] - y[i]) * (x[i] - y[i])
		n += x[i] * x[i]
	}
	return math.Sqrt(d / n)
}
