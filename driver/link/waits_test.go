package link

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

func TestWaits(t *testing.T) {
	for _, c := range []struct {
		w                        Waits
		retry, patience, timeout time.Duration
	}{
		{Waits{}, 50 * time.Millisecond, 5 * time.Second, time.Minute},
		{Waits{Retry: 2 * time.Second}, 2 * time.Second, 8 * time.Second, time.Minute},
		{Waits{Patience: time.Minute}, 50 * time.Millisecond, time.Minute, 2 * time.Minute},
		{Waits{Retry: time.Second, Patience: 10 * time.Second}, time.Second, 10 * time.Second, time.Minute},
	} {
		var o Options
		c.w.Apply(&o)
		if o.defaults(); o.Retry != c.retry || o.Patience != c.patience || o.Timeout != c.timeout {
			t.Errorf("%+v: retry %v, patience %v, timeout %v", c.w, o.Retry, o.Patience, o.Timeout)
		}
	}
	if err := (Waits{Retry: time.Second, Patience: time.Second}).Check(); !errors.Is(err, driver.ErrOption) {
		t.Errorf("%v", err)
	}
}

// TestHelloBacksOff counts the HELLOs that a silent device hears: each has it begin anew.
func TestHelloBacksOff(t *testing.T) {
	for _, c := range []struct {
		waits Waits
		most  int
	}{
		{Waits{}, 8},
		{Waits{Retry: 2 * time.Second, Patience: time.Minute}, 7},
	} {
		synctest.Test(t, func(t *testing.T) {
			host, board := pipe(nil)
			hellos := 0
			done := make(chan struct{})
			go func() {
				defer close(done)
				scanner := wire.Scanner{Dir: wire.ToDevice}
				b := make([]byte, 256)
				for {
					n, err := board.Read(b)
					if err != nil {
						return
					}
					scanner.Scan(b[:n], func(f wire.Frame, err error) {
						if err == nil && f.Type == regmap.FrameHello {
							hellos++
						}
					})
				}
			}()
			var o Options
			c.waits.Apply(&o)
			start := time.Now()
			_, err := Open(t.Context(), host, o)
			if !errors.Is(err, driver.ErrTimeout) {
				t.Errorf("%v", err)
			}
			_ = board.Close()
			<-done
			if o.defaults(); hellos < 3 || hellos > c.most || time.Since(start) > 2*o.Patience {
				t.Errorf("%d HELLOs in %v, want 3 to %d", hellos, time.Since(start), c.most)
			}
		})
	}
}
