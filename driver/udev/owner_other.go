//go:build !unix

package udev

import "io/fs"

func owner(fs.FileInfo) string { return "" }
func isGone(error) bool        { return false }
func isBusy(error) bool        { return false }
