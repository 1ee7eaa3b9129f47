// Package alloc measures, for tests of what reads outside bytes, how much memory that
// takes.
package alloc

import "runtime"

// Bytes gives how many bytes are allocated while do runs, those that are freed again
// included. Whatever else runs in the process counts too.
func Bytes(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
