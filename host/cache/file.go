package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/safetensors"
)

// ErrCache says that a file is a safetensors file but no compressed cache.
var ErrCache = errors.New("not a compressed KV cache")

// Format and Version are in the metadata of every cache file.
const (
	Format  = "kvaccel-cache"
	Version = "1"
)

func headName(l, h int, what string) string { return fmt.Sprintf("layers.%d.heads.%d.%s", l, h, what) }

// Write writes the cache to path, whole or not at all. The bytes depend on
// nothing but the cache.
func (c *Cache) Write(ctx context.Context, path string) error {
	pol, err := json.Marshal(c.Policy)
	if err != nil {
		return err
	}
	meta := map[string]string{
		"format": Format, "version": Version, "policy": string(pol), "model": c.Model,
		"prefix": strconv.Itoa(c.Prefix), "dims": strconv.Itoa(c.Dims),
		"layers": strconv.Itoa(len(c.Layers)), "heads": strconv.Itoa(len(c.Layers[0])),
	}
	var entries []safetensors.Entry
	for l := range c.Layers {
		for h := range c.Layers[l] {
			head := &c.Layers[l][h]
			pol := c.Policy.At(l, h)
			rest := safetensors.FP16
			if pol.IsBF16() {
				rest = safetensors.BFloat16
			}
			for _, p := range parts(pol, c.Prefix, c.Dims, head) {
				entries = append(entries,
					safetensors.Bytes(headName(l, h, p.name+".codes"), p.data.Codes),
					rest(headName(l, h, p.restName(pol)), p.data.FP16, int64(len(p.data.FP16)/c.Dims), int64(c.Dims)))
			}
			if pol.Evicts() {
				entries = append(entries, safetensors.Int64(headName(l, h, "positions"), toInt64(head.Positions)))
			}
			if pol.Tiers != nil {
				entries = append(entries, safetensors.Bytes(headName(l, h, "tiers"), head.Tiers))
			}
		}
	}
	return safetensors.WriteFile(ctx, path, meta, entries)
}

// restName names the tensor of the rows that are not quantized.
func (p part) restName(pol policy.Policy) string {
	if pol.IsBF16() {
		return p.name + ".bf16"
	}
	return p.name + ".fp16"
}

func toInt64(list []int) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

// All lists the positions 0 to n-1.
func All(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
