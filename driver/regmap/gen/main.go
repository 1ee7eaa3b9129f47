// Command gen writes the files generated from the specification table.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/kvaccel/kvaccel/driver/regmap/spec"
)

func main() {
	files, err := spec.Files()
	for _, f := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join("..", "..", f.Path), f.Text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
