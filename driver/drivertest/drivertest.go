// Package drivertest is the conformance suite that every [driver.Device]
// passes: the emulator, the Verilated RTL and a board. It speaks to a device
// through its six methods only, and judges every byte of every answer.
//
// What a command must compute it asks of an [Oracle]; everything else it knows
// from docs/engine.md and the register map.
package drivertest

import (
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
)

// Oracle computes what a well-formed command must answer. It is to share no
// code with the device under test.
type Oracle interface {
	// QuantizeTile gives the quantized tile, without padding, of rows x dims
	// little-endian elements in row-major order, how many of them were NaN or
	// infinite, and how many the rotation clamped.
	QuantizeTile(l packet.Layout, rows, dims int, values []byte) (tile []byte, nonFinite, saturated int)

	// DequantizeTile gives the rows x dims elements of a quantized tile
	// (perhaps padded), how many of its scales and minima were NaN or
	// infinite, and how often a restored or a rotated value was clamped.
	DequantizeTile(l packet.Layout, rows, dims int, tile []byte) (values []byte, nonFinite, saturated int)

	// Scores gives the scores of positions, in units of 2^-24, that attention
	// rows of one binary16 weight per position add up to, from given ones, or from
	// 0 if start is nil, with decay before each step of stepRows rows; how many
	// weights were NaN, infinite or negative; and how many scores were clamped.
	Scores(start []uint64, rows [][]uint16, stepRows int, lambda uint16) (scores []uint64, nonFinite, saturated int)

	// KeyNorms gives the scores of key rows, and how many elements were NaN or
	// infinite.
	KeyNorms(rows [][]uint16) (scores []uint64, nonFinite int)

	// Pool pools scores over windows of 2 half + 1 positions, by their sum or
	// their maximum, and tells how many sums were clamped.
	Pool(scores []uint64, half int, maximum bool) (pooled []uint64, saturated int)

	// Tiers gives the tier of each position, or regmap.TierDropped.
	Tiers(scores []uint64, s packet.Selection) []uint8

	// Section gives the value or key section of a COMPRESS, without padding, for
	// rows of dims little-endian elements and their tiers, and how many
	// values of kept rows were NaN or infinite.
	Section(l packet.Layout, dims int, tiers []uint8, rows []byte) (section []byte, nonFinite int)

	// Stream gives n bytes of the pseudo-random stream of a seed.
	Stream(seed uint32, n int) []byte
}

// Options tell the suite what it cannot ask the device.
type Options struct {
	Oracle Oracle

	// Seed varies the random inputs. The same seed gives the same run.
	Seed uint64

	// Lacks is the mask of feature bits that this device is built without.
	// The suite then requires that their commands are refused as unsupported.
	Lacks uint32

	// NoReset says that the device is no [driver.Resetter]. Without it the
	// suite requires that it is one.
	NoReset bool

	// Live says that beats cross a real link, which may lag: stall counts may
	// be other than zero, and only commands sent one at a time are held to the
	// same cycle count.
	Live bool
}

// Run runs the suite. It calls open for a fresh device many times, never for
// two at once, and closes each.
func Run(t *testing.T, open func(t *testing.T) driver.Device, opts Options) {
	if opts.Oracle == nil {
		t.Fatal("drivertest: Options.Oracle is nil: give the suite something to judge by")
	}
	for _, c := range []struct {
		name string
		test func(*session)
	}{
		{"identity", testIdentity},
		{"registers", testRegisters},
		{"unmapped", testUnmapped},
		{"interrupts", testInterrupts},
		{"echo", testEcho},
		{"quantize", testQuantize},
		{"dequantize", testDequantize},
		{"roundtrip", testRoundTrip},
		{"scales", testScales},
		{"quotients", testQuotients},
		{"sums", testSums},
		{"rotation", testRotation},
		{"bfloat16", testBF16},
		{"select", testSelect},
		{"options", testOptions},
		{"key-norms", testKeyNorms},
		{"compress", testCompress},
		{"link", testLink},
		{"refused", testRefused},
		{"reserved-bits", testReservedBits},
		{"truncated", testTruncated},
		{"overlong", testOverlong},
		{"padding", testPadding},
		{"queue", testQueue},
		{"counters", testCounters},
		{"clear", testClear},
		{"soft-reset", testSoftReset},
		{"reset", testReset},
		{"same-cycles", testSameCycles},
		{"buffers", testBuffers},
		{"misuse", testMisuse},
		{"cancel", testCancel},
		{"close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newSession(t, open, opts)) })
	}
	t.Run("faults", func(t *testing.T) {
		for _, f := range faults {
			t.Run(f.name, func(t *testing.T) { f.test(newSession(t, open, opts)) })
		}
	})
}
