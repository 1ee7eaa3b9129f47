package packet

import "github.com/kvaccel/kvaccel/driver/regmap"

// MaxResponse is the most bytes that the response of an engine with parameters p
// can have, to any command but SOURCE: header, payload, padding and trailer.
func MaxResponse(p regmap.Params) int {
	scores := 8*p.MaxTokens + p.BeatBytes()
	list := max(2*p.MaxTokens, p.MaxTokens/2) + p.BeatBytes()
	// No coded row has more bytes than its values; two sections, keys and values.
	compress := 2 * (2*p.MaxTokens*p.MaxDim + p.BeatBytes())
	tile := 2 * p.TileTokens * p.MaxDim
	return framed(max(regmap.MaxEchoBytes, tile, list+scores+compress), p)
}

// ResponseBound is the most bytes that the response to a request packet can have.
func ResponseBound(request []byte, p regmap.Params) int {
	if len(request) >= regmap.HeaderBytes && regmap.ReqOpcode.Get(request) == regmap.OpSource {
		if n := regmap.ReqRows.Get(request); n <= regmap.MaxLinkBytes {
			return framed(int(n), p)
		}
	}
	return MaxResponse(p)
}

// framed is the size of a response with n bytes of payload.
func framed(n int, p regmap.Params) int {
	beat := p.BeatBytes()
	return 2*regmap.HeaderBytes + (n+beat-1)/beat*beat
}
