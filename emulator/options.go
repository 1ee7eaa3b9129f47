package emulator

import "github.com/kvaccel/kvaccel/driver"

// options of an emu: URI.
type options struct {
	driver.Build
	uri       string
	buildHash uint32
}

func parseOptions(u driver.URI) (o options, err error) {
	o.uri = u.String()
	o.Build, err = driver.ParseBuild(u, map[string]func(string) error{
		"build-hash": driver.Word(1<<32-1, &o.buildHash),
	})
	return o, err
}
