package traceconvert

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvaccel/kvaccel/host/npy"
	"github.com/kvaccel/kvaccel/host/safetensors"
)

func (c *converter) read(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return c.readDir(path)
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".npy":
		return c.readNPY(path)
	case ".npz":
		return c.readNPZ(path)
	case ".safetensors":
		return c.readSafetensors(path)
	case ".pt", ".pth", ".bin", ".pkl", ".pickle":
		return fmt.Errorf("%s: %w: a pickle can run code and is not read; save .npy, .npz or .safetensors instead (docs/eval.md has a snippet)", path, ErrInput)
	default:
		return fmt.Errorf("%s: %w: it ends in %q, want .npy, .npz, .safetensors or a directory of .npy files", path, ErrInput, ext)
	}
}

func (c *converter) readDir(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.npy"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s: %w: the directory has no .npy files", dir, ErrInput)
	}
	for _, f := range files {
		if err := c.readNPY(f); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) readNPY(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := npy.Read(f, c.left)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return c.addNPY(path, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), a)
}

func (c *converter) readNPZ(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	var own error // the caller's, which names the file already
	err = npy.EachZipped(f, st.Size(), c.left, func(name string, a npy.Array) error {
		own = c.addNPY(path, name, a)
		return own
	})
	if err != nil && err != own {
		return fmt.Errorf("%s: %w", path, err)
	}
	return err
}

func (c *converter) addNPY(path, name string, a npy.Array) error {
	c.left -= int64(len(a.Data))
	x := &array{file: path, name: name, shape: a.Shape}
	var err error
	switch {
	case a.Kind != 'f':
		x.whole, err = a.Ints()
	case a.Width == 2:
		x.half = make([]uint16, a.Elements())
		for i := range x.half {
			x.half[i] = uint16(a.Data[2*i]) | uint16(a.Data[2*i+1])<<8
		}
	default:
		x.single, err = a.Float32s()
	}
	if err != nil {
		return fmt.Errorf("%s: array %q: %w", path, name, err)
	}
	return c.add(x)
}

func (c *converter) readSafetensors(path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	maps.Copy(c.metadata, f.Metadata())
	for _, t := range f.Tensors() {
		if c.left -= t.Bytes(); c.left < 0 {
			return fmt.Errorf("%s: %w: the inputs have more than %d bytes", path, ErrInput, int64(maxBytes))
		}
		x := &array{file: path, name: t.Name(), shape: t.Shape()}
		switch t.DType() {
		case safetensors.F16:
			x.half, _, err = t.ReadFP16(0, t.Elements())
		case safetensors.I64:
			x.whole, err = t.ReadInt64()
		default:
			x.single, err = t.ReadFloat32()
		}
		if err == nil {
			err = c.add(x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
