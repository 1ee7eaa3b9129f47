package link

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/packet"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/driver/wire"
)

// conn is the host's side of a link. A goroutine reads the pipe, another writes it
// and minds the time; callers change the state and wait.
type conn struct {
	p    Pipe
	o    Options
	done sync.WaitGroup

	wake    chan struct{} // for the writer: something to do
	changed chan struct{} // for the caller: something happened
	quit    chan struct{} // closed when the pipe is gone

	mu     sync.Mutex
	err    error // why the link has failed; a HELLO helps if the pipe still works
	gone   error // why the pipe has failed; nothing helps
	closed bool

	greeting bool // HELLO is not answered yet
	helloID  uint8
	greeted  time.Time // when it was last sent
	hellos   int       // how often

	beat, chunk int
	devWindow   uint8 // of the device, for what we send
	clockHz     float64
	stats       Stats

	tx   sender
	out  [][]byte // requests of which no frame, or not all, was made
	rest []byte   // of out[0]
	rx   receiver
	part []byte // response under way
	in   [][]byte
	old  [][]byte // buffers of responses that were received
	drop bool     // DATA is of no request

	outstanding int // requests sent and not received
	params      regmap.Params
	largest     int // bytes a response may have

	asking  bool // a register request is not answered yet
	ask     wire.Frame
	asked   time.Time // when it was last sent
	asks    int       // how often
	askFrom time.Time // when it was first
	askID   uint8
	answer  answer

	heard    time.Time     // last whole frame, or when waiting began
	progress time.Time     // last that brought something on
	rtt      time.Duration // how long answers take: the longest of late
	repeat   time.Time     // when to send again what was sent, and to ask
	pause    time.Duration
	poll     bool
	unacked  int  // DATA frames taken since the last ACK
	eager    bool // the engine is simulated: tell it when its time may move
	waiting  bool // and that is to be told
	inRecv   bool // a caller waits for a response
	ackEvery int
}

// answer is what a register request brought.
type answer struct {
	value    uint32
	resp     uint8
	position uint8
}

func newConn(p Pipe, o Options) *conn {
	c := &conn{p: p, o: o, wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), quit: make(chan struct{}), helloID: o.LinkID, largest: 1 << 12}
	c.err = fmt.Errorf("%w: no HELLO yet", driver.ErrProtocol)
	c.done.Go(c.read)
	c.done.Go(c.write)
	c.done.Go(c.watch)
	return c
}

// limitResponses says how long a response of the engine can be.
func (c *conn) limitResponses(p regmap.Params) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.params, c.largest = p, packet.MaxResponse(p)
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// fail ends the link, not the pipe. The lock is held.
func (c *conn) fail(err error) {
	if c.err == nil || c.greeting {
		c.err, c.greeting = err, false
	}
	poke(c.changed)
}

// lose ends the pipe.
func (c *conn) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		err = driver.ErrClosed
	}
	if c.gone == nil {
		c.gone = err
		close(c.quit)
	}
	poke(c.changed)
	poke(c.wake)
}

// state is why the link cannot be used. The lock is held.
func (c *conn) state() error {
	if c.gone != nil {
		return c.gone
	}
	if c.greeting {
		return nil
	}
	return c.err
}

// until waits for a condition on the state, or the link's end.
func (c *conn) until(ctx context.Context, ready func() bool) error {
	for {
		c.mu.Lock()
		err := c.state()
		ok := err == nil && ready()
		c.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hello starts a new link.
func (c *conn) hello(ctx context.Context) error {
	c.mu.Lock()
	c.helloID++
	c.greeting, c.greeted, c.hellos, c.err = true, time.Time{}, 0, nil
	c.out, c.rest, c.part, c.in, c.outstanding, c.drop = nil, nil, nil, nil, 0, false
	c.tx, c.rx = sender{}, receiver{}
	c.asking, c.poll, c.unacked, c.waiting = false, false, 0, false
	c.heard = time.Now()
	c.advance(c.heard)
	poke(c.wake)
	c.mu.Unlock()
	return c.until(ctx, func() bool { return !c.greeting })
}

// request has a register request answered. One that an earlier caller gave up is
// seen to its end first: its outcome is not known before.
func (c *conn) request(ctx context.Context, f wire.Frame) (answer, error) {
	free := func() bool { return !c.asking }
	if err := c.until(ctx, free); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	c.askID++
	f.A = c.askID
	c.ask, c.asking, c.asks, c.asked, c.askFrom = f, true, 0, time.Time{}, time.Now()
	c.heard = c.askFrom
	poke(c.wake)
	c.mu.Unlock()
	if err := c.until(ctx, free); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answer, nil
}

// send queues a request packet.
func (c *conn) send(request []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.state(); err != nil {
		return err
	}
	c.begin()
	c.outstanding++
	c.largest = max(c.largest, packet.ResponseBound(request, c.params))
	c.out = append(c.out, request)
	poke(c.wake)
	return nil
}

// begin starts the clocks for what comes, if nothing was awaited. The lock is held.
func (c *conn) begin() {
	if !c.streaming() && !c.asking {
		c.heard = time.Now()
		c.advance(c.heard)
	}
}

// receive appends the next response to dst.
func (c *conn) receive(ctx context.Context, dst []byte) ([]byte, error) {
	c.mu.Lock()
	none := c.outstanding == 0 && c.state() == nil
	c.mu.Unlock()
	if none {
		return dst, fmt.Errorf("%w: receive with no request outstanding", driver.ErrProtocol)
	}
	c.mu.Lock()
	if c.eager && len(c.in) == 0 {
		c.waiting = true
		poke(c.wake)
	}
	c.begin()
	c.inRecv = true
	c.mu.Unlock()
	err := c.until(ctx, func() bool { return len(c.in) > 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.inRecv = false, false
	if err != nil {
		return dst, err
	}
	dst = append(dst, c.in[0]...)
	if len(c.old) < keptBuffers && cap(c.in[0]) <= keptBuffer {
		c.old = append(c.old, c.in[0][:0])
	}
	c.in = c.in[:copy(c.in, c.in[1:])]
	c.outstanding--
	return dst, nil
}

// What is kept for later responses.
const (
	keptBuffers = 16
	keptBuffer  = 1 << 20
)

// forget drops requests not begun and all that comes, until remember.
func (c *conn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rest) > 0 {
		c.out = c.out[:1]
	} else {
		c.out = nil
	}
	c.in, c.part, c.outstanding, c.drop = nil, nil, 0, true
}

// remember takes what comes from now on as answers.
func (c *conn) remember() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop = false
}

// allTaken reports whether the engine has taken all that was sent to it.
func (c *conn) allTaken() bool {
	return len(c.out) == 0 && len(c.tx.frames) == 0 && c.tx.limit-c.devWindow == c.tx.base
}

func (c *conn) statistics() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *conn) close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	err := c.p.Close()
	c.lose(driver.ErrClosed)
	c.done.Wait()
	return err
}

// greet follows the device's HELLO. The lock is held.
func (c *conn) greet(f wire.Frame) {
	if !c.greeting || f.A != c.helloID {
		return
	}
	p := f.Payload
	if f.B != regmap.LinkVersion {
		c.fail(fmt.Errorf("%w: the device's link has version %d, this program's %d", driver.ErrVersion, f.B, regmap.LinkVersion))
		return
	}
	if len(p) != regmap.LinkHelloBytes {
		c.fail(fmt.Errorf("%w: HELLO with %d bytes, want %d", driver.ErrProtocol, len(p), regmap.LinkHelloBytes))
		return
	}
	powers := func(v uint8, least, most int) bool { return int(v) >= least && int(v) <= most && v&(v-1) == 0 }
	if !powers(p[0], 4, 32) || !powers(p[1], 2, regmap.LinkMaxSlots) || !powers(p[2], 2, regmap.LinkMaxSlots) || p[3] < p[0] || p[3] > regmap.LinkMaxPayload {
		c.fail(fmt.Errorf("%w: HELLO says beats of %d bytes, windows of %d and %d frames, payloads of %d bytes", driver.ErrProtocol, p[0], p[1], p[2], p[3]))
		return
	}
	c.beat, c.chunk, c.devWindow = int(p[0]), int(p[3])/int(p[0])*int(p[0]), p[1]
	c.stats.Board = binary.LittleEndian.Uint32(p[4:])
	_, c.eager = boards[c.stats.Board]
	c.clockHz = float64(binary.LittleEndian.Uint32(p[8:]))
	c.tx = sender{limit: p[1], window: regmap.LinkMaxSlots}
	c.rx = receiver{due: true} // its first ACK gives the device a limit
	c.ackEvery = min(ackEvery, int(p[2])/2)
	c.greeting = false
}
