package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing is a tool or package that the lab needs and this machine lacks.
var ErrMissing = errors.New("the lab needs what this machine does not have")

// modules are loaded in this order; the ones that a kernel has built in are not there as files.
var modules = []string{"usb-common", "usbcore", "usbip-core", "vhci-hcd", "fuse", "cuse"}

// kernel is Debian's kernel for virtual and other machines, unpacked and not installed.
type kernel struct {
	image   string            // vmlinuz
	modules map[string]string // name to file
}

// fetchKernel downloads Debian's kernel package into dir, once, and unpacks it.
func fetchKernel(ctx context.Context, dir string) (kernel, error) {
	name, err := kernelPackage(ctx)
	if err != nil {
		return kernel{}, err
	}
	root := filepath.Join(dir, name)
	if _, err := os.Stat(root); err != nil {
		if err := unpack(ctx, dir, name, root); err != nil {
			return kernel{}, err
		}
	}
	images, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return kernel{}, fmt.Errorf("%s holds %d kernels, want 1", root, len(images))
	}
	k := kernel{image: images[0], modules: map[string]string{}}
	tree := filepath.Join(root, "lib", "modules")
	if _, err := os.Stat(tree); err != nil {
		tree = filepath.Join(root, "usr", "lib", "modules")
	}
	err = filepath.WalkDir(tree, func(path string, e os.DirEntry, err error) error {
		if base, _, ok := strings.Cut(filepath.Base(path), ".ko"); ok && err == nil {
			k.modules[base] = path
		}
		return err
	})
	return k, err
}

// kernelPackage asks apt which package linux-image-amd64 stands for.
func kernelPackage(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", "linux-image-amd64").Output()
	if err != nil {
		return "", fmt.Errorf("%w: Debian's package linux-image-amd64 (apt-cache: %v); run scripts/setup.sh on Debian 12 or later", ErrMissing, err)
	}
	for line := range strings.Lines(string(out)) {
		if _, name, ok := strings.Cut(line, "Depends: "); ok && strings.HasPrefix(name, "linux-image-") {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("%w: apt knows no kernel behind linux-image-amd64; run apt-get update", ErrMissing)
}

func unpack(ctx context.Context, dir, name, root string) error {
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	get := exec.CommandContext(ctx, "apt-get", "download", "-qq", name)
	get.Dir = work
	if out, err := get.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: the package %s: apt-get download: %v\n%s", ErrMissing, name, err, out)
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download left %d packages, want 1", len(debs))
	}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", debs[0], filepath.Join(work, "root")).CombinedOutput(); err != nil {
		return fmt.Errorf("dpkg-deb -x %s: %v\n%s", debs[0], err, out)
	}
	return os.Rename(filepath.Join(work, "root"), root)
}

// module reads a module, unpacked if the distribution packs them.
func (k kernel) module(ctx context.Context, name string) ([]byte, bool, error) {
	path, ok := k.modules[name]
	if !ok {
		return nil, false, nil
	}
	if strings.HasSuffix(path, ".xz") {
		b, err := exec.CommandContext(ctx, "xz", "-dc", path).Output()
		return b, true, err
	}
	b, err := os.ReadFile(path)
	return b, true, err
}
