package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
)

// State is the outcome of a request that passes clocks.
type State byte

// The states.
const (
	More  State = 0 // the clocks are used up; ask again
	Done  State = 1
	Stuck State = 2 // the engine shows no sign of life
)

// NoAnswer stands for RRESP or BRESP when the engine did not answer.
const NoAnswer = 0xFF

// Reset holds rst_i for 2 clocks; the link forgets all packets.
func (p *Process) Reset(ctx context.Context) error {
	_, err := p.call(ctx, kindReset, nil, 0)
	return err
}

// Send queues a request packet of whole beats.
func (p *Process) Send(ctx context.Context, packet []byte) error {
	_, err := p.call(ctx, kindSend, packet, 0)
	return err
}

// Receive clocks the engine until a response is complete, for at most so many
// clocks, and appends the response to dst.
func (p *Process) Receive(ctx context.Context, clocks uint32, dst []byte) ([]byte, State, error) {
	a, err := p.call(ctx, kindReceive, binary.LittleEndian.AppendUint32(nil, clocks), -1)
	if err != nil {
		return dst, More, err
	}
	if len(a) == 0 || a[0] > byte(Stuck) || (len(a) > 1) != (a[0] == byte(Done)) {
		return dst, More, p.fail(ctx, fmt.Errorf("%w: receive answered by %d bytes", ErrFrame, len(a)))
	}
	return append(dst, a[1:]...), State(a[0]), nil
}

// Read reads a register: RRESP and data.
func (p *Process) Read(ctx context.Context, addr uint32) (resp byte, data uint32, err error) {
	a, err := p.call(ctx, kindRead, binary.LittleEndian.AppendUint32(nil, addr), 5)
	if err != nil {
		return 0, 0, err
	}
	return a[0], binary.LittleEndian.Uint32(a[1:]), nil
}

// Write writes a register and gives BRESP. With soft, a write answered OKAY makes
// the link forget everything but the rest of a packet already begun.
func (p *Process) Write(ctx context.Context, addr, value uint32, soft bool) (resp byte, err error) {
	b := binary.LittleEndian.AppendUint32(nil, addr)
	b = binary.LittleEndian.AppendUint32(b, value)
	if soft {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	a, err := p.call(ctx, kindWrite, b, 1)
	if err != nil {
		return 0, err
	}
	return a[0], nil
}

// Quiesce reads a register until the bits of mask are clear, for about so many
// clocks at most, and drops the responses that come meanwhile.
func (p *Process) Quiesce(ctx context.Context, addr, mask, clocks uint32) (State, error) {
	b := binary.LittleEndian.AppendUint32(nil, addr)
	b = binary.LittleEndian.AppendUint32(b, mask)
	b = binary.LittleEndian.AppendUint32(b, clocks)
	a, err := p.call(ctx, kindQuiesce, b, 1)
	if err != nil {
		return More, err
	}
	if a[0] > byte(Stuck) {
		return More, p.fail(ctx, fmt.Errorf("%w: quiesce answered by state %d", ErrFrame, a[0]))
	}
	return State(a[0]), nil
}
