package cli

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/compress"
	"github.com/kvaccel/kvaccel/host/decode"
	"github.com/kvaccel/kvaccel/host/llm/kvengine"
	"github.com/kvaccel/kvaccel/host/policy"
	"github.com/kvaccel/kvaccel/host/session"
	"github.com/kvaccel/kvaccel/host/sweep/queue"
)

// Exit codes of the command.
const (
	ExitOK          = 0
	ExitOther       = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitPermission  = 4
	ExitBusy        = 5
	ExitIO          = 6
	ExitVerify      = 7
	ExitVersion     = 8
	ExitInterrupted = 130
)

// UsageError is a command line that cannot be carried out as written.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usage marks err as a mistake on the command line; nil stays nil, and a file
// that cannot be opened stays one.
func Usage(err error) error {
	var file *fs.PathError
	if err == nil || errors.As(err, &file) {
		return err
	}
	return &UsageError{err}
}

// ExitCode maps an error to the exit code that says what kind it is.
func ExitCode(err error) int {
	var usage *UsageError
	for _, c := range []struct {
		is   bool
		code int
	}{
		{err == nil, ExitOK},
		{errors.Is(err, context.Canceled), ExitInterrupted},
		{errors.As(err, &usage), ExitUsage},
		{isAny(err, driver.ErrOption, regmap.ErrParams, policy.ErrInvalid, session.ErrGeometry, compress.ErrPrefix, compress.ErrStepwise, kvengine.ErrOnce, kvengine.ErrCeiling, decode.ErrSteps), ExitUsage},
		{isAny(err, driver.ErrNotFound, driver.ErrAmbiguous, fs.ErrNotExist), ExitNotFound},
		{isAny(err, driver.ErrAccess, fs.ErrPermission), ExitPermission},
		{isAny(err, driver.ErrBusy, syscall.EBUSY), ExitBusy},
		{isAny(err, driver.ErrVerify), ExitVerify},
		{isAny(err, driver.ErrVersion), ExitVersion},
		{isAny(err, driver.ErrTimeout, driver.ErrDisconnected, driver.ErrProtocol, queue.ErrQueue, context.DeadlineExceeded, syscall.ENOSPC, syscall.EIO, syscall.EFBIG, syscall.EDQUOT), ExitIO},
	} {
		if c.is {
			return c.code
		}
	}
	return ExitOther
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
