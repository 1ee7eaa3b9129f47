// Package hosttest has what tests of the host's packages share: an engine, policies,
// traces out of tensors. It is imported by tests alone.
package hosttest

import (
	"bytes"
	"testing"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/trace"
)

// Device opens an emulator until the test is over.
func Device(t testing.TB, uri string) driver.Device {
	t.Helper()
	u, err := driver.ParseURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := emulator.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// Policy looks a policy up.
func Policy(t testing.TB, name string) policy.Policy {
	t.Helper()
	p, err := policy.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Trace makes a trace of tensors, as a file t.safetensors would hold them.
func Trace(t testing.TB, meta map[string]string, entries ...safetensors.Entry) *trace.Trace {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, meta, entries); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.New("t.safetensors", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Ptr is a pointer to a copy of v.
func Ptr[T any](v T) *T { return &v }
