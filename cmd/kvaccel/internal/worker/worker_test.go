package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/cli"
	"github.com/kvaccel/kvaccel/cmd/kvaccel/internal/root"
	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/emulator"
	"github.com/kvaccel/kvaccel/host/sweep"
	"github.com/kvaccel/kvaccel/host/sweep/queue"
)

// TestMain makes the test program kvaccel itself where a test starts it so.
func TestMain(m *testing.M) {
	if os.Getenv("KVACCEL_TEST_COMMAND") != "" {
		os.Exit(root.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// command is kvaccel as a process.
func command(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "KVACCEL_TEST_COMMAND=1", "XDG_CACHE_HOME="+t.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	return cmd, &errs
}

func open(ctx context.Context, uri string) (driver.Device, error) {
	u, err := driver.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	return emulator.Open(ctx, u)
}

// points take some tenths of a second each, so that a killed worker has one in hand.
const points = `name: killed
inputs: {trace: sample, prefix: 480}
policies: [full, qserve-4, q8_0, q4_0, q4_1, {policy: kivi-4, bits: [2, 3, 4, 5, 6, 8]}]
`

func plan(t *testing.T, text string) *sweep.Plan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := sweep.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan(t.Context(), "emu:", "test")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rows(t *testing.T, st *sweep.Store, name string) (list []sweep.Row, by map[string]int) {
	t.Helper()
	list, err := st.Rows(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	by = map[string]int{}
	for i := range list {
		by[list[i].Worker]++
		list[i].Worker, list[i].Started, list[i].Seconds = "", "", 0
	}
	return list, by
}

func store(t *testing.T) *sweep.Store {
	t.Helper()
	st, err := sweep.OpenStore(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// TestKilledWorker runs a sweep on two workers that are processes, and kills one
// in the middle. What comes of it is what one machine gives; what the dead worker had
// sent is kept, what it had in hand is done by the other.
func TestKilledWorker(t *testing.T) {
	p := plan(t, points)
	alone := store(t)
	if _, err := sweep.Run(t.Context(), p, alone, sweep.Options{Open: open}); err != nil {
		t.Fatal(err)
	}
	s, err := queue.Serve(queue.ServerOptions{Addr: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	start := func(name string) *exec.Cmd {
		cmd, errs := command(t, "worker", "--nats", s.URL(), "--jobs", "1", "--name", name, "--program", "test")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
			if t.Failed() {
				t.Logf("%s: %s", name, errs)
			}
		})
		return cmd
	}
	victim := start("victim")
	nc, err := s.Connect(queue.Access{Name: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	st := store(t)
	var once sync.Once
	var survivor *exec.Cmd
	var mu sync.Mutex
	sum, err := queue.Run(t.Context(), nc, p, st, queue.HubOptions{AckWait: 2 * time.Second, Progress: func(done, _ int) {
		if done < 4 {
			return
		}
		once.Do(func() {
			mu.Lock()
			defer mu.Unlock()
			survivor = start("survivor")
			time.Sleep(50 * time.Millisecond)
			victim.Process.Kill()
		})
	}})
	if err != nil || sum.Computed != sum.Points || sum.Points != 11 {
		t.Fatalf("%+v, %v", sum, err)
	}
	want, _ := rows(t, alone, p.Name)
	got, by := rows(t, st, p.Name)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("two workers, one killed:\n%+v\none machine:\n%+v", got, want)
	}
	if by["victim"] < 4 || by["survivor"] == 0 || by["victim"]+by["survivor"] != 11 {
		t.Errorf("points by worker: %v", by)
	}
	mu.Lock()
	defer mu.Unlock()
	survivor.Process.Signal(os.Interrupt)
	if err := survivor.Wait(); survivor.ProcessState.ExitCode() != cli.ExitInterrupted {
		t.Errorf("the survivor ended with %v", err)
	}
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestKilledHub kills the sweep, server and all, and runs it again; the worker
// stays, and what is finished is not computed again. At last it is interrupted.
func TestKilledHub(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	file, db := filepath.Join(dir, "x.yaml"), filepath.Join(dir, "x.db")
	if err := os.WriteFile(file, []byte(points), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd, errs := command(t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd, errs
	}
	start("worker", "--nats", "nats://127.0.0.1:"+port, "--jobs", "1", "--program", "test")
	sweepArgs := []string{"sweep", file, "--serve", port, "--program", "test", "--ack-wait", "2s"}
	finished := func() int {
		st, err := sweep.OpenResults(t.Context(), db)
		if err != nil {
			return 0 // not begun
		}
		defer st.Close()
		done, err := st.Done(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(done)
	}
	wait := func(n int) {
		for range 600 {
			if finished() >= n {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%d points after 30 s, want %d", finished(), n)
	}
	killed, _ := start(sweepArgs...)
	wait(3)
	killed.Process.Kill()
	killed.Wait()
	stopped, errs := start(sweepArgs...)
	wait(6)
	stopped.Process.Signal(os.Interrupt)
	stopped.Wait()
	if code := stopped.ProcessState.ExitCode(); code != cli.ExitInterrupted || !strings.Contains(errs.String(), "the same command goes on there") {
		t.Fatalf("interrupted: exit %d, %s", code, errs)
	}
	before := finished()
	last, errs := start(append(sweepArgs, "--json")...)
	last.Wait()
	if code := last.ProcessState.ExitCode(); code != cli.ExitOK {
		t.Fatalf("exit %d, %s", code, errs)
	}
	if n := finished(); n != 11 || before < 6 {
		t.Errorf("%d points, %d before the last run", n, before)
	}
	st, err := sweep.OpenResults(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	alone := store(t)
	p := plan(t, points)
	if _, err := sweep.Run(t.Context(), p, alone, sweep.Options{Open: open}); err != nil {
		t.Fatal(err)
	}
	want, _ := rows(t, alone, p.Name)
	if got, _ := rows(t, st, p.Name); !reflect.DeepEqual(got, want) {
		t.Errorf("killed, interrupted and run again:\n%+v\none machine:\n%+v", got, want)
	}
}

// TestVerbs runs sweep and worker as a person does.
func TestVerbs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.yaml")
	if err := os.WriteFile(file, []byte("name: verbs\ninputs: {trace: sample, prefix: 500}\npolicies: [full, qserve-4]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := root.Main([]string{"sweep", file, "--serve", "127.0.0.1:0", "--workers", "1", "--program", "test"}, &out, &errs)
	if code != cli.ExitOK || !strings.Contains(out.String(), "2 computed") || !strings.Contains(errs.String(), "kvaccel worker --nats nats://127.0.0.1:") {
		t.Errorf("exit %d\n%s\n%s", code, &out, &errs)
	}
	if _, err := os.Stat(filepath.Join(dir, "x.db.nats")); err == nil {
		t.Error("the server's files are left")
	}
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.yaml")
	if err := os.WriteFile(file, []byte("name: verbs\ninputs: {trace: sample, prefix: 500}\npolicies: [full]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"worker", "--jobs", "0"}, cli.ExitUsage, "--jobs is 0"},
		{[]string{"worker", "x"}, cli.ExitUsage, "usage"},
		{[]string{"worker", "-d", "emu:?lanes=4"}, cli.ExitUsage, "without options"},
		{[]string{"worker", "-d", "none:"}, cli.ExitNotFound, "none:"},
		{[]string{"worker", "--creds", filepath.Join(dir, "no.creds")}, cli.ExitNotFound, "no.creds"},
		{[]string{"sweep", file, "--nats", "nats://127.0.0.1:1"}, cli.ExitIO, "nats://127.0.0.1:1"},
		{[]string{"sweep", file, "--nats", "nats://127.0.0.1:1", "--serve", "0"}, cli.ExitUsage, "one of them"},
		{[]string{"sweep", file, "--serve", "0.0.0.0:0"}, cli.ExitIO, "loopback"},
		{[]string{"sweep", file, "--creds", file}, cli.ExitUsage, "--creds is for"},
		{[]string{"sweep", file, "--nats-config", file}, cli.ExitUsage, "--serve"},
		{[]string{"sweep", file, "--serve", "0", "--ack-wait", "1ms"}, cli.ExitUsage, "--ack-wait"},
	} {
		var out, errs bytes.Buffer
		if code := root.Main(c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.word) {
			t.Errorf("kvaccel %s: exit %d, %q; want %d with %q", fmt.Sprint(c.args), code, &errs, c.code, c.word)
		}
	}
}
