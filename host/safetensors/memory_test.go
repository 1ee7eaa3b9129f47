package safetensors

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/kvaccel/kvaccel/internal/alloc"
)

// Memory follows the size of the file, whatever its header claims.
func TestMemoryFollowsTheFile(t *testing.T) {
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `"%d":{"dtype":"F16","shape":[0],"data_offsets":[0,0]},`, i)
	}
	for name, b := range map[string][]byte{
		"a header of 99 MB claimed":     binary.LittleEndian.AppendUint64(nil, 99_000_000),
		"2^40 elements claimed":         build(`{"a":{"dtype":"F16","shape":[1048576,1048576],"data_offsets":[0,2199023255552]}}`, nil),
		"elements that take no bytes":   build(`{"a":{"dtype":"F16","shape":[1099511627776,0],"data_offsets":[0,0]}}`, nil),
		"a hundred thousand dimensions": build(`{"a":{"dtype":"F16","shape":[`+strings.Repeat("1,", 100_000)+`1],"data_offsets":[0,2]}}`, make([]byte, 2)),
		"lists within lists":            build(`{"a":`+strings.Repeat("[", 200_000), nil),
		"maps within maps":              build(strings.Repeat(`{"a":`, 100_000), nil),
		"a long name":                   build(`{"`+strings.Repeat("a", 200_000)+`":0}`, nil),
		"many tensors":                  build("{"+many.String()[:many.Len()-1]+"}", nil),
	} {
		n := alloc.Bytes(func() {
			if f, err := openBytes(b); err == nil {
				for _, x := range f.Tensors() {
					if _, _, err := x.ReadFP16(0, x.Elements()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
		if limit := uint64(128*len(b) + 1<<17); n > limit {
			t.Errorf("%s: a file of %d bytes took %d of memory, at most %d are allowed", name, len(b), n, limit)
		}
	}
}
