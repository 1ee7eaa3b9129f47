package lab

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// tree is the content of an initial RAM disk: files by path without a leading
// slash. Directories come by themselves.
type tree map[string]entry

type entry struct {
	mode fs.FileMode // permissions; fs.ModeSymlink for a link, its target being data
	data []byte
}

// writeCPIO writes the tree in the "newc" format that the kernel unpacks.
func writeCPIO(w io.Writer, t tree) error {
	dirs := map[string]bool{}
	for name := range t {
		for d := path.Dir(name); d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	all := tree{}
	for d := range dirs {
		all[d] = entry{mode: fs.ModeDir | 0o755}
	}
	for name, e := range t {
		all[name] = e
	}
	inode := 0
	for _, name := range sorted(all) {
		inode++
		if err := writeEntry(w, inode, name, all[name]); err != nil {
			return err
		}
	}
	return writeEntry(w, 0, "TRAILER!!!", entry{})
}

func writeEntry(w io.Writer, inode int, name string, e entry) error {
	kind := uint32(0o100000)
	switch {
	case e.mode.IsDir():
		kind = 0o040000
	case e.mode&fs.ModeSymlink != 0:
		kind = 0o120000
	}
	header := "070701"
	for _, v := range []uint32{uint32(inode), kind | uint32(e.mode.Perm()), 0, 0, 1, 0, uint32(len(e.data)), 0, 0, 0, 0, uint32(len(name) + 1), 0} {
		header += fmt.Sprintf("%08x", v)
	}
	pad := func(n int) string { return strings.Repeat("\x00", (4-n%4)%4) }
	if _, err := io.WriteString(w, header+name+"\x00"+pad(len(header)+len(name)+1)); err != nil {
		return err
	}
	if _, err := w.Write(e.data); err != nil {
		return err
	}
	_, err := io.WriteString(w, pad(len(e.data)))
	return err
}

func sorted(t tree) []string {
	names := make([]string, 0, len(t))
	for n := range t {
		names = append(names, n)
	}
	slices.Sort(names) // a directory comes before what is in it
	return names
}
