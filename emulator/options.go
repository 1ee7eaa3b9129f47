package emulator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrOption says that an option of an emu: URI has no meaning.
var ErrOption = errors.New("bad option of emu:")

const (
	allFeatures  = 1<<regmap.FeatEcho | 1<<regmap.FeatQuantize | 1<<regmap.FeatDequantize | 1<<regmap.FeatSelect
	defaultClock = 100e6
	accepted     = "lanes, max-dim, tile-tokens, max-tokens, features, build-hash and clock"
)

// options of an emu: URI.
type options struct {
	uri       string
	params    regmap.Params
	features  uint32
	buildHash uint32
	clock     float64
}

func parseOptions(u driver.URI) (options, error) {
	o := options{uri: u.Scheme + ":" + u.Address, params: regmap.DefaultParams(), features: allFeatures, clock: defaultClock}
	if u.Address != "" {
		return o, fmt.Errorf("%w: address %q, want none: emu:[?option=value]", ErrOption, u.Address)
	}
	if len(u.Options) > 0 {
		o.uri += "?" + u.Options.Encode()
	}
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		values := u.Options[name]
		if len(values) != 1 {
			return o, fmt.Errorf("%w: %s is given %d times, want once", ErrOption, name, len(values))
		}
		if err := o.set(name, values[0]); err != nil {
			return o, err
		}
	}
	if err := o.params.Validate(); err != nil {
		return o, fmt.Errorf("%w: %w", ErrOption, err)
	}
	return o, nil
}

func (o *options) set(name, v string) error {
	switch name {
	case "lanes":
		return number(name, v, &o.params.Lanes)
	case "max-dim":
		return number(name, v, &o.params.MaxDim)
	case "tile-tokens":
		return number(name, v, &o.params.TileTokens)
	case "max-tokens":
		return number(name, v, &o.params.MaxTokens)
	case "features":
		return word(name, v, allFeatures, &o.features)
	case "build-hash":
		return word(name, v, 1<<32-1, &o.buildHash)
	case "clock":
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || !(f > 0 && f <= 1e12) {
			return fmt.Errorf("%w: clock=%q, want a frequency in Hz above 0 and up to 1e12", ErrOption, v)
		}
		o.clock = f
		return nil
	}
	return fmt.Errorf("%w: %q is unknown; there are %s", ErrOption, name, accepted)
}

func number(name, v string, dst *int) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("%w: %s=%q, want a number", ErrOption, name, v)
	}
	*dst = n
	return nil
}

func word(name, v string, most uint64, dst *uint32) error {
	n, err := strconv.ParseUint(v, 0, 32)
	if err != nil || n > most {
		return fmt.Errorf("%w: %s=%q, want a number from 0 to %#x", ErrOption, name, v, most)
	}
	*dst = uint32(n)
	return nil
}
