package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvaccel/kvaccel/host/sweep"
)

// putFile puts a file on the server under its digest.
func putFile(ctx context.Context, store jetstream.ObjectStore, b sweep.Blob) error {
	if info, err := store.GetInfo(ctx, b.Digest); err == nil && info.Size == uint64(b.Size) {
		return nil
	}
	f, err := os.Open(b.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = store.Put(ctx, jetstream.ObjectMeta{Name: b.Digest, Description: b.Name}, f)
	return err
}

// files are the inputs that a worker has: where the plan has them, if this
// machine has the same there, else below dir.
type files struct {
	dir     string
	ignore  bool // take nothing from where the plan has it
	mu      sync.Mutex
	checked map[string]string // path and digest that were found the same
}

var (
	digestRule = regexp.MustCompile(`^[0-9a-f]{64}$`)
	nameRule   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._ +-]{0,200}$`)
)

// localize gives the point with its files on this machine, fetching what is
// missing.
func (f *files) localize(ctx context.Context, js jetstream.JetStream, bucket string, p sweep.Point) (sweep.Point, error) {
	blobs := p.Input.Blobs()
	if len(blobs) == 0 {
		return p, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ignore && f.same(ctx, blobs) {
		return p, nil
	}
	if !digestRule.MatchString(p.Input.Digest) {
		return p, fmt.Errorf("%w: %q is no digest of an input", ErrQueue, p.Input.Digest)
	}
	var failed error
	p.Input = p.Input.Relocate(func(b sweep.Blob) string {
		path, err := f.fetch(ctx, js, bucket, p.Input.Digest, b)
		failed = errors.Join(failed, err)
		return path
	})
	return p, failed
}

// same reports whether the files of the plan are here, under its names.
func (f *files) same(ctx context.Context, blobs []sweep.Blob) bool {
	for _, b := range blobs {
		if !f.is(ctx, b.Path, b) {
			return false
		}
	}
	return true
}

// is reports whether the file at path has the contents of b; a file is read once.
func (f *files) is(ctx context.Context, path string, b sweep.Blob) bool {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() != b.Size {
		return false
	}
	stamp := b.Digest + st.ModTime().String()
	if f.checked[path] == stamp {
		return true
	}
	have, err := sweep.Digest(ctx, path)
	if err != nil || have.Digest != b.Digest {
		return false
	}
	if f.checked == nil {
		f.checked = map[string]string{}
	}
	f.checked[path] = stamp
	return true
}

// fetch gives the path of a file below dir: inputs/DIGEST/NAME, the same file as
// files/DIGEST, which several inputs can share.
func (f *files) fetch(ctx context.Context, js jetstream.JetStream, bucket, input string, b sweep.Blob) (string, error) {
	if !digestRule.MatchString(b.Digest) || !nameRule.MatchString(b.Name) {
		return "", fmt.Errorf("%w: %q is no name of a file, or %q no digest", ErrQueue, b.Name, b.Digest)
	}
	shared, path := filepath.Join(f.dir, "files", b.Digest), filepath.Join(f.dir, "inputs", input, b.Name)
	if f.is(ctx, path, b) {
		return path, nil
	}
	for _, dir := range []string{filepath.Dir(shared), filepath.Dir(path)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
	}
	if !f.is(ctx, shared, b) {
		if err := f.download(ctx, js, bucket, shared, b); err != nil {
			return "", fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, os.Link(shared, path)
}

// download writes a file aside and puts it in its place when it is whole.
func (f *files) download(ctx context.Context, js jetstream.JetStream, bucket, path string, b sweep.Blob) error {
	store, err := js.ObjectStore(ctx, bucket)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "part-")
	if err != nil {
		return err
	}
	tmp.Close()
	defer os.Remove(tmp.Name())
	if err := store.GetFile(ctx, b.Digest, tmp.Name()); err != nil {
		return err
	}
	if !f.is(ctx, tmp.Name(), b) {
		return fmt.Errorf("%w: what the server sent is not the file of SHA-256 %s", ErrQueue, b.Digest)
	}
	return os.Rename(tmp.Name(), path)
}
