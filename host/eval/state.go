package eval

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// ErrState says that a state file cannot be resumed from.
var ErrState = errors.New("cannot be resumed from")

// stateVersion changes when the figures of a unit change their meaning.
const stateVersion = 1

// unitKey names a unit.
type unitKey struct {
	run    string
	needle bool
	index  int
}

// state holds the units that are done, in memory and, line by line as they are
// done, in a file: a header and one JSON object each. Numbers come back from it
// to the digit.
type state struct {
	mu    sync.Mutex
	units map[unitKey]Unit
	file  *os.File // nil: none
	path  string
}

type stateHeader struct {
	Version     int               `json:"kvaccel_eval_state"`
	Fingerprint map[string]string `json:"fingerprint"`
}

// openState reads a state file, or begins one; an empty path keeps everything
// in memory. What was being written when the last run ended is dropped.
func openState(path string, fingerprint map[string]string) (*state, error) {
	s := &state{units: map[unitKey]Unit{}, path: path}
	if path == "" {
		return s, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := s.read(f, fingerprint); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.file = f
	return s, nil
}

func (s *state) read(f *os.File, fingerprint map[string]string) error {
	r := bufio.NewReader(f)
	var whole int64 // bytes of complete lines
	for n := 0; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			if n == 0 && len(line) > 0 {
				return fmt.Errorf("%w: it is not a state file of kvaccel eval", ErrState)
			}
			break
		}
		if err != nil {
			return err
		}
		if n == 0 {
			err = checkHeader(line, fingerprint)
		} else {
			var u Unit
			if err = json.Unmarshal(line, &u); err == nil {
				s.units[unitKey{u.Run, u.Needle, u.Index}] = u
			} else {
				err = fmt.Errorf("%w: line %d: %w", ErrState, n+1, err)
			}
		}
		if err != nil {
			return err
		}
		whole += int64(len(line))
	}
	if err := f.Truncate(whole); err != nil {
		return err
	}
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	if whole > 0 {
		return nil
	}
	return json.NewEncoder(f).Encode(stateHeader{stateVersion, fingerprint})
}

// checkHeader names the first thing that is not as it was.
func checkHeader(line []byte, now map[string]string) error {
	var h stateHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Version == 0 {
		return fmt.Errorf("%w: it is not a state file of kvaccel eval", ErrState)
	}
	if h.Version != stateVersion {
		return fmt.Errorf("%w: it is of version %d, want %d; remove it to begin anew", ErrState, h.Version, stateVersion)
	}
	for _, key := range fingerprintKeys {
		if h.Fingerprint[key] != now[key] {
			return fmt.Errorf("%w: its %s is %s, now it is %s; remove it to begin anew", ErrState, key, h.Fingerprint[key], now[key])
		}
	}
	return nil
}

// fingerprintKeys are what every unit depends on. Policies are not among them:
// their units carry a name and the settings behind it.
var fingerprintKeys = []string{"model", "text", "engine", "window", "prefix", "chunk", "block", "seed", "trials"}

func (e *evaluation) fingerprint() map[string]string {
	h := sha256.New()
	fmt.Fprint(h, e.Text)
	return map[string]string{
		"model": e.m.Fingerprint(), "text": hex.EncodeToString(h.Sum(nil)[:16]),
		"engine": fmt.Sprintf("%s %+v", e.info.Source, e.info.Params),
		"window": fmt.Sprint(e.Window), "prefix": fmt.Sprint(e.Prefix), "chunk": fmt.Sprint(e.Chunk), "block": fmt.Sprint(e.Block),
		"seed": fmt.Sprint(e.Seed), "trials": fmt.Sprint(e.Trials),
	}
}

func (s *state) has(k unitKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.units[k]
	return ok
}

// add takes a finished unit in.
func (s *state) add(u Unit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units[unitKey{u.Run, u.Needle, u.Index}] = u
	if s.file == nil {
		return nil
	}
	b, err := json.Marshal(u)
	if err == nil {
		_, err = s.file.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

func (s *state) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// get gives a unit that is done.
func (s *state) get(k unitKey) Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[k]
}
