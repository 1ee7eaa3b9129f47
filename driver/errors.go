package driver

import "errors"

// The errors a Device returns wrap one of these; test with errors.Is.
var (
	ErrNotFound     = errors.New("device not found")
	ErrAmbiguous    = errors.New("more than one device matches")
	ErrAccess       = errors.New("no permission to open the device")
	ErrBusy         = errors.New("device is in use")
	ErrUnsupported  = errors.New("not supported by this device")
	ErrTimeout      = errors.New("device did not answer in time")
	ErrDisconnected = errors.New("device is gone")
	ErrProtocol     = errors.New("protocol error")
	ErrVersion      = errors.New("version mismatch")
	ErrVerify       = errors.New("verification failed")
	ErrClosed       = errors.New("device is closed")
	ErrBadRegister  = errors.New("register access refused")
	ErrBadPacket    = errors.New("request packet is not a whole number of beats")
)
