package sweep

import (
	"encoding/json"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// Result is what a point came to: figures that all points have, figures of its
// kind, and everything there was to say as JSON. A figure that its kind does not
// have is nil.
type Result struct {
	Device driver.Info `json:"device"`
	Tokens int         `json:"tokens"` // positions compressed
	Kept   int         `json:"kept"`   // of each head

	// Bytes of the compressed cache over positions seen. Fidelity: of the prefix;
	// model: mean over the steps of all bytes held.
	BytesPerToken float64 `json:"bytes_per_token"`
	Share         float64 `json:"share_of_full"` // of the bytes that fp16 takes

	// Cycles of the engine. Fidelity: to select, quantize and restore the prefix, over
	// its positions; model: of a decoding step, as kvaccel eval counts them.
	CyclesPerToken   float64 `json:"cycles_per_token"`
	SelectCycles     float64 `json:"select_cycles"`
	QuantizeCycles   float64 `json:"quantize_cycles"`
	DequantizeCycles float64 `json:"dequantize_cycles"`

	// Loss is the measure that a kind is judged by: median relative L2 error of the
	// attention output, or nats per token more than the full cache. Less is better.
	Loss float64 `json:"loss"`

	// Fidelity: medians and, of 95 % of the queries, the worst.
	OutputL2    *float64 `json:"output_l2"`
	OutputL2P95 *float64 `json:"output_l2_p95"`
	KL          *float64 `json:"attention_kl"`
	LostMass    *float64 `json:"lost_mass"`
	Recall      *float64 `json:"topk_recall"`

	// Model.
	Nats      *float64 `json:"nats_per_token"`
	DeltaNats *float64 `json:"delta_nats"`
	DeltaLow  *float64 `json:"delta_low"` // 95 % interval
	DeltaHigh *float64 `json:"delta_high"`
	KLPerTok  *float64 `json:"kl_per_token"`
	SameTop   *float64 `json:"same_top"`
	Needle    *float64 `json:"needle_nats"`

	// Controls: Loss of whole fp16 rows that take the same bytes.
	ControlRows      int      `json:"control_rows"`
	ControlRandom    *float64 `json:"control_random"`
	ControlRecent    *float64 `json:"control_recent"`
	ControlStreaming *float64 `json:"control_streaming"`

	Raw json.RawMessage `json:"-"` // the report of kvaccel run or kvaccel eval
}

// Outcome is a point that was tried.
type Outcome struct {
	Key     string        `json:"key"`
	Result  *Result       `json:"result,omitempty"` // nil if it failed
	Raw     []byte        `json:"raw,omitempty"`
	Error   string        `json:"error,omitempty"` // why it failed
	Worker  string        `json:"worker"`
	Program string        `json:"program"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took"`

	// NoEngine is why the engine could not be opened: then it is no fault of the
	// point, and nothing to keep.
	NoEngine error `json:"-"`
}
