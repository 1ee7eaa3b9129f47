package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/policy"
)

// overrides reads the settings that a policy in a sweep file can have: those
// of kvaccel run, under the names of its flags, and bits for both sides.
var overrides = func() map[string]func(value string, o *policy.Override) error {
	all := map[string]func(value string, o *policy.Override) error{}
	for _, s := range policy.Settings() {
		all[s.Name] = func(v string, o *policy.Override) error {
			if strings.HasPrefix(v, "-") {
				return fmt.Errorf("%q, want nothing below 0", v)
			}
			return s.Read(v, o)
		}
	}
	for key, read := range checked {
		all[key] = read
	}
	return all
}()

// checked reads those of which a value can be refused by itself, and bits.
var checked = map[string]func(value string, o *policy.Override) error{
	"k-bits":   func(v string, o *policy.Override) error { return bits(v, &o.KBits) },
	"v-bits":   func(v string, o *policy.Override) error { return bits(v, &o.VBits) },
	"bits":     func(v string, o *policy.Override) error { return first(bits(v, &o.KBits), bits(v, &o.VBits)) },
	"residual": func(v string, o *policy.Override) error { return count(v, &o.Residual) },
	"sinks":    func(v string, o *policy.Override) error { return count(v, &o.Sinks) },
	"k-axis":   func(v string, o *policy.Override) error { return word(v, &o.KAxis, policy.Token, policy.Channel) },
	"v-axis":   func(v string, o *policy.Override) error { return word(v, &o.VAxis, policy.Token, policy.Channel) },
	"scheme": func(v string, o *policy.Override) error {
		return word(v, &o.Scheme, policy.Asym, policy.Sym, policy.Offset)
	},
	"layout": func(v string, o *policy.Override) error {
		l, err := policy.ParseLayout(v)
		o.Layout = &l
		return err
	},
	"group": func(v string, o *policy.Override) error {
		g, err := policy.ParseGroup(v)
		o.Group = &g
		return err
	},
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func bits(v string, dst **int) error {
	n, err := strconv.Atoi(v)
	if err != nil || !slices.Contains(policy.Bits, n) {
		return fmt.Errorf("%q, want one of %v", v, policy.Bits)
	}
	*dst = &n
	return nil
}

func count(v string, dst **int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return fmt.Errorf("%q, want a whole number from 0 on", v)
	}
	*dst = &n
	return nil
}

func word[T ~string](v string, dst **T, accepted ...T) error {
	if !slices.Contains(accepted, T(v)) {
		return fmt.Errorf("%q, want one of %v", v, accepted)
	}
	t := T(v)
	*dst = &t
	return nil
}

// engineKeys lists the settings of an engine: the options of emu: and rtl:.
func engineKeys() []string {
	keys := []string{"features", "clock"}
	for _, p := range driver.BuildParams {
		keys = append(keys, p.Option)
	}
	return keys
}

// Simulated reports whether a scheme's engine is built as its URI says.
func Simulated(scheme string) bool { return scheme == "emu" || scheme == "rtl" }

// canonical writes the URI of an engine so that the same engine has the same
// URI: of a simulated one every parameter is named.
func canonical(uri driver.URI, set map[string]string) (string, error) {
	if !Simulated(uri.Scheme) {
		if len(set) > 0 {
			return "", fmt.Errorf("%w: %s: is built already; only emu: and rtl: take %s", driver.ErrOption, uri.Scheme, names(set))
		}
		return uri.String(), nil
	}
	out := driver.URI{Scheme: uri.Scheme, Address: uri.Address, Options: map[string][]string{}}
	known := driver.URI{Scheme: uri.Scheme, Address: uri.Address, Options: map[string][]string{}}
	put := func(key string, values ...string) {
		out.Options[key] = values
		if slices.Contains(engineKeys(), key) { // a driver's own options are its own to judge
			known.Options[key] = values
		}
	}
	for key, values := range uri.Options {
		put(key, values...)
	}
	for key, v := range set {
		put(key, v)
	}
	b, err := driver.ParseBuild(known, nil)
	if err != nil {
		return "", err
	}
	for _, p := range driver.BuildParams {
		out.Options.Set(p.Option, strconv.Itoa(*p.Field(&b.Params)))
	}
	out.Options.Set("features", strconv.FormatUint(uint64(b.Features), 10))
	out.Options.Set("clock", strconv.FormatFloat(b.ClockHz, 'g', -1, 64))
	return out.String(), nil
}
