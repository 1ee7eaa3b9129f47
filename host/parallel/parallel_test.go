package parallel

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	done := make([]int32, 1000)
	if err := Each(t.Context(), len(done), func(i int) error { atomic.AddInt32(&done[i], 1); return nil }); err != nil {
		t.Fatal(err)
	}
	for i, n := range done {
		if n != 1 {
			t.Fatalf("%d was done %d times", i, n)
		}
	}
	if err := Each(t.Context(), 0, func(int) error { panic("called") }); err != nil {
		t.Fatal(err)
	}
}

func TestEachFails(t *testing.T) {
	boom := errors.New("boom")
	var calls atomic.Int32
	err := Each(t.Context(), 100000, func(i int) error {
		calls.Add(1)
		if i == 3 {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) || calls.Load() == 100000 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Each(ctx, 10, func(int) error { t.Error("called after cancel"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
