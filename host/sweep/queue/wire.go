// Package queue runs a sweep on several machines over NATS JetStream. The points
// that are left lie in a work-queue stream: a worker takes one, says every now and
// then that it is still at it, sends the outcome into a second stream and only then
// acknowledges. A worker that dies says nothing more, and its point goes to another one;
// an outcome is acknowledged when it is on the disk of the hub, the process that has the
// results. Hub and workers can go and come back in any order.
package queue

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kvaccel/kvaccel/driver"
	"github.com/kvaccel/kvaccel/driver/regmap"
	"github.com/kvaccel/kvaccel/host/sweep"
)

// ErrRefused says that a worker cannot take part in a sweep. It comes with
// driver.ErrVersion where the versions differ.
var ErrRefused = errors.New("refused")

// ErrQueue says that the queue does not work: no server, no JetStream, another hub.
var ErrQueue = errors.New("the sweep's queue cannot be used")

// sweepsBucket lists the sweeps that are going on: name to announcement.
const sweepsBucket = "kvaccel_sweeps"

// Names of what a sweep has on the server. A sweep's name has letters, digits, -
// and _ only.
func pointStream(name string) string  { return "kvaccel_points_" + name }
func resultStream(name string) string { return "kvaccel_results_" + name }
func fileBucket(name string) string   { return "kvaccel_files_" + name }
func joinSubject(name string) string  { return "kvaccel.join." + name }
func pointSubject(name, class, key string) string {
	return "kvaccel.point." + name + "." + class + "." + key
}
func resultSubject(name, key string) string { return "kvaccel.result." + name + "." + key }
func consumerName(class string) string      { return "engine_" + class }

// announcement tells workers of a sweep.
type announcement struct {
	Name    string        `json:"name"`
	Program string        `json:"program"`
	SpecID  uint32        `json:"spec_id"`
	Classes []string      `json:"classes"`  // schemes of the engines it needs
	AckWait time.Duration `json:"ack_wait"` // silence after which a point goes to another worker
	Run     string        `json:"run"`      // another one for every start of a hub
}

// Advert is what a worker says of itself.
type Advert struct {
	Worker  string        `json:"worker"`
	Program string        `json:"program"`
	SpecID  uint32        `json:"spec_id"`
	Devices []driver.Info `json:"devices"` // that it holds, one for each kind
	Schemes []string      `json:"schemes"` // of the devices, one by one
	Slots   int           `json:"slots"`   // points computed at once
}

// reply is a hub's answer to an advert.
type reply struct {
	Refused string `json:"refused,omitempty"`
	Version bool   `json:"version,omitempty"` // because of the versions
}

func (r reply) err(sweep, worker string) error {
	switch {
	case r.Refused == "":
		return nil
	case r.Version:
		return fmt.Errorf("worker %s %w by sweep %s: %w: %s", worker, ErrRefused, sweep, driver.ErrVersion, r.Refused)
	}
	return fmt.Errorf("worker %s %w by sweep %s: %s", worker, ErrRefused, sweep, r.Refused)
}

// admit holds a worker against a sweep.
func (a announcement) admit(w Advert) reply {
	if w.SpecID != a.SpecID {
		return reply{fmt.Sprintf("its register map (SPEC_ID) is %#08x, the sweep's %#08x: rebuild one of them", w.SpecID, a.SpecID), true}
	}
	if w.Program != a.Program {
		return reply{fmt.Sprintf("its program is %s, the sweep's %s: run the same build, or give both the same --program", w.Program, a.Program), true}
	}
	for _, d := range w.Devices {
		if d.SpecID != a.SpecID {
			return reply{fmt.Sprintf("the register map (SPEC_ID) of %s is %#08x, the sweep's %#08x", d.URI, d.SpecID, a.SpecID), true}
		}
	}
	return reply{}
}

// job is a point on its way to a worker.
type job struct {
	Key   string      `json:"key"`
	Point sweep.Point `json:"point"`
}

// pack makes a message of a value; reports are long and alike.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// maxMessage bounds what a message unpacks to.
const maxMessage = 64 << 20

func unpack(data []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("a message of the sweep cannot be read: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(z, maxMessage)).Decode(v); err != nil {
		return fmt.Errorf("a message of the sweep cannot be read: %w", err)
	}
	return nil
}

// scheme is the class of engine that a point needs.
func scheme(p sweep.Point) (string, error) {
	u, err := driver.ParseURI(p.Device)
	return u.Scheme, err
}

// specID is that of this program.
const specID = uint32(regmap.SpecID)
