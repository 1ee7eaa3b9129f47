package model

import "golang.org/x/sys/cpu"

//go:generate go -C asm run . -out ../vector_amd64.s -stubs ../vector_stub_amd64.go -pkg model

// vector says that the processor has what the vector kernels need.
var vector = cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasBMI2 && hasF16C()
