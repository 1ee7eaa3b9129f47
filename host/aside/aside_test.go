package aside

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func entries(t *testing.T, dir string) []string {
	t.Helper()
	des, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range des {
		names = append(names, d.Name())
	}
	return names
}

func TestReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	for _, content := range []string{"first", "second, longer"} {
		err := WriteFile(t.Context(), path, func(w io.Writer) error {
			_, err := io.WriteString(w, content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Fatalf("got %q, want %q", got, content)
		}
	}
	if n := entries(t, dir); len(n) != 1 {
		t.Fatalf("left behind: %q", n)
	}
}

func TestFailureKeepsOldFile(t *testing.T) {
	boom := errors.New("boom")
	during, cancel := context.WithCancel(context.Background())
	before, cancelNow := context.WithCancel(context.Background())
	cancelNow()
	for name, c := range map[string]struct {
		ctx  context.Context
		fill func(io.Writer) error
		want error
	}{
		"fill fails": {context.Background(), func(w io.Writer) error { io.WriteString(w, "half"); return boom }, boom},
		"cancelled meanwhile": {during, func(w io.Writer) error {
			cancel()
			_, err := w.Write(make([]byte, 1<<20))
			return err
		}, context.Canceled},
		"cancelled before": {before, func(io.Writer) error { return nil }, context.Canceled},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(c.ctx, path, c.fill); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("%s: the old file became %q", name, got)
		}
		if n := entries(t, dir); len(n) != 1 {
			t.Errorf("%s: left behind: %q", name, n)
		}
	}
}

func TestRefusesWhatIsNoFile(t *testing.T) {
	fill := func(w io.Writer) error { return nil }
	dir := t.TempDir()
	for _, path := range []string{dir, os.DevNull} {
		if err := WriteFile(t.Context(), path, fill); !errors.Is(err, ErrTarget) {
			t.Errorf("%s: got %v, want ErrTarget", path, err)
		}
	}
	if err := WriteFile(t.Context(), filepath.Join(dir, "none", "out"), fill); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: got %v", err)
	}
}

func TestFollowsLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(t.Context(), link, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err })
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "new" {
		t.Fatalf("the link's target holds %q", got)
	}
	if st, _ := os.Lstat(link); st.Mode()&os.ModeSymlink == 0 {
		t.Fatal("the link was replaced")
	}
}

// Check says beforehand what WriteFile would say, and leaves nothing behind.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := Check(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := Check(dir); !errors.Is(err, ErrTarget) {
		t.Errorf("a directory: %v, want %v", err, ErrTarget)
	}
	if err := Check(filepath.Join(dir, "none", "file")); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("in no directory: %v", err)
	}
}
