//go:build browser

package report

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// browsers are the names that Chromium has.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

func browser(t *testing.T) string {
	t.Helper()
	for _, b := range browsers {
		if path, err := exec.LookPath(b); err == nil {
			return path
		}
	}
	t.Fatalf("no browser: install one of %s", strings.Join(browsers, ", "))
	return ""
}

// probe sorts the last table of settings twice by its bytes and leaves what it
// saw in the title.
const probe = `<script>
const seen = [], table = [...document.querySelectorAll("table.sort")][1], th = [...table.querySelectorAll("th")].find(x => x.textContent === "bytes a token");
const column = () => [...table.tBodies[0].rows].map(r => parseFloat(r.cells[4].dataset.v));
th.click(); let v = column(); seen.push("up " + v.every((x, i) => !i || v[i-1] <= x) + " " + v.length);
th.click(); v = column(); seen.push("down " + v.every((x, i) => !i || v[i-1] >= x));
const shapes = [...document.querySelectorAll("figure svg")].map(s => s.getBoundingClientRect());
seen.push("pictures " + shapes.filter(r => r.width > 300 && r.height > 150).length);
seen.push("wide " + (document.documentElement.scrollWidth > innerWidth));
seen.push("loaded " + performance.getEntriesByType("resource").length);
document.title = seen.join(", ");
</script>`

// TestBrowser opens the page in a browser: it sorts, shows its pictures, is no
// wider than the window, loads nothing, and no script of it fails.
func TestBrowser(t *testing.T) {
	r := built(t)
	b, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, bytes.Replace(b, []byte("</body>"), []byte(probe+"</body>"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, string) {
		cmd := exec.Command(browser(t), append(args, "file://"+path)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, &errs)
		}
		return out.String(), errs.String()
	}
	common := []string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + filepath.Join(dir, "profile"), "--window-size=1300,3200", "--enable-logging=stderr"}
	dom, logs := run(append(common, "--dump-dom")...)
	if want := "<title>up true 10, down true, pictures 4, wide false, loaded 0</title>"; !strings.Contains(dom, want) {
		at := strings.Index(dom, "<title>")
		t.Errorf("the browser saw %.100q, want %q", dom[max(at, 0):], want)
	}
	for _, line := range strings.Split(logs, "\n") {
		if strings.Contains(line, "CONSOLE") {
			t.Error(line)
		}
	}
	shot := filepath.Join(dir, "page.png")
	if keep := os.Getenv("KVACCEL_SCREENSHOT"); keep != "" {
		shot = keep
	}
	run(append(common, "--hide-scrollbars", "--screenshot="+shot)...)
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colors := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 3 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
			r, g, b, _ := img.At(x, y).RGBA()
			colors[[3]uint32{r >> 11, g >> 11, b >> 11}] = true
		}
	}
	if len(colors) < 20 {
		t.Errorf("the screenshot has %d colours", len(colors))
	}
}
