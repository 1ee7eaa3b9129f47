package jtag

import (
	"net"
	"syscall"
)

// acknowledge has what came acknowledged at once. A host that sends a command in two pieces waits for that with the second, 40 ms
// each time, unless it has turned Nagle's algorithm off; openFPGALoader has not.
func acknowledge(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
}
