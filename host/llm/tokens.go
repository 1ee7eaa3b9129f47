package llm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvaccel/kvaccel/host/npy"
)

// maxTextBytes bounds a text or token file.
const maxTextBytes = 1 << 30

// byteVocab is the vocabulary of a model whose tokens are bytes.
const byteVocab = 256

// ReadTokens reads a text for this model: an .npy array of whole numbers, a
// .json list of them, or, for a model of 256 tokens, any other file, each byte
// a token.
func (m *Model) ReadTokens(path string) ([]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := io.LimitReader(f, maxTextBytes+1)
	var tokens []int
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".npy":
		tokens, err = npyTokens(r)
	case ".json":
		err = json.NewDecoder(r).Decode(&tokens)
	default:
		tokens, err = m.byteTokens(path, r)
	}
	if err != nil {
		if _, ok := err.(*Error); ok {
			return nil, err
		}
		return nil, &Error{path, "", err.Error(), ErrText}
	}
	return tokens, m.CheckTokens(path, tokens)
}

func npyTokens(r io.Reader) ([]int, error) {
	a, err := npy.Read(r, maxTextBytes)
	if err != nil {
		return nil, err
	}
	list, err := a.Ints()
	if err != nil {
		return nil, err
	}
	tokens := make([]int, len(list))
	for i, t := range list {
		tokens[i] = int(t)
	}
	return tokens, nil
}

func (m *Model) byteTokens(path string, r io.Reader) ([]int, error) {
	if m.Vocab != byteVocab {
		return nil, &Error{path, "", fmt.Sprintf("its bytes are tokens only of a model with %d tokens, this one has %d: give the tokens as an .npy array or a .json list", byteVocab, m.Vocab), ErrText}
	}
	text, err := io.ReadAll(r)
	if err == nil && len(text) > maxTextBytes {
		err = fmt.Errorf("it is longer than %d bytes", maxTextBytes)
	}
	tokens := make([]int, len(text))
	for i, b := range text {
		tokens[i] = int(b)
	}
	return tokens, err
}

// CheckTokens fails with ErrToken at the first token outside the vocabulary.
// The name is for the error.
func (m *Model) CheckTokens(name string, tokens []int) error {
	for i, t := range tokens {
		if t < 0 || t >= m.Vocab {
			return &Error{name, fmt.Sprintf("token %d", i), fmt.Sprintf("it is %d, want 0 to %d (vocab_size - 1)", t, m.Vocab-1), ErrToken}
		}
	}
	return nil
}
