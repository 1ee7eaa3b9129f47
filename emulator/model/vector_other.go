//go:build !amd64

package model

// vector says that there are vector kernels: not for this processor. Nothing
// calls what stands for them here.
const vector = false

func copyFinite([]uint64, []byte) int { panic("no vector kernels") }

func tokenExtents([]uint64, int, []uint64, []uint64) { panic("no vector kernels") }

func columnExtents(_, _, _ []uint64) { panic("no vector kernels") }

func groupScales(_, _, _, _ []uint64, _, _ []float64, _ float64, _ uint64) {
	panic("no vector kernels")
}

func tokenCodes(_ []uint64, _, _ int, _ []uint64, _ int, _, _ []uint64, _, _ []float64, _ int, _, _, _ uint64) {
	panic("no vector kernels")
}

func columnCodes(_ []uint64, _ int, _ []uint64, _, _ []float64, _ int, _, _, _ uint64) {
	panic("no vector kernels")
}

func tokenLines([]uint64, int, int, []float64, []float64, uint64, uint64, uint64) (int, bool) {
	panic("no vector kernels")
}

func tokenRestore([]byte, []uint64, int, int, int, []float64, []float64, int, uint64, uint64) {
	panic("no vector kernels")
}

func tokenRestoreNarrow([]byte, []uint64, int, int, int, []float64, []float64, int, uint64, uint64) {
	panic("no vector kernels")
}

func columnRestore([]byte, []uint64, int, []float64, []float64, int, uint64, uint64) {
	panic("no vector kernels")
}

func columnRestoreNarrow([]byte, []uint64, int, []float32, []float32, int, uint64, uint64) {
	panic("no vector kernels")
}

func accumulate([]uint64, []byte) int { panic("no vector kernels") }
