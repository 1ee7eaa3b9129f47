package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func chart(layers, heads int) Chart {
	c := Chart{Title: "kivi-4", YLabel: "attention-output relative L2"}
	for l := range layers {
		for h := range heads {
			c.Points = append(c.Points, Point{l, h, float64(1000 + 10*h), 0.01 * float64(l+1)})
		}
	}
	return c
}

func TestPNG(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.PNG")
	if err := Write(t.Context(), path, chart(4, 2)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	colours := map[color.Color]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			colours[img.At(x, y)]++
		}
	}
	vivid := 0
	for c, n := range colours {
		if r, g, b, _ := c.RGBA(); max(r, g, b)-min(r, g, b) > 0x5000 && n > 50 {
			vivid++
		}
	}
	if vivid < 4 {
		t.Errorf("%d vivid colours, want one for each of 4 layers", vivid)
	}
}

func TestSVGNamesEveryLayer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.svg")
	if err := Write(t.Context(), path, chart(3, 2)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"kivi-4", "layer 0", "layer 1", "layer 2", "bytes per head", "relative L2"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not in the picture", want)
		}
	}
}

func TestSamePointsSamePicture(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for i := range 3 {
		path := filepath.Join(dir, fmt.Sprintf("%d.svg", i))
		if err := Write(t.Context(), path, chart(1, 1)); err != nil { // one point: no range on either axis
			t.Fatal(err)
		}
		b, _ := os.ReadFile(path)
		if first == nil {
			first = b
		}
		if !bytes.Equal(first, b) {
			t.Fatal("the picture changes")
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"out.pdf", "out", "png"} {
		if err := Write(t.Context(), filepath.Join(dir, name), chart(1, 1)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if CheckPath(name) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := Write(t.Context(), filepath.Join(dir, "a.png"), Chart{}); !errors.Is(err, ErrNothing) {
		t.Errorf("no points: %v", err)
	}
	if err := Write(t.Context(), filepath.Join(dir, "a.png"), Chart{Points: []Point{{Bytes: 1, Error: math.NaN()}}}); err == nil {
		t.Error("NaN was drawn")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
