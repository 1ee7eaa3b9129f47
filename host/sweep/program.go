package sweep

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// Program names the version of the running program: its release, else the
// revision it was built from, unmodified, else a hash of the executable itself, so
// that a program that was changed never passes for what it was.
func Program(ctx context.Context) (string, error) {
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" && !strings.Contains(v, "+dirty") {
			return v, nil
		}
		set := map[string]string{}
		for _, s := range info.Settings {
			set[s.Key] = s.Value
		}
		if set["vcs.revision"] != "" && set["vcs.modified"] == "false" {
			return "git-" + set["vcs.revision"], nil
		}
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("the program's version is not known: %w", err)
	}
	b, err := digest(ctx, path)
	if err != nil {
		return "", fmt.Errorf("the program's version is not known: %w", err)
	}
	return "exe-" + b.Digest[:16], nil
}
