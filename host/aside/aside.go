// Package aside writes files so that no reader ever sees half of one: the
// content goes to a temporary file in the same directory, which takes the
// place of the old file only when it is complete and on disk.
package aside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// ErrTarget says that a path cannot be replaced by a file.
var ErrTarget = errors.New("cannot be replaced by a file")

// WriteFile writes what fill writes to path. If fill fails, ctx is cancelled,
// or the file cannot be completed (a full disk), the temporary file is removed
// and whatever was at path stays as it was. A symbolic link is followed; a
// directory or a device fails with ErrTarget.
func WriteFile(ctx context.Context, path string, fill func(w io.Writer) error) error {
	if err := write(ctx, path, fill); err != nil {
		return fmt.Errorf("%s: not written: %w", path, err)
	}
	return nil
}

// Check reports early what would keep WriteFile from starting on path: a
// directory that is missing or closed, a target that is no file.
func Check(path string) error {
	target, err := resolve(path)
	if err == nil {
		var tmp *os.File
		if tmp, err = create(filepath.Dir(target)); err == nil {
			tmp.Close()
			err = os.Remove(tmp.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, err)
	}
	return nil
}

func write(ctx context.Context, path string, fill func(w io.Writer) error) (err error) {
	target, err := resolve(path)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Dir(target)
	tmp, err := create(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	buf := bufio.NewWriterSize(ctxWriter{ctx, tmp}, 1<<18)
	if err := fill(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return cause(err)
	}
	if err := tmp.Sync(); err != nil {
		return cause(err)
	}
	if err := tmp.Close(); err != nil {
		return cause(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), target); err != nil {
		return cause(err)
	}
	// The rename is in effect; making it durable is best effort, because not
	// every file system can sync a directory.
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
	return nil
}

// resolve finds the file that path stands for and refuses what a rename would
// destroy.
func resolve(path string) (string, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", cause(err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("%w: it is a %s", ErrTarget, kind(st.Mode()))
	}
	return filepath.EvalSymlinks(path)
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// create makes a new file in dir with the permissions of an ordinary one.
func create(dir string) (*os.File, error) {
	for range 100 {
		name := filepath.Join(dir, fmt.Sprintf(".kvaccel-%016x.tmp", rand.Uint64()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, cause(err)
		}
		return f, nil
	}
	return nil, fmt.Errorf("no free temporary name in %s", dir)
}

// cause drops the temporary file's name from an error: the caller names the
// file that was asked for.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

// ctxWriter fails once its context is cancelled.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c ctxWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
