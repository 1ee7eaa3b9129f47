package policy

import "reflect"

// Override holds settings that take the place of a policy's; nil leaves one
// alone. It is what command-line flags, files and rules fill. Every field has
// the name of the Policy's field that it sets.
type Override struct {
	Layout         *Layout  `json:"layout,omitempty"` // with all that it fixes, before the other settings
	KBits          *int     `json:"k_bits,omitempty"`
	VBits          *int     `json:"v_bits,omitempty"`
	KAxis          *Axis    `json:"k_axis,omitempty"`
	VAxis          *Axis    `json:"v_axis,omitempty"`
	Scheme         *Scheme  `json:"scheme,omitempty"`
	Group          *int     `json:"group,omitempty"`
	Rotate         *int     `json:"rotate,omitempty"`
	Format         *Format  `json:"format,omitempty"`
	Residual       *int     `json:"residual,omitempty"`
	Sinks          *int     `json:"sinks,omitempty"`
	Recent         *int     `json:"recent,omitempty"`
	RecentPercent  *int     `json:"recent_percent,omitempty"`
	TopK           *int     `json:"topk,omitempty"`
	TopKPercent    *int     `json:"topk_percent,omitempty"`
	Budget         *int     `json:"budget,omitempty"`
	BudgetPercent  *int     `json:"budget_percent,omitempty"`
	Observe        *int     `json:"observe,omitempty"`
	ObservePercent *int     `json:"observe_percent,omitempty"`
	Probe          *int     `json:"probe,omitempty"`
	ProbePercent   *int     `json:"probe_percent,omitempty"`
	Lambda         *float64 `json:"lambda,omitempty"`
	Normalise      *bool    `json:"normalise,omitempty"`
	Pool           *int     `json:"pool,omitempty"`
	PoolMax        *bool    `json:"pool_max,omitempty"`
	Scorer         *Scorer  `json:"scorer,omitempty"`
	Shared         *bool    `json:"shared,omitempty"`
	Pyramid        *int     `json:"pyramid,omitempty"`
	Adaptive       *int     `json:"adaptive,omitempty"`
	Tiers          *Tiers   `json:"tiers,omitempty"`
	Protected      *int     `json:"protected_bits,omitempty"`
	Ceiling        *Ceiling `json:"ceiling,omitempty"`
}

// With gives p with the settings of o. A number takes the place of a share and
// the other way round, a budget that of topk; a residual window that is asked for is not
// shortened.
func (p Policy) With(o Override) Policy {
	if o.Layout != nil {
		p = o.Layout.use(p)
	}
	if o.Tiers != nil && p.Tiers == nil {
		// Tiers take the place of the widths that were there.
		p.VBits, p.VAxis, p.Residual, p.ResidualInRecent = FP16Bits, Token, 0, false
		if p.KAxis == Token {
			p.KBits = FP16Bits
		}
	}
	if o.Recent != nil || o.RecentPercent != nil {
		p.Recent, p.RecentPercent = 0, 0
	}
	if o.Observe != nil || o.ObservePercent != nil {
		p.Observe, p.ObservePercent = 0, 0
	}
	if o.Probe != nil || o.ProbePercent != nil {
		p.Probe, p.ProbePercent = 0, 0
	}
	if o.TopK != nil || o.TopKPercent != nil || o.Budget != nil || o.BudgetPercent != nil {
		p.TopK, p.TopKPercent, p.Budget, p.BudgetPercent = nil, 0, nil, 0
	}
	if o.Residual != nil {
		p.ResidualInRecent = false
	}
	each(&p, &o, func(_ string, in, out reflect.Value) {
		switch {
		case out.IsNil():
		case in.Kind() == reflect.Pointer:
			fresh := reflect.New(in.Type().Elem()) // not shared with the override
			fresh.Elem().Set(out.Elem())
			in.Set(fresh)
		default:
			in.Set(out.Elem())
		}
	})
	return p
}

// each calls do for every setting of an override with the policy's field of the
// same name.
func each(p *Policy, o *Override, do func(name string, in, out reflect.Value)) {
	in, out := reflect.ValueOf(p).Elem(), reflect.ValueOf(o).Elem()
	for i := range out.NumField() {
		name := out.Type().Field(i).Name
		do(name, in.FieldByName(name), out.Field(i))
	}
}

// difference gives the settings that make q of p. Both are resolved; what p
// has and q has not (topk, lambda, tiers) cannot be told.
func difference(p, q Policy) Override {
	var o Override
	if p.Layout != q.Layout {
		o.Layout = &q.Layout
		p = q.Layout.use(p)
	}
	old := reflect.ValueOf(p)
	each(&q, &o, func(name string, in, out reflect.Value) {
		if name == "Layout" || reflect.DeepEqual(old.FieldByName(name).Interface(), in.Interface()) {
			return
		}
		if in.Kind() != reflect.Pointer {
			v := reflect.New(in.Type())
			v.Elem().Set(in)
			in = v
		}
		out.Set(in)
	})
	return o
}
