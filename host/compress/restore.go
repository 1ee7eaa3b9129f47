package compress

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/cache"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
	"github.com/kvaccel/kvaccel/host/session"
)

// RestoredHead is one key-value head as it can be used again.
type RestoredHead struct {
	Positions []int    // kept, ascending
	K, V      []uint16 // len(Positions) x Dims values in the format of the policy
}

// Restored is a restored cache. As JSON it is the report of kvaccel restore.
type Restored struct {
	SchemaVersion int           `json:"schema_version"`
	Source        driver.Source `json:"source"`
	Device        driver.Info   `json:"device"`
	Policy        policy.Policy `json:"policy"`
	Model         string        `json:"model,omitempty"`
	Prefix        int           `json:"prefix"`
	Dims          int           `json:"dims"`
	NumLayers     int           `json:"layers"`
	KVHeads       int           `json:"kv_heads"`
	TokensKept    int           `json:"tokens_kept"` // of each head; their rounded mean if they differ
	Costs

	Layers [][]RestoredHead `json:"-"` // by layer and head
}

// Restore decodes a whole cache on dev. progress may be nil.
func Restore(ctx context.Context, dev driver.Device, c *cache.Cache, progress func(Progress)) (*Restored, error) {
	s := session.New(dev)
	if err := checkRestore(s, c); err != nil {
		return nil, err
	}
	out := &Restored{
		SchemaVersion: SchemaVersion, Source: dev.Info().Source, Device: dev.Info(),
		Policy: c.Policy, Model: c.Model, Prefix: c.Prefix, Dims: c.Dims, NumLayers: len(c.Layers), TokensKept: meanKept(c),
	}
	for l := range c.Layers {
		if progress != nil {
			progress(Progress{Done: l, Total: len(c.Layers), Stage: "restore", Layer: l})
		}
		heads, err := restoreLayer(ctx, s, c, l)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", l, err)
		}
		out.Layers, out.KVHeads = append(out.Layers, heads), len(heads)
	}
	if progress != nil {
		progress(Progress{Done: len(c.Layers), Total: len(c.Layers), Stage: "done", Layer: len(c.Layers)})
	}
	out.Costs = costs(s)
	return out, nil
}

// checkRestore reports what the engine cannot restore, before anything is sent.
func checkRestore(s *session.Session, c *cache.Cache) error {
	for l := range c.Layers {
		for _, j := range c.Coded(l) {
			if j.Rows == 0 {
				continue
			}
			if err := s.Require("restoring this cache", regmap.FeatDequantize); err != nil {
				return err
			}
			if err := s.CheckTile(j.Layout, j.Dims); err != nil {
				return fmt.Errorf("layer %d: %w", l, err)
			}
		}
	}
	return nil
}

// restoreLayer decodes a layer: the quantized rows by the engine, the others
// as they stand.
func restoreLayer(ctx context.Context, s *session.Session, c *cache.Cache, l int) ([]RestoredHead, error) {
	jobs := c.Coded(l)
	rows := make([][]uint16, len(jobs))
	if c.Quantized(l) {
		var err error
		if rows, err = s.Dequantize(ctx, jobs); err != nil {
			return nil, err
		}
	}
	k, v := c.Rows(l, rows)
	out := make([]RestoredHead, len(c.Layers[l]))
	for h, head := range c.Layers[l] {
		out[h] = RestoredHead{head.Positions, k[h], v[h]}
	}
	return out, nil
}

// Write writes the restored rows to a safetensors file, whole or not at all:
// layers.{l}.heads.{h}.k and .v, F16 or BF16 [T', D], and .positions, I64 [T'].
func (r *Restored) Write(ctx context.Context, path string) error {
	pol, err := json.Marshal(r.Policy)
	if err != nil {
		return err
	}
	meta := map[string]string{"format": "kvaccel-restored", "version": "1", "policy": string(pol), "model": r.Model, "prefix": strconv.Itoa(r.Prefix)}
	rows := safetensors.FP16
	if r.Policy.IsBF16() {
		rows = safetensors.BFloat16
	}
	var entries []safetensors.Entry
	for l, heads := range r.Layers {
		for h, head := range heads {
			name := fmt.Sprintf("layers.%d.heads.%d.", l, h)
			positions := make([]int64, len(head.Positions))
			for i, j := range head.Positions {
				positions[i] = int64(j)
			}
			shape := []int64{int64(len(positions)), int64(r.Dims)}
			entries = append(entries, rows(name+"k", head.K, shape...), rows(name+"v", head.V, shape...), safetensors.Int64(name+"positions", positions))
		}
	}
	return safetensors.WriteFile(ctx, path, meta, entries)
}
