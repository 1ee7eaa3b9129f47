package sweep

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kvaccel/kvaccel/host/aside"
)

// Row is a line of the view results: a point of a sweep and what it came to.
// As JSON it is what kvaccel sweep --json has for each point.
type Row struct {
	Sweep  string `json:"sweep"`
	Place  int    `json:"place"`
	Input  string `json:"input"`
	Kind   Kind   `json:"kind"`
	Policy string `json:"policy"`
	Label  string `json:"label"`
	Budget string `json:"budget"`
	Prefix int    `json:"prefix"`
	URI    string `json:"uri"`
	Key    string `json:"key"`
	State  string `json:"state"` // done or failed
	Error  string `json:"error,omitempty"`
	Result
	Worker  string  `json:"worker"`
	Program string  `json:"program"`
	Started string  `json:"started"`
	Seconds float64 `json:"seconds"`
}

// Failed reports whether the point has an error instead of figures.
func (r Row) Failed() bool { return r.State != "done" }

const rowColumns = `sweep, place, input, kind, policy, label, budget, prefix, device, key, state, coalesce(error, ''),
 coalesce(lanes, 0), coalesce(max_dim, 0), coalesce(tile_tokens, 0), coalesce(max_tokens, 0), coalesce(features, 0), coalesce(clock_hz, 0), coalesce(tokens, 0), coalesce(kept, 0),
 coalesce(bytes_per_token, 0), coalesce(share_of_full, 0), coalesce(cycles_per_token, 0), coalesce(select_cycles, 0), coalesce(quantize_cycles, 0), coalesce(dequantize_cycles, 0), coalesce(loss, 0),
 output_l2, output_l2_p95, attention_kl, lost_mass, topk_recall, nats_per_token, delta_nats, delta_low, delta_high, kl_per_token, same_top, needle_nats,
 coalesce(control_rows, 0), control_random, control_recent, control_streaming, worker, program, started, seconds`

// Rows gives the points of a sweep that were tried, in its order.
func (s *Store) Rows(ctx context.Context, sweep string) ([]Row, error) {
	q, err := s.db.QueryContext(ctx, "SELECT "+rowColumns+" FROM results WHERE sweep = ? ORDER BY place", sweep)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer q.Close()
	var out []Row
	for q.Next() {
		var r Row
		p := &r.Device.Params
		err := q.Scan(&r.Sweep, &r.Place, &r.Input, &r.Kind, &r.Policy, &r.Label, &r.Budget, &r.Prefix, &r.URI, &r.Key, &r.State, &r.Error,
			&p.Lanes, &p.MaxDim, &p.TileTokens, &p.MaxTokens, &r.Device.Features, &r.Device.ClockHz, &r.Tokens, &r.Kept,
			&r.BytesPerToken, &r.Share, &r.CyclesPerToken, &r.SelectCycles, &r.QuantizeCycles, &r.DequantizeCycles, &r.Loss,
			&r.OutputL2, &r.OutputL2P95, &r.KL, &r.LostMass, &r.Recall, &r.Nats, &r.DeltaNats, &r.DeltaLow, &r.DeltaHigh, &r.KLPerTok, &r.SameTop, &r.Needle,
			&r.ControlRows, &r.ControlRandom, &r.ControlRecent, &r.ControlStreaming, &r.Worker, &r.Program, &r.Started, &r.Seconds)
		if err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, r)
	}
	return out, s.wrap(q.Err())
}

// Points gives a sweep's points as they were planned, in its order.
func (s *Store) Points(ctx context.Context, sweep string) ([]Point, error) {
	q, err := s.db.QueryContext(ctx, "SELECT point FROM members WHERE sweep = ? ORDER BY place", sweep)
	if err != nil {
		return nil, s.wrap(err)
	}
	defer q.Close()
	var out []Point
	for q.Next() {
		var text string
		if err := q.Scan(&text); err != nil {
			return nil, s.wrap(err)
		}
		var p Point
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, s.wrap(fmt.Errorf("%w: point %d of %s: %v", ErrStore, len(out), sweep, err))
		}
		out = append(out, p)
	}
	return out, s.wrap(q.Err())
}

// Info is what a store says about a sweep.
type Info struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	File    string `json:"file"`
	Program string `json:"program"`
	SpecID  uint32 `json:"spec_id"`
	Started string `json:"started"`
	Points  int    `json:"points"` // planned
}

// Sweeps lists the sweeps of a store, by name.
func (s *Store) Sweeps(ctx context.Context) ([]Info, error) {
	q, err := s.db.QueryContext(ctx, "SELECT name, about, file, program, spec_id, started, (SELECT count(*) FROM members WHERE sweep = name) FROM sweeps ORDER BY name")
	if err != nil {
		return nil, s.wrap(err)
	}
	defer q.Close()
	var out []Info
	for q.Next() {
		var i Info
		if err := q.Scan(&i.Name, &i.About, &i.File, &i.Program, &i.SpecID, &i.Started, &i.Points); err != nil {
			return nil, s.wrap(err)
		}
		out = append(out, i)
	}
	return out, s.wrap(q.Err())
}

// csvLeaves are the columns of the view that a table has no room for.
var csvLeaves = map[string]bool{"report": true}

// WriteCSV writes a sweep's lines of the view results, whole or not at all: every
// column but the JSON; empty where there is no figure.
func (s *Store) WriteCSV(ctx context.Context, sweep, path string) error {
	return aside.WriteFile(ctx, path, func(w io.Writer) error {
		q, err := s.db.QueryContext(ctx, "SELECT * FROM results WHERE sweep = ? ORDER BY place", sweep)
		if err != nil {
			return err
		}
		defer q.Close()
		columns, err := q.Columns()
		if err != nil {
			return err
		}
		out := csv.NewWriter(w)
		if err := out.Write(kept(columns, columns)); err != nil {
			return err
		}
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for q.Next() {
			if err := q.Scan(into...); err != nil {
				return err
			}
			cells := make([]string, len(columns))
			for i, v := range values {
				cells[i] = cell(v)
			}
			if err := out.Write(kept(columns, cells)); err != nil {
				return err
			}
		}
		out.Flush()
		return errors.Join(q.Err(), out.Error())
	})
}

// kept leaves out what the table has no room for.
func kept(columns, cells []string) (out []string) {
	for i, c := range columns {
		if !csvLeaves[c] {
			out = append(out, cells[i])
		}
	}
	return out
}

func cell(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// Report gives the JSON of kvaccel run or kvaccel eval behind a finished point.
func (s *Store) Report(ctx context.Context, key string) ([]byte, error) {
	var text sql.NullString
	err := s.db.QueryRowContext(ctx, "SELECT report FROM points WHERE key = ?", key).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s: no point %s", s.path, key)
	}
	return []byte(text.String), s.wrap(err)
}
