// Package hil runs the conformance suite on a device given on the command line, a
// board above all:
//
//	go test -tags hil ./verification/hil -device usb:
//	go test -tags 'hil usb' ./verification/hil -device usb: -v
//
// Without the tag there is nothing in it. docs/usb.md and docs/pcie.md name the
// devices; $KVACCEL_DEVICE stands in for the flag.
package hil
