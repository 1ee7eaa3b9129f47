package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/hil"
)

// runLink measures the device in the loop.
func runLink(ctx context.Context, env *cli.Env, o options) (err error) {
	dev, err := env.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	twin, err := env.Devices.Open(ctx, twinURI(dev.Info()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, twin.Close()) }()
	ho := hil.Options{Quick: o.Quick, Sizes: o.sizes, Depths: o.depths, Predict: twin}
	var finish func()
	ho.Progress, finish = env.Progress("measuring")
	r, err := hil.Run(ctx, dev, ho)
	finish()
	if err != nil {
		return err
	}
	switch o.format {
	case formatJSON:
		err = env.PrintJSON(r)
	case formatGobench:
		err = r.WriteGobench(env.Stdout)
	default:
		err = r.WriteTable(env.Stdout)
	}
	if err != nil {
		return err
	}
	return r.Err()
}

// twinURI names the emulator of an engine like the one given.
func twinURI(i driver.Info) string {
	o := url.Values{}
	for _, p := range driver.BuildParams {
		o.Set(p.Option, strconv.Itoa(*p.Field(&i.Params)))
	}
	o.Set("features", strconv.FormatUint(uint64(i.Features), 10))
	o.Set("clock", strconv.FormatFloat(i.ClockHz, 'g', -1, 64))
	return driver.URI{Scheme: "emu", Options: o}.String()
}

// compare says what changed between two reports.
func compare(env *cli.Env, before, after string) error {
	var files [2]*os.File
	for i, path := range []string{before, after} {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	c, err := hil.Compare(files[0], files[1])
	if errors.Is(err, hil.ErrReport) {
		return cli.Usage(fmt.Errorf("%s, %s: %w", before, after, err))
	}
	if err != nil {
		return err
	}
	if env.JSON {
		err = env.PrintJSON(c)
	} else {
		err = c.WriteTable(env.Stdout)
	}
	if err != nil {
		return err
	}
	return c.Err()
}
