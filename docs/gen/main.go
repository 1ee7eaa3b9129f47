package main

//go:generate go run .

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	const root = "../.."
	files, err := pages(root)
	for path, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(root, path), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
