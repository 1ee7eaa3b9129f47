package drivertest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page on verification names each of these subtests, and no other.
func TestPageNamesTheFaults(t *testing.T) {
	page, err := os.ReadFile("../../docs/verification.md")
	if err != nil {
		t.Fatal(err)
	}
	var named, want []string
	for _, m := range regexp.MustCompile("`faults/([^`.]+)`").FindAllStringSubmatch(string(page), -1) {
		named = append(named, m[1])
	}
	for _, f := range faults {
		want = append(want, strings.ReplaceAll(f.name, " ", "_"))
	}
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(named), want) {
		t.Errorf("docs/verification.md has %q, the suite %q", named, want)
	}
}
