package drivertest_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/drivertest"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/verification/oracle"
)

// faultVariable names, to a run of this test binary, the fault that its
// reference device is to have.
const faultVariable = "DRIVERTEST_FAULT"

var everything = driver.AllFeatures()

// TestReference runs the suite on the reference device, right or with the fault
// that the environment names.
func TestReference(t *testing.T) {
	fault := os.Getenv(faultVariable)
	lacks := uint32(0)
	if fault == "unsupported is a bad opcode" {
		lacks = 1<<regmap.FeatSelect | 1<<regmap.FeatCompress
	}
	if fault == "missing options ignored" {
		lacks = 1 << regmap.FeatDecay
	}
	drivertest.Run(t, func(t *testing.T) driver.Device {
		return newReference(fault, regmap.Params{Lanes: 8, MaxDim: 128, TileTokens: 128, MaxTokens: 1024}, everything&^lacks)
	}, drivertest.Options{Oracle: oracle.Engine{}, Lacks: lacks})
}

// The suite passes on a right device of any parameters, lanes and features.
func TestReferenceParameters(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     regmap.Params
		lacks uint32
	}{
		{"narrow", regmap.Params{Lanes: 2, MaxDim: 32, TileTokens: 16, MaxTokens: 256}, 0},
		{"four lanes", regmap.Params{Lanes: 4, MaxDim: 64, TileTokens: 32, MaxTokens: 512}, 0},
		{"wide", regmap.Params{Lanes: 16, MaxDim: 128, TileTokens: 64, MaxTokens: 1024}, 0},
		{"encoder", regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, 1<<regmap.FeatDequantize | 1<<regmap.FeatSelect | 1<<regmap.FeatCompress},
		{"decoder", regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, 1<<regmap.FeatQuantize | 1<<regmap.FeatCompress},
		{"plain", regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, 0xff0},
		{"no rotation", regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, 1 << regmap.FeatRotate},
		{"no bfloat16", regmap.Params{Lanes: 8, MaxDim: 64, TileTokens: 32, MaxTokens: 256}, 1 << regmap.FeatBF16},
	} {
		t.Run(c.name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) driver.Device {
				return newReference("", c.p, everything&^c.lacks)
			}, drivertest.Options{Oracle: oracle.Engine{}, Seed: 7, Lacks: c.lacks})
		})
	}
}

// wrong lists the faults of the reference device and a subtest that must see
// each.
var wrong = []struct{ fault, subtest string }{
	{"NaN is infinite", "quantize"},
	{"infinity not counted", "faults/NaN_and_infinity_undefined"},
	{"subnormals flushed", "faults/subnormals_flushed"},
	{"minus zero restored", "dequantize"},
	{"codes half away from zero", "quantize"},
	{"codes half up", "quantize"},
	{"codes truncated", "quantize"},
	{"codes not clamped", "quantize"},
	{"codes from the unrounded scale", "faults/codes_from_an_unrounded_scale"},
	{"range overflows", "faults/range_overflows_binary16"},
	{"range of 20 bits", "scales"},
	{"constant of 24 bits for 1/(2^b-1)", "scales"},
	{"reciprocal of 24 bits", "quotients"},
	{"reciprocal of 24 bits, ties to even", "quotients"},
	{"difference of 24 bits", "quotients"},
	{"last of the largest", "quantize"},
	{"sign of the largest lost", "quantize"},
	{"offset code 16 wraps", "quantize"},
	{"nibbles of neighbours together", "quantize"},
	{"nibbles of neighbours together", "dequantize"},
	{"blocks of any settings taken", "refused"},
	{"offset codes taken outside blocks", "refused"},
	{"product rounded before the sum", "sums"},
	{"sum of 26 bits", "sums"},
	{"scales copied per row", "faults/scales_copied_per_token"},
	{"codes unsigned", "dequantize"},
	{"lowest code clamped", "dequantize"},
	{"negative scale taken as positive", "dequantize"},
	{"negative weight not counted", "select"},
	{"scores wrap", "faults/score_that_is_a_sentinel"},
	{"scores summed in binary16", "select"},
	{"saturated score is an empty place", "faults/score_that_is_a_sentinel"},
	{"weights beyond the row counted", "padding"},
	{"higher position wins", "select"},
	{"use after close", "close"},
	{"context ignored", "cancel"},
	{"address aliases", "unmapped"},
	{"unmapped reads", "unmapped"},
	{"W1C clears all", "interrupts"},
	{"clear forgets a counter", "clear"},
	{"soft reset zeroes counters", "soft-reset"},
	{"soft reset keeps the queue", "soft-reset"},
	{"RO write accepted", "registers"},
	{"partial beats taken", "misuse"},
	{"Send keeps the slice", "buffers"},
	{"Recv drops what dst held", "buffers"},
	{"Recv reuses its slice", "buffers"},
	{"answers out of order", "queue"},
	{"reset keeps the queue", "reset"},
	{"truncation unnoticed", "truncated"},
	{"non-finite counted once a packet", "counters"},
	{"dropped beats not counted", "faults/bytes_counted_that_were_thrown_away"},
	{"wrong tag", "queue"},
	{"status in the trailer alone", "refused"},
	{"a beat lost", "faults/beats_lost_while_busy"},
	{"a bit flipped", "echo"},
	{"value row taken for a key", "faults/value_row_taken_for_a_key"},
	{"busy before the first command", "faults/read_of_what_was_never_written"},
	{"scores behind a search lost", "faults/scores_dropped_during_a_scan"},
	{"saturation not flagged", "faults/ranking_lost_to_saturation_in_silence"},
	{"padding not zero", "echo"},
	{"cycles depend on history", "same-cycles"},
	{"too few cycles", "echo"},
	{"stalls on an ideal link", "echo"},
	{"magic unchecked", "refused"},
	{"unsupported is a bad opcode", "identity"},
	{"rows that fill no group taken", "refused"},
	{"reserved bits ignored", "reserved-bits"},
	{"overlong unnoticed", "overlong"},
	{"dropped bytes counted", "overlong"},
	{"group of channels counted as one", "counters"},
	{"keep list of a cut SELECT", "truncated"},
	{"seed reversed", "link"},
	{"PRBS-23", "link"},
	{"first bit highest", "link"},
	{"stream in whole beats", "link"},
	{"seed 0 taken", "refused"},
	{"check of a cut SINK", "truncated"},
	{"bytes counted for beats", "link"},
	{"last wrong beat told", "link"},
	{"no wrong beat is beat 0", "link"},
	{"last beat unchecked", "link"},
	{"missing options ignored", "refused"},
	{"ranks taken without tiers", "refused"},
	{"bits taken per token", "refused"},
	{"ranks in any order taken", "refused"},
	{"values that fill no group taken", "refused"},
	{"scores so far wrap", "options"},
	{"scores so far ignored", "options"},
	{"decay rounds", "options"},
	{"decay at the end of a step", "options"},
	{"lambda 0 is none", "options"},
	{"decay by 32 bits", "options"},
	{"squares cut to units", "key-norms"},
	{"norms rounded up", "key-norms"},
	{"norms of 64 bits wrap", "key-norms"},
	{"highest norm wins", "key-norms"},
	{"pooling repeats the ends", "options"},
	{"window without its last", "options"},
	{"maximum is a sum", "options"},
	{"pooled saturation not counted", "counters"},
	{"pooled saturation not counted", "options"},
	{"protected in tier 0", "options"},
	{"ranks count each tier", "options"},
	{"dropped beyond the end", "options"},
	{"first position highest", "options"},
	{"even position in the high half", "options"},
	{"scores out in 32 bits", "options"},
	{"scores out without padding", "options"},
	{"parts not padded", "options"},
	{"parts not padded", "compress"},
	{"dropped rows counted", "compress"},
	{"dropped rows fill groups", "compress"},
	{"rows of tier 0 cleaned", "compress"},
	{"tier 2 in 3 bits", "compress"},
	{"keys all in one tier", "compress"},
	{"rows left over lost", "compress"},
	{"rotation rounded in every stage", "rotation"},
	{"rotation in 24 bits", "rotation"},
	{"rotation in 40 bits", "rotation"},
	{"rotation's sum wraps", "rotation"},
	{"rotation in order of sequency", "rotation"},
	{"rotation scaled alike both ways", "rotation"},
	{"rotation not undone", "rotation"},
	{"the whole row rotated", "rotation"},
	{"rotated values truncated", "rotation"},
	{"rotated saturation not counted", "rotation"},
	{"rotated saturation not counted", "counters"},
	{"rows that fill no block rotated", "refused"},
	{"bfloat16 rotated", "refused"},
	{"blocks of bfloat16 taken", "refused"},
	{"norms of bfloat16 keys taken", "refused"},
	{"COMPRESS takes rows for binary16", "bfloat16"},
	{"bfloat16 in 24 bits", "bfloat16"},
	{"bfloat16 in 53 bits", "bfloat16"},
	{"bfloat16 in 128 bits", "bfloat16"},
	{"bfloat16 cleaned as binary16", "bfloat16"},
	{"infinite bfloat16 counts as 65504", "bfloat16"},
	{"bfloat16 subnormals flushed", "bfloat16"},
	{"range of bfloat16 overflows", "bfloat16"},
	{"bfloat16 scales are binary16", "bfloat16"},
	{"clamped bfloat16 not counted", "bfloat16"},
}

// The suite fails on a device with any one fault, in the subtest that is about
// it. A failing test cannot be run inside a passing one, so each runs in a
// process of its own.
func TestSuiteSeesFaults(t *testing.T) {
	if os.Getenv(faultVariable) != "" {
		t.Fatal("a run with a fault is for TestReference alone")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 3)
	for _, w := range wrong {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			cmd := exec.Command(self, "-test.run", "^TestReference$/^"+strings.ReplaceAll(w.subtest, "/", "$/^")+"$", "-test.count=1")
			cmd.Env = append(os.Environ(), faultVariable+"="+w.fault)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestReference/"+w.subtest) || strings.Contains(string(out), "panic:") {
				t.Errorf("%q is not seen by %s: %v\n%s", w.fault, w.subtest, err, out)
			}
		})
	}
	wg.Wait()
}
