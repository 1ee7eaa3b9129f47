package rtl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
)

// options of an rtl: URI.
type options struct {
	driver.Build
	uri    string
	trace  string // waveform file
	binary string // program; empty: the build for the parameters
}

func parseOptions(u driver.URI) (o options, err error) {
	o.uri = u.String()
	file := func(dst *string) func(string) error {
		return func(v string) error {
			if v == "" {
				return errors.New("a file name")
			}
			*dst = v
			return nil
		}
	}
	o.Build, err = driver.ParseBuild(u, map[string]func(string) error{"trace": file(&o.trace), "binary": file(&o.binary)})
	return o, err
}

// check holds the parameters a program was built with against those asked for;
// a program given by name may have any others.
func (o options) check(have regmap.Params, features uint32) error {
	for _, p := range driver.BuildParams {
		if want, got := *p.Field(&o.Params), *p.Field(&have); want != got && (o.Given(p.Option) || o.binary == "") {
			return fmt.Errorf("%w: the program was built with %s=%d, want %d", driver.ErrNotFound, p.Variable, got, want)
		}
	}
	if features != o.Features && (o.Given("features") || o.binary == "") {
		return fmt.Errorf("%w: the program was built with FEATURES=%d, want %d", driver.ErrNotFound, features, o.Features)
	}
	return nil
}

// BuildName is the directory of a build, as scripts/build-rtl.sh names it.
func BuildName(p regmap.Params, features uint32) string {
	s := fmt.Sprintf("l%d-d%d-t%d-n%d", p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens)
	if features != driver.AllFeatures() {
		s += fmt.Sprintf("-f%d", features)
	}
	return s
}

// MakeVariables are the variables of make that ask for a build: only those that
// are not the default.
func MakeVariables(p regmap.Params, features uint32) []string {
	var vars []string
	d := regmap.DefaultParams()
	for _, f := range driver.BuildParams {
		if v := *f.Field(&p); v != *f.Field(&d) {
			vars = append(vars, f.Variable+"="+strconv.Itoa(v))
		}
	}
	if features != driver.AllFeatures() {
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
		path := filepath.Join(dir, "rtl", BuildName(o.Params, o.Features), program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	command := append([]string{"make", target}, MakeVariables(o.Params, o.Features)...)
	return "", fmt.Errorf("%w: no Verilated engine %s in $KVACCEL_BUILD, ./build, the module's build or beside the program; build it with `%s`",
		driver.ErrNotFound, BuildName(o.Params, o.Features), strings.Join(command, " "))
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
