// Package llm runs decoders of the Llama architecture: RMSNorm, rotary
// positions on the two halves of a head (as in Hugging Face transformers),
// grouped-query attention, SwiGLU, optionally biases on queries, keys and values
// (Qwen2), and an output head of its own or tied to the embedding.
//
// Weights come from a directory with config.json and safetensors ([Open]).
// Everything is computed in float32. The keys and values are in the caller's
// hands: [Model.Forward] asks a [KV] to attend, layer by layer, and [Cache] is
// the plain one; package host/llm/kvengine has one that keeps its rows through
// an engine.
package llm

import (
	"errors"
	"fmt"
)

// What can be wrong with a model or what is asked of it.
var (
	ErrArchitecture = errors.New("this architecture cannot be run")
	ErrConfig       = errors.New("the model's configuration cannot be used")
	ErrWeights      = errors.New("the model's weights do not fit its configuration")
	ErrToken        = errors.New("token outside the vocabulary")
	ErrText         = errors.New("the text cannot be used")
	ErrNonFinite    = errors.New("not a finite number")
)

// Error says what is wrong with which key or tensor of which file.
type Error struct {
	File   string
	Key    string // key of config.json or tensor; may be empty
	Reason string // what was found and what would be accepted
	Err    error  // one of the sentinels of this package
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s: %v: %s", e.File, e.Err, e.Reason)
	}
	return fmt.Sprintf("%s: %s: %v: %s", e.File, e.Key, e.Err, e.Reason)
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }
