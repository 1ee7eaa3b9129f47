package kvengine

import (
	"reflect"
	"slices"
	"testing"

	"github.com/kvaccel/kvaccel/host/policy"
)

// A setting that this package does not follow must not be passed over: whoever
// adds a field to Policy sees to it in Compress and then here.
func TestEverySettingIsFollowed(t *testing.T) {
	followed := []string{
		"Name", "KBits", "VBits", "KAxis", "VAxis", "Scheme", "Group", "Residual", "Sinks", "Recent", "TopK", "Observe", "Scorer", "Shared", "Layout", "Rotate", "Format",
		"Lambda", "Pool", "PoolMax", "Adaptive", "Ceiling", "Rules",
		"Tiers", "Normalise", "Probe", // refused with ErrOnce
		"Protected", // of tiers alone
		// Gone after Resolve and Heads:
		"ResidualInRecent", "RecentPercent", "TopKPercent", "Budget", "BudgetPercent", "ObservePercent", "ProbePercent", "Pyramid",
	}
	p := reflect.TypeFor[policy.Policy]()
	for i := range p.NumField() {
		if name := p.Field(i).Name; !slices.Contains(followed, name) {
			t.Errorf("policy.Policy has a field %s that host/llm/kvengine does not know", name)
		}
	}
}
