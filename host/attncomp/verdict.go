package attncomp

// Verdict sets a method beside the engine alone at one width: the least mean error of
// all other rows that take no more bytes.
type Verdict struct {
	Alone Row
	Other *Row // nil: nothing is as small
	Long  bool // of bytes only those count that grow with the context
}

// Better reports whether the method is.
func (v Verdict) Better() bool {
	return v.Other != nil && v.Other.OutputL2.Mean < v.Alone.OutputL2.Mean
}

// Verdicts judges every width at which the engine alone was measured, by all bytes
// and then by those that grow.
func (r *Result) Verdicts() (out []Verdict) {
	for _, long := range []bool{false, true} {
		for _, a := range r.Rows {
			if a.Method != methods[0].name || a.Skipped != "" || a.Bits == FP16 {
				continue
			}
			v := Verdict{Alone: a, Long: long}
			for i := range r.Rows {
				x := &r.Rows[i]
				size, limit := x.Bytes, a.Bytes
				if long {
					size, limit = x.RowBytes, a.RowBytes
				}
				if x.Method == a.Method || x.Skipped != "" || size > limit {
					continue
				}
				if v.Other == nil || x.OutputL2.Mean < v.Other.OutputL2.Mean {
					v.Other = x
				}
			}
			out = append(out, v)
		}
	}
	return out
}
