package rtl

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// ErrOption says that an option of an rtl: URI has no meaning.
var ErrOption = errors.New("bad option of rtl:")

const (
	defaultClock = 100e6
	allFeatures  = 1<<regmap.FeatEcho | 1<<regmap.FeatQuantize | 1<<regmap.FeatDequantize | 1<<regmap.FeatSelect
)

// options of an rtl: URI.
type options struct {
	uri      string
	params   regmap.Params
	features uint32
	given    map[string]bool // the parameters that were named
	clock    float64
	trace    string
	binary   string
}

// parameter ties an option to its field and to the variable of make.
type parameter struct {
	option, variable string
	field            func(*regmap.Params) *int
}

var parameters = []parameter{
	{"lanes", "LANES", func(p *regmap.Params) *int { return &p.Lanes }},
	{"max-dim", "MAX_DIM", func(p *regmap.Params) *int { return &p.MaxDim }},
	{"tile-tokens", "TILE_TOKENS", func(p *regmap.Params) *int { return &p.TileTokens }},
	{"max-tokens", "MAX_TOKENS", func(p *regmap.Params) *int { return &p.MaxTokens }},
}

func parseOptions(u driver.URI) (options, error) {
	o := options{uri: uriString(u), params: regmap.DefaultParams(), features: allFeatures, clock: defaultClock, given: map[string]bool{}}
	if u.Address != "" {
		return o, fmt.Errorf("%w: address %q, want none: rtl:[?option=value]", ErrOption, u.Address)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Options)) {
		v := u.Options.Get(name)
		if err := o.set(name, v); err != nil {
			return o, err
		}
	}
	if err := o.params.Validate(); err != nil {
		return o, fmt.Errorf("%w: %w", ErrOption, err)
	}
	return o, nil
}

func (o *options) set(name, v string) error {
	for _, p := range parameters {
		if p.option == name {
			n, err := strconv.Atoi(v)
			if err != nil {
				return fmt.Errorf("%w: %s=%q, want a number", ErrOption, name, v)
			}
			*p.field(&o.params), o.given[name] = n, true
			return nil
		}
	}
	switch name {
	case "features":
		n, err := strconv.ParseUint(v, 0, 32)
		if err != nil || n > allFeatures {
			return fmt.Errorf("%w: features=%q, want a mask up to %#x", ErrOption, v, allFeatures)
		}
		o.features, o.given[name] = uint32(n), true
	case "clock":
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || !(f > 0 && f <= 1e12) {
			return fmt.Errorf("%w: clock=%q, want a frequency in Hz", ErrOption, v)
		}
		o.clock = f
	case "trace", "binary":
		if v == "" {
			return fmt.Errorf("%w: %s is empty, want a file name", ErrOption, name)
		}
		if name == "trace" {
			o.trace = v
		} else {
			o.binary = v
		}
	default:
		return fmt.Errorf("%w: %q is unknown; there are lanes, max-dim, tile-tokens, max-tokens, features, clock, trace and binary", ErrOption, name)
	}
	return nil
}

// check holds the parameters a program was built with against those asked for;
// a program given by name may have any others.
func (o options) check(have regmap.Params, features uint32) error {
	for _, p := range parameters {
		if want, got := *p.field(&o.params), *p.field(&have); want != got && (o.given[p.option] || o.binary == "") {
			return fmt.Errorf("%w: the program was built with %s=%d, want %d", driver.ErrNotFound, p.variable, got, want)
		}
	}
	if features != o.features && (o.given["features"] || o.binary == "") {
		return fmt.Errorf("%w: the program was built with FEATURES=%d, want %d", driver.ErrNotFound, features, o.features)
	}
	return nil
}

// BuildName is the directory of a build, as scripts/build-rtl.sh names it.
func BuildName(p regmap.Params, features uint32) string {
	s := fmt.Sprintf("l%d-d%d-t%d-n%d", p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens)
	if features != allFeatures {
		s += fmt.Sprintf("-f%d", features)
	}
	return s
}

// MakeVariables are the variables of make that ask for a build: only those that
// are not the default.
func MakeVariables(p regmap.Params, features uint32) []string {
	var vars []string
	d := regmap.DefaultParams()
	for _, f := range parameters {
		if v := *f.field(&p); v != *f.field(&d) {
			vars = append(vars, f.variable+"="+strconv.Itoa(v))
		}
	}
	if features != allFeatures {
		vars = append(vars, fmt.Sprintf("FEATURES=%d", features))
	}
	return vars
}

// find looks for the built program in $KVACCEL_BUILD, in build of the working
// directory, in build of the module it is in, and beside this executable.
func find(o options) (string, error) {
	program := "kv_rtl"
	target := "rtl"
	if o.trace != "" {
		program, target = "kv_rtl_trace", "rtl-trace"
	}
	for _, dir := range buildDirs() {
		path := filepath.Join(dir, "rtl", BuildName(o.params, o.features), program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	command := append([]string{"make", target}, MakeVariables(o.params, o.features)...)
	return "", fmt.Errorf("%w: no Verilated engine %s in $KVACCEL_BUILD, ./build, the module's build or beside the program; build it with `%s`",
		driver.ErrNotFound, BuildName(o.params, o.features), strings.Join(command, " "))
}

func buildDirs() []string {
	var dirs []string
	if d := os.Getenv("KVACCEL_BUILD"); d != "" {
		dirs = append(dirs, d)
	}
	if wd, err := os.Getwd(); err == nil {
		dirs = append(dirs, filepath.Join(wd, "build"))
		for d := wd; ; d = filepath.Dir(d) {
			if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
				dirs = append(dirs, filepath.Join(d, "build"))
				break
			}
			if filepath.Dir(d) == d {
				break
			}
		}
	}
	if exe, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Join(filepath.Dir(exe), "build"))
	}
	return dirs
}

func uriString(u driver.URI) string {
	s := u.Scheme + ":" + u.Address
	if len(u.Options) > 0 {
		s += "?" + u.Options.Encode()
	}
	return s
}
