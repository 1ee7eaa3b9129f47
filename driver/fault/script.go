// Package fault spoils things on purpose: it wraps a device or a pipe of bytes and
// injects delays, short transfers, damage, errors and disconnects from a small
// script.
//
// A script is lines, or parts between semicolons, of three things: where, when,
// what. A # starts a comment.
//
//	seed 7                      of the random choices; 1 unless given
//	send every 10 delay 5ms
//	recv at 20 error timeout
//	reg chance 0.01 error protocol
//	recv at 100 short
//	out chance 0.001 flip
//	in at 5000 disconnect
//
// Where: of a device send, recv, reg (register accesses), any; of a pipe out
// (bytes written), in (bytes read), any. When: at N (the N-th call there), every N,
// chance P. What: delay DURATION; error KIND; disconnect (this call and all
// later ones fail); short (a packet loses its end, a write or read of a pipe
// likewise); and of a pipe flip, drop, repeat, insert: a byte is changed, lost,
// doubled, added.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver"
)

// ErrScript says that a script cannot be read. It is a driver.ErrOption.
var ErrScript = fmt.Errorf("%w: fault script", driver.ErrOption)

// ErrInjected is in every error that a script made.
var ErrInjected = errors.New("injected fault")

// place is where a fault happens.
type place string

const (
	atSend place = "send"
	atRecv place = "recv"
	atReg  place = "reg"
	atIn   place = "in"
	atOut  place = "out"
	atAny  place = "any"
)

// action is what happens.
type action string

const (
	delay      action = "delay"
	fails      action = "error"
	disconnect action = "disconnect"
	short      action = "short"
	flip       action = "flip"
	drop       action = "drop"
	repeat     action = "repeat"
	insert     action = "insert"
)

var errorKinds = map[string]error{
	"timeout": driver.ErrTimeout, "disconnected": driver.ErrDisconnected, "protocol": driver.ErrProtocol, "busy": driver.ErrBusy,
	"access": driver.ErrAccess, "unsupported": driver.ErrUnsupported,
}

// rule is a line of a script.
type rule struct {
	where  place
	at     int     // only the N-th call; 0: see the others
	every  int     // each N-th call
	chance float64 // or with this probability
	what   action
	wait   time.Duration
	err    error
}

// Script is a list of rules and how far each place has come. It may be used by
// several goroutines; whatever it is wrapped around shares its counts.
type Script struct {
	mu    sync.Mutex
	rules []rule
	calls map[place]int
	gone  bool
	rng   *rand.Rand
	count map[string]int // of the faults injected, by action
}

// Parse reads a script.
func Parse(text string) (*Script, error) {
	s := &Script{calls: map[place]int{}, count: map[string]int{}}
	seed := uint64(1)
	for n, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var err error
		if words[0] == "seed" && len(words) == 2 {
			seed, err = strconv.ParseUint(words[1], 0, 64)
		} else {
			var r rule
			if r, err = parseRule(words); err == nil {
				s.rules = append(s.rules, r)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%w: part %d, %q: %w", ErrScript, n+1, strings.TrimSpace(line), err)
		}
	}
	s.rng = rand.New(rand.NewPCG(seed, 0xfa017))
	return s, nil
}

func parseRule(w []string) (r rule, err error) {
	if len(w) < 4 {
		return r, errors.New("want WHERE at|every|chance N WHAT, such as: recv at 20 error timeout")
	}
	r.where, r.what = place(w[0]), action(w[3])
	if !slices.Contains([]place{atSend, atRecv, atReg, atIn, atOut, atAny}, r.where) {
		return r, fmt.Errorf("%q is no place; there are send, recv, reg (of a device), in, out (of a pipe), any", w[0])
	}
	count := func() (int, error) {
		n, err := strconv.Atoi(w[2])
		if err != nil || n < 1 {
			return 0, fmt.Errorf("%q, want a number from 1", w[2])
		}
		return n, nil
	}
	switch w[1] {
	case "at":
		r.at, err = count()
	case "every":
		r.every, err = count()
	case "chance":
		if r.chance, err = strconv.ParseFloat(w[2], 64); err != nil || !(r.chance > 0 && r.chance <= 1) {
			err = fmt.Errorf("%q, want a probability above 0 and up to 1", w[2])
		}
	default:
		err = fmt.Errorf("%q, want at, every or chance", w[1])
	}
	if err != nil {
		return r, err
	}
	args := w[4:]
	switch r.what {
	case delay:
		if len(args) != 1 {
			return r, errors.New("want delay DURATION")
		}
		if r.wait, err = time.ParseDuration(args[0]); err != nil || r.wait < 0 || r.wait > time.Hour {
			return r, fmt.Errorf("%q, want a duration up to an hour, such as 5ms", args[0])
		}
		return r, nil
	case fails:
		if len(args) != 1 || errorKinds[args[0]] == nil {
			return r, fmt.Errorf("want error and one of %s", strings.Join(slices.Sorted(maps.Keys(errorKinds)), ", "))
		}
		r.err = errorKinds[args[0]]
		return r, nil
	case flip, drop, repeat, insert:
		if r.where != atIn && r.where != atOut && r.where != atAny {
			return r, fmt.Errorf("%s is for the bytes of a pipe (in, out): a device has no check that would notice", r.what)
		}
	case disconnect, short:
	default:
		return r, fmt.Errorf("%q is no fault; there are delay, error, disconnect, short, flip, drop, repeat, insert", w[3])
	}
	if len(args) > 0 {
		return r, fmt.Errorf("%q is too much", args[0])
	}
	return r, nil
}

// Injected tells how many faults of each kind there were.
func (s *Script) Injected() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.count)
}

// Reconnect ends a disconnect, as plugging the board in again would.
func (s *Script) Reconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = false
}

// gone is the error of everything behind a disconnect.
var errGone = fmt.Errorf("%w: %w", driver.ErrDisconnected, ErrInjected)

// meet counts a call at a place and gives the rules that strike there.
func (s *Script) meet(where place) (hits []rule, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, errGone
	}
	s.calls[where]++
	n := s.calls[where]
	for _, r := range s.rules {
		if r.where != where && r.where != atAny {
			continue
		}
		if r.at == n || r.every > 0 && n%r.every == 0 || r.chance > 0 && s.rng.Float64() < r.chance {
			s.count[string(r.what)]++
			hits = append(hits, r)
			s.gone = s.gone || r.what == disconnect
		}
	}
	return hits, nil
}

// pick is a random number from 0 to n-1.
func (s *Script) pick(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}
