// Package sweeptest has what tests of sweeps share, on one machine or over a queue. It
// is imported by tests alone.
package sweeptest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// OpenEmu opens emulators only.
func OpenEmu(ctx context.Context, uri string) (driver.Device, error) {
	u, err := driver.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	return emulator.Open(ctx, u)
}

// Write puts a sweep into x.yaml in a folder of its own, files beside it, and gives its path.
func Write(t testing.TB, text string, beside map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, content := range beside {
		put(name, content)
	}
	return put("x.yaml", []byte(text))
}

// Plan plans a sweep with files beside it, for emulators and a program called test.
func Plan(t testing.TB, text string, beside map[string][]byte) *sweep.Plan {
	t.Helper()
	f, err := sweep.Read(Write(t, text, beside))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan(t.Context(), "emu:", "test")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Store opens an empty store until the test is over.
func Store(t testing.TB) *sweep.Store {
	t.Helper()
	st, err := sweep.OpenStore(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// Rows gives the results of a sweep.
func Rows(t testing.TB, st *sweep.Store, name string) []sweep.Row {
	t.Helper()
	r, err := st.Rows(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Plain gives rows without what differs from run to run.
func Plain(rows []sweep.Row) []sweep.Row {
	for i := range rows {
		rows[i].Worker, rows[i].Started, rows[i].Seconds = "", "", 0
	}
	return rows
}
