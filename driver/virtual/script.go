package virtual

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrScript is wrapped by errors about a script of misbehaviour.
var ErrScript = errors.New("bad script")

// Fault is one thing that a boot loader does wrong, once.
type Fault struct {
	Kind  FaultKind
	Block int // block of a download at which it happens; no meaning for manifest and upload
}

// FaultKind is a kind of misbehaviour.
type FaultKind string

// What a boot loader can do wrong. Every one of them has been seen in a real one.
const (
	FaultStall        FaultKind = "stall"         // stalls the block, and says errSTALLEDPKT
	FaultError        FaultKind = "error"         // says errWRITE after the block
	FaultLongPoll     FaultKind = "long-poll"     // asks for the longest poll time-out there is
	FaultZeroPoll     FaultKind = "zero-poll"     // is busy and says that no wait is needed
	FaultUnplug       FaultKind = "unplug"        // leaves the bus in the middle of the block
	FaultCorrupt      FaultKind = "corrupt"       // writes the block wrongly and says OK
	FaultManifest     FaultKind = "manifest"      // leaves the bus in manifest and comes back as boot loader
	FaultShortUpload  FaultKind = "short-upload"  // ends an upload early
	FaultStatusLength FaultKind = "status-length" // answers GETSTATUS with too few bytes
)

var faultKinds = map[FaultKind]bool{
	FaultStall: true, FaultError: true, FaultLongPoll: true, FaultZeroPoll: true, FaultUnplug: true, FaultCorrupt: true, FaultStatusLength: true,
	FaultManifest: false, FaultShortUpload: false,
}

// ParseScript reads faults as in "stall@2,long-poll@0,manifest": kind, and for
// what happens at a block its number.
func ParseScript(s string) ([]Fault, error) {
	if s == "" {
		return nil, nil
	}
	var all []Fault
	for word := range strings.SplitSeq(s, ",") {
		kind, block, at := strings.Cut(strings.TrimSpace(word), "@")
		needs, known := faultKinds[FaultKind(kind)]
		if !known || needs != at {
			return nil, fmt.Errorf("%w: %q; write stall, error, long-poll, zero-poll, unplug, corrupt or status-length with @BLOCK, manifest or short-upload without", ErrScript, word)
		}
		f := Fault{Kind: FaultKind(kind)}
		if at {
			n, err := strconv.Atoi(block)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("%w: block %q of %q is no number from 0", ErrScript, block, word)
			}
			f.Block = n
		}
		all = append(all, f)
	}
	return all, nil
}
