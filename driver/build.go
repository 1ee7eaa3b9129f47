package driver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrOption says that an option of a device URI has no meaning.
var ErrOption = errors.New("bad device option")

// AllFeatures is the feature mask of an engine with nothing left out.
func AllFeatures() uint32 {
	var mask uint32
	for _, f := range regmap.FeatCodes {
		mask |= 1 << f.Value
	}
	return mask
}

// Build is a simulated engine as its URI asks for it.
type Build struct {
	Params   regmap.Params
	Features uint32
	ClockHz  float64 // stated clock, 100 MHz unless given

	given map[string]bool
}

// BuildParam ties an option of a device URI to its field and to the variable
// of make that has the same meaning.
type BuildParam struct {
	Option, Variable string
	Field            func(*regmap.Params) *int
}

// BuildParams lists the engine parameters that a URI can set.
var BuildParams = []BuildParam{
	{"lanes", "LANES", func(p *regmap.Params) *int { return &p.Lanes }},
	{"max-dim", "MAX_DIM", func(p *regmap.Params) *int { return &p.MaxDim }},
	{"tile-tokens", "TILE_TOKENS", func(p *regmap.Params) *int { return &p.TileTokens }},
	{"max-tokens", "MAX_TOKENS", func(p *regmap.Params) *int { return &p.MaxTokens }},
}

// ParseBuild reads the options of a simulated engine's URI: lanes, max-dim,
// tile-tokens, max-tokens, features (a mask), clock (Hz), and those of the
// driver itself, given as setters by name. It fails with ErrOption.
func ParseBuild(u URI, own map[string]func(value string) error) (Build, error) {
	b := Build{Params: regmap.DefaultParams(), Features: AllFeatures(), ClockHz: 100e6, given: map[string]bool{}}
	if u.Address != "" {
		return b, fmt.Errorf("%w: %s: address %q, want none: %s:[?option=value]", ErrOption, u.Scheme, u.Address, u.Scheme)
	}
	set := b.setters()
	maps.Copy(set, own)
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		f, ok := set[name]
		if !ok {
			return b, fmt.Errorf("%w: %s: has no %q; there are %s", ErrOption, u.Scheme, name, strings.Join(slices.Sorted(maps.Keys(set)), ", "))
		}
		if n := len(u.Options[name]); n != 1 {
			return b, fmt.Errorf("%w: %s is given %d times, want once", ErrOption, name, n)
		}
		if err := f(u.Options.Get(name)); err != nil {
			return b, fmt.Errorf("%w: %s=%q, want %w", ErrOption, name, u.Options.Get(name), err)
		}
		b.given[name] = true
	}
	if err := b.Params.Validate(); err != nil {
		return b, fmt.Errorf("%w: %w", ErrOption, err)
	}
	return b, nil
}

func (b *Build) setters() map[string]func(string) error {
	set := map[string]func(string) error{
		"features": Word(uint64(AllFeatures()), &b.Features),
		"clock": func(v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0 && f <= 1e12) {
				return errors.New("a frequency in Hz above 0 and up to 1e12")
			}
			b.ClockHz = f
			return nil
		},
	}
	for _, p := range BuildParams {
		set[p.Option] = func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil {
				return errors.New("a number")
			}
			*p.Field(&b.Params) = n
			return nil
		}
	}
	return set
}

// Word makes a setter of a number from 0 to most, in any Go notation.
func Word(most uint64, dst *uint32) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseUint(v, 0, 32)
		if err != nil || n > most {
			return fmt.Errorf("a number from 0 to %#x", most)
		}
		*dst = uint32(n)
		return nil
	}
}

// Given reports whether the URI had the option.
func (b Build) Given(option string) bool { return b.given[option] }

// String writes the URI as ParseURI reads it.
func (u URI) String() string {
	s := u.Scheme + ":" + u.Address
	if len(u.Options) > 0 {
		s += "?" + u.Options.Encode()
	}
	return s
}
