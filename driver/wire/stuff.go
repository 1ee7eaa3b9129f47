package wire

import "bytes"

// stuff appends the coding of raw, which has fewer than 255 bytes, without zeros.
func stuff(dst, raw []byte, dir Direction) []byte {
	for {
		run, rest, more := bytes.Cut(raw, []byte{0})
		if dir == ToDevice {
			dst = append(append(dst, uint8(1+len(run))), run...)
		} else {
			dst = append(append(dst, run...), uint8(1+len(run)))
		}
		if !more {
			return dst
		}
		raw = rest
	}
}

// unstuff undoes stuff in place. It fails where a distance leads beyond the frame
// or is 0.
func unstuff(b []byte, dir Direction) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	if dir == ToDevice {
		for at := 0; at < len(b); {
			next := at + int(b[at])
			if next == at || next > len(b) {
				return nil, false
			}
			b[at] = 0 // the zero before the run; the first stands for none
			at = next
		}
		return b[1:], true
	}
	for at := len(b) - 1; at >= 0; {
		next := at - int(b[at])
		if next == at || next < -1 {
			return nil, false
		}
		b[at] = 0 // the zero behind the run; the last stands for none
		at = next
	}
	return b[:len(b)-1], true
}
