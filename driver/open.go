package driver

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// URI names a device: a scheme, an opaque address and options, as in
// "emu:", "rtl:?lanes=4" or "usb:1209:5af0?serial=7".
type URI struct {
	Scheme  string
	Address string
	Options url.Values
}

// ParseURI splits a device URI. A bare scheme needs its colon.
func ParseURI(s string) (URI, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" {
		return URI{}, fmt.Errorf("%w: %q is no device URI; write emu:, rtl: or SCHEME:ADDRESS[?option=value]", ErrNotFound, s)
	}
	addr, query, _ := strings.Cut(rest, "?")
	opts, err := url.ParseQuery(query)
	if err != nil {
		return URI{}, fmt.Errorf("%w: options of device URI %q: %v", ErrNotFound, s, err)
	}
	return URI{Scheme: scheme, Address: addr, Options: opts}, nil
}

// Opener opens a device named by a URI of its scheme.
type Opener func(ctx context.Context, uri URI) (Device, error)

// Registry maps URI schemes to openers. The zero value is empty and ready.
type Registry struct {
	openers map[string]Opener
	listers map[string]Lister
}

// Register adds a scheme. Registering one twice is a programming error.
func (r *Registry) Register(scheme string, open Opener) {
	if _, dup := r.openers[scheme]; dup {
		panic("driver: scheme registered twice: " + scheme)
	}
	if r.openers == nil {
		r.openers = map[string]Opener{}
	}
	r.openers[scheme] = open
}

// Schemes lists the registered schemes in order.
func (r *Registry) Schemes() []string {
	var s []string
	for k := range r.openers {
		s = append(s, k)
	}
	slices.Sort(s)
	return s
}

// Open parses a URI and opens the device it names.
func (r *Registry) Open(ctx context.Context, uri string) (Device, error) {
	u, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	open, ok := r.openers[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%w: no driver for %q in this build; it has %s", ErrNotFound, u.Scheme+":", strings.Join(r.Schemes(), ":, ")+":")
	}
	return open(ctx, u)
}
