package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/sweeptest"
)

// noLeak fails the test if goroutines are left when it is over.
func noLeak(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		var n int
		for range 100 {
			if n = runtime.NumGoroutine(); n <= before {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after\n%s", before, n, stacks[:runtime.Stack(stacks, true)])
	})
}

func serve(t *testing.T) *Server {
	t.Helper()
	s, err := Serve(ServerOptions{Addr: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const quick = "name: quick\ninputs: [{trace: trace.safetensors, prefix: 500}, {trace: sample, name: built-in, prefix: 500}]\npolicies: [full, qserve-4, q8_0, {policy: kivi-2, group: [32, 64]}, {policy: streaming, budgets: [900]}]\n"

// plan makes a plan of a file that lies beside a copy of the sample trace.
func plan(t *testing.T, text string) *sweep.Plan {
	t.Helper()
	b, err := os.ReadFile("../../trace/sample/golm-512.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	return sweeptest.Plan(t, text, map[string][]byte{"trace.safetensors": b})
}

// local is what one machine without a queue comes to.
func local(t *testing.T, p *sweep.Plan) []sweep.Row {
	t.Helper()
	st := sweeptest.Store(t)
	if _, err := sweep.Run(t.Context(), p, st, sweep.Options{Open: sweeptest.OpenEmu}); err != nil {
		t.Fatal(err)
	}
	return sweeptest.Plain(sweeptest.Rows(t, st, p.Name))
}

// start runs a worker until the test is over or it is stopped.
func start(t *testing.T, s *Server, o WorkerOptions) (stop func() error) {
	t.Helper()
	nc, err := Access{URL: s.URL(), Name: o.Name}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if o.Open == nil {
		o.Open = sweeptest.OpenEmu
	}
	if o.Devices == nil {
		o.Devices = []string{"emu:"}
	}
	if o.Program == "" {
		o.Program = "test"
	}
	o.Cache = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		defer nc.Close()
		done <- Work(ctx, nc, o)
	}()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { stop() })
	return stop
}

// run is a hub.
func run(t *testing.T, ctx context.Context, s *Server, p *sweep.Plan, st *sweep.Store, o HubOptions) (sweep.Summary, error) {
	t.Helper()
	nc, err := s.Connect(Access{Name: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return Run(ctx, nc, p, st, o)
}

func TestTwoWorkersGiveTheSame(t *testing.T) {
	noLeak(t)
	p := plan(t, quick)
	want := local(t, p)
	s, st := serve(t), sweeptest.Store(t)
	start(t, s, WorkerOptions{Name: "a", Jobs: 2, onlyCache: true})
	start(t, s, WorkerOptions{Name: "b", Jobs: 1})
	sum, err := run(t, t.Context(), s, p, st, HubOptions{Note: t.Logf})
	if err != nil || sum.Computed != 10 || sum.Failed != 2 || sum.Finished != 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if got := sweeptest.Plain(sweeptest.Rows(t, st, p.Name)); !reflect.DeepEqual(got, want) {
		t.Errorf("through the queue:\n%+v\nwithout:\n%+v", got, want)
	}
	sum, err = run(t, t.Context(), s, p, st, HubOptions{})
	if err != nil || sum.Finished != 10 || sum.Computed != 0 || sum.Failed != 2 {
		t.Errorf("again: %+v, %v", sum, err)
	}
}

// TestHubComesBack cancels the hub in the middle and starts another one.
func TestHubComesBack(t *testing.T) {
	noLeak(t)
	p := plan(t, quick)
	s, st := serve(t), sweeptest.Store(t)
	start(t, s, WorkerOptions{Name: "a", Jobs: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := run(t, ctx, s, p, st, HubOptions{Progress: func(done, _ int) {
		if done == 4 { // of which two may have failed
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	sum, err := run(t, t.Context(), s, p, st, HubOptions{})
	if err != nil || sum.Finished < 2 || sum.Finished+sum.Computed != 10 {
		t.Errorf("%+v, %v", sum, err)
	}
	seen := map[string]string{}
	rows, err := st.Rows(t.Context(), p.Name)
	if err != nil || len(rows) != 12 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		seen[r.Key] = r.State
	}
	if len(seen) != 12 {
		t.Errorf("%d keys", len(seen))
	}
}

// TestStoppedWorkerGivesBack stops a worker that has a point in hand, and the
// other one does it at once, not when the wait is over.
func TestStoppedWorkerGivesBack(t *testing.T) {
	noLeak(t)
	p := plan(t, "name: one\ninputs: {trace: sample, prefix: 500}\npolicies: [full]\n")
	s, st := serve(t), sweeptest.Store(t)
	begun := make(chan struct{}, 1)
	stop := start(t, s, WorkerOptions{Name: "stuck", Open: func(ctx context.Context, uri string) (driver.Device, error) {
		if !strings.Contains(uri, "lanes") {
			return sweeptest.OpenEmu(ctx, uri) // to say what it is
		}
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	go func() {
		<-begun
		stop()
		start(t, s, WorkerOptions{Name: "other"})
	}()
	began := time.Now()
	sum, err := run(t, t.Context(), s, p, st, HubOptions{AckWait: time.Minute})
	if err != nil || sum.Computed != 1 || time.Since(began) > 30*time.Second {
		t.Errorf("%+v, %v after %v", sum, err, time.Since(began))
	}
}

func TestOthersAreRefused(t *testing.T) {
	noLeak(t)
	p := plan(t, quick)
	s, st := serve(t), sweeptest.Store(t)
	ctx, cancel := context.WithCancel(t.Context())
	notes := make(chan string, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(t, ctx, s, p, st, HubOptions{Note: func(f string, args ...any) { notes <- fmt.Sprintf(f, args...) }})
	}()
	defer func() { cancel(); <-done }()
	for _, c := range []struct {
		o    WorkerOptions
		want []string
	}{
		{WorkerOptions{Name: "old-map", specID: 0x1234}, []string{"worker old-map refused by sweep quick", "SPEC_ID", "0x00001234", fmt.Sprintf("%#08x", specID)}},
		{WorkerOptions{Name: "old-program", Program: "other"}, []string{"worker old-program refused by sweep quick", "other", "test"}},
	} {
		nc, err := Access{URL: s.URL()}.Connect()
		if err != nil {
			t.Fatal(err)
		}
		o := c.o
		o.Devices, o.Open, o.Cache = []string{"emu:"}, sweeptest.OpenEmu, t.TempDir()
		if o.Program == "" {
			o.Program = "test"
		}
		err = Work(t.Context(), nc, o)
		nc.Close()
		note := <-notes
		if !errors.Is(err, ErrRefused) || !errors.Is(err, driver.ErrVersion) {
			t.Errorf("%s: %v", c.o.Name, err)
		}
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) || !strings.Contains(note, w) {
				t.Errorf("no %q in the worker's %q or the hub's %q", w, err, note)
			}
		}
	}
	rows, err := st.Rows(t.Context(), p.Name)
	if err != nil || len(rows) != 0 {
		t.Errorf("refused workers computed %d points (%v)", len(rows), err)
	}
}

func TestOneHubForASweep(t *testing.T) {
	noLeak(t)
	p := plan(t, quick)
	s, st := serve(t), sweeptest.Store(t)
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(t, ctx, s, p, st, HubOptions{Progress: func(int, int) { close(running) }})
	}()
	<-running
	if _, err := run(t, t.Context(), s, p, sweeptest.Store(t), HubOptions{}); !errors.Is(err, ErrQueue) || !strings.Contains(err.Error(), "quick") {
		t.Errorf("a second hub: %v", err)
	}
	cancel()
	<-done
}

func TestIdleWorkerEnds(t *testing.T) {
	noLeak(t)
	s := serve(t)
	nc, err := Access{URL: s.URL()}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := Work(t.Context(), nc, WorkerOptions{Name: "a", Devices: []string{"emu:"}, Open: sweeptest.OpenEmu, Idle: 300 * time.Millisecond, Cache: t.TempDir()}); err != nil {
		t.Error(err)
	}
	err = Work(t.Context(), nc, WorkerOptions{Name: "a", Devices: []string{"emu:?lanes=4"}, Open: sweeptest.OpenEmu})
	if !errors.Is(err, driver.ErrOption) {
		t.Errorf("a build for a worker: %v", err)
	}
}

// TestStrangers sends the hub what no worker of this program sends.
func TestStrangers(t *testing.T) {
	noLeak(t)
	p := plan(t, "name: odd\ninputs: {trace: sample, prefix: 500}\npolicies: [full]\n")
	s, st := serve(t), sweeptest.Store(t)
	nc, err := Access{URL: s.URL()}.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ready := make(chan struct{})
	var mu sync.Mutex
	notes := ""
	note := func(f string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		notes += fmt.Sprintf(f+"\n", args...)
	}
	done := make(chan error, 1)
	go func() {
		var once sync.Once
		_, err := run(t, t.Context(), s, p, st, HubOptions{Progress: func(int, int) { once.Do(func() { close(ready) }) }, Note: note})
		done <- err
	}()
	<-ready
	for _, advert := range []string{"{", `{"worker": "x"}`, fmt.Sprintf(`{"worker": "y", "program": "test", "spec_id": %d, "devices": [{"spec_id": %d}]}`, specID, specID)} {
		m, err := nc.Request(joinSubject("odd"), []byte(advert), 5*time.Second)
		if err != nil || !strings.Contains(string(m.Data), "refused") {
			t.Errorf("%s: %v, %s", advert, err, m.Data)
		}
	}
	empty, err := pack(sweep.Outcome{Key: p.Keys[0], Program: "test", Worker: "z"})
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range [][]byte{[]byte("x"), empty} {
		if err := nc.Publish(resultSubject("odd", p.Keys[0]), message); err != nil {
			t.Fatal(err)
		}
		nc.Flush()
		time.Sleep(100 * time.Millisecond) // the stream keeps one message a subject
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	rows, err := st.Rows(t.Context(), "odd")
	if err != nil || len(rows) != 1 || !strings.Contains(rows[0].Error, "neither a result") {
		t.Errorf("%+v, %v", rows, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(notes, "; dropped") {
		t.Errorf("the hub said %q", notes)
	}
}

// TestFilesFromElsewhere makes sure that names from the network lead nowhere.
func TestFilesFromElsewhere(t *testing.T) {
	f := files{dir: t.TempDir(), ignore: true}
	digest := strings.Repeat("a", 64)
	for _, b := range []sweep.Blob{{Name: "../x", Digest: digest}, {Name: "..", Digest: digest}, {Name: "x", Digest: "../x"}, {Name: "/etc/x", Digest: digest}, {Name: "", Digest: digest}} {
		p := sweep.Point{Input: sweep.Input{Trace: &b, Digest: digest}}
		if _, err := f.localize(t.Context(), nil, "", p); !errors.Is(err, ErrQueue) {
			t.Errorf("%+v: %v", b, err)
		}
	}
	b := sweep.Blob{Name: "x", Digest: digest}
	if _, err := f.localize(t.Context(), nil, "", sweep.Point{Input: sweep.Input{Trace: &b, Digest: "../.."}}); !errors.Is(err, ErrQueue) {
		t.Errorf("digest of an input: %v", err)
	}
}

func TestListenAddress(t *testing.T) {
	for _, c := range []struct {
		addr, host string
		port       int
	}{{"4333", "127.0.0.1", 4333}, {":4333", "127.0.0.1", 4333}, {"localhost", "localhost", 4222}, {"[::1]:5", "::1", 5}, {"0.0.0.0:1", "0.0.0.0", 1}} {
		host, port, err := listenAddress(c.addr)
		if err != nil || host != c.host || port != c.port {
			t.Errorf("%s: %s %d %v", c.addr, host, port, err)
		}
	}
	if _, err := Serve(ServerOptions{Addr: "0.0.0.0:0", Dir: t.TempDir()}); !errors.Is(err, ErrQueue) || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("open to everyone: %v", err)
	}
	if _, _, err := listenAddress("localhost:none"); !errors.Is(err, ErrQueue) {
		t.Errorf("no port: %v", err)
	}
}

func TestConnectMistakes(t *testing.T) {
	if _, err := (Access{URL: "nats://user:secret@127.0.0.1:1"}).Connect(); !errors.Is(err, ErrQueue) || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := (Access{URL: "nats://127.0.0.1:1", Creds: "/none"}).Connect(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no credentials: %v", err)
	}
	s := serve(t)
	cert := filepath.Join(t.TempDir(), "cert")
	if err := os.WriteFile(cert, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Access{URL: s.URL(), Cert: cert}).Connect(); !errors.Is(err, ErrQueue) {
		t.Errorf("certificate without key: %v", err)
	}
}
