package coverage

import (
	"strings"
	"testing"
)

const sample = "# SystemC::Coverage-3\n" +
	"C '\x01f\x02hdl/rtl/kv_skid.sv\x01l\x0239\x01n\x0210\x01page\x02v_branch/kv_skid__W8\x01o\x02if\x01S\x0239\x01h\x02top.a' 3\n" +
	"C '\x01f\x02hdl/rtl/kv_skid.sv\x01l\x0239\x01n\x0210\x01page\x02v_branch/kv_skid__W9\x01o\x02if\x01h\x02top.b' 4\n" +
	"C '\x01f\x02hdl/rtl/kv_skid.sv\x01l\x0239\x01n\x0211\x01page\x02v_branch/kv_skid__W9\x01o\x02else\x01h\x02top.b' 0\n" +
	"C '\x01f\x02hdl/rtl/kv_skid.sv\x01l\x0212\x01n\x022\x01page\x02v_toggle/kv_skid__W9\x01o\x02count_q[1]\x01h\x02top.b' 0\n" +
	"C '\x01f\x02kv_tap.sv\x01l\x021\x01n\x022\x01page\x02v_line/kv_tap\x01o\x02block\x01h\x02top' 0\n"

func TestInstancesAreOnePoint(t *testing.T) {
	c := Counts{}
	if err := c.Read(strings.NewReader(sample)); err != nil {
		t.Fatal(err)
	}
	if n := c[Point{"branch", "kv_skid", "hdl/rtl/kv_skid.sv", 39, 10, "if"}]; n != 7 {
		t.Errorf("hit %d times, want 7", n)
	}
	m := c.Modules()
	if len(m) != 1 || m[0].Hit["branch"] != 1 || m[0].All["branch"] != 2 || m[0].All["toggle"] != 1 || m[0].Hit["toggle"] != 0 {
		t.Errorf("modules %+v", m)
	}
	h := c.Holes()
	if len(h) != 1 || h[0].What != "else" {
		t.Errorf("holes %v", h)
	}
}

// Changes that can be those from the random values of the start do not count.
func TestStartIsNoChange(t *testing.T) {
	for n, want := range map[string]uint64{"1": 0, "64": 0, "65": 1, "1000": 936} {
		c := Counts{}
		if err := c.Read(strings.NewReader("# SystemC::Coverage-3\nC '\x01f\x02x.sv\x01l\x021\x01n\x021\x01page\x02v_toggle/x\x01o\x02q[0]\x01h\x02top' " + n + "\n")); err != nil {
			t.Fatal(err)
		}
		if got := c[Point{"toggle", "x", "x.sv", 1, 1, "q[0]"}]; got != want {
			t.Errorf("%s changes count as %d, want %d", n, got, want)
		}
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for _, s := range []string{"", "# SystemC::Coverage-2\n", "# SystemC::Coverage-3\nhello\n", "# SystemC::Coverage-3\nC 'x' many\n", "# SystemC::Coverage-3\nC '\x01l\x02x' 1\n"} {
		if err := (Counts{}).Read(strings.NewReader(s)); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, s string) { _ = (Counts{}).Read(strings.NewReader(s)) })
}

func TestReasonsAreWellFormed(t *testing.T) {
	if _, err := Reasons(); err != nil {
		t.Error(err)
	}
}
