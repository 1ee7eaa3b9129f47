package sweep

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/kvaccel/kvaccel/driver/regmap"
)

//go:embed schema.sql
var schema string

// ErrStore says that a file does not hold results of sweeps that this program
// can read.
var ErrStore = errors.New("not a usable file of sweep results")

const (
	applicationID = 0x6b76_7377 // "kvsw", in the header of the file
	schemaVersion = 1
)

// Store is a file of results. It is safe for use by several goroutines.
type Store struct {
	db   *sql.DB
	path string
}

// OpenStore opens the results at path, or begins them.
func OpenStore(ctx context.Context, path string) (*Store, error) { return open(ctx, path, "rwc") }

// OpenResults opens results that are there already, for reading. A transaction
// that a killed program left half done is undone first, where the file can be written.
func OpenResults(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return open(ctx, path, "rw")
}

func open(ctx context.Context, path, mode string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(filepath.Dir(abs)); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("%s: its directory is not there: %w", path, os.ErrNotExist)
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(full)"}, "mode": {mode}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	s := &Store{db, path}
	if err := s.prepare(ctx, mode == "rwc"); err != nil {
		db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// prepare checks whose file it is, and sets up a new one.
func (s *Store) prepare(ctx context.Context, create bool) error {
	var id, version, tables int
	for _, q := range []struct {
		text string
		dst  *int
	}{{"PRAGMA application_id", &id}, {"PRAGMA user_version", &version}, {"SELECT count(*) FROM sqlite_schema", &tables}} {
		if err := s.db.QueryRowContext(ctx, q.text).Scan(q.dst); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %v", ErrStore, err)
		}
	}
	switch {
	case id == applicationID && version == schemaVersion:
		return nil
	case id == applicationID:
		return fmt.Errorf("%w: its schema is version %d, this program's is %d", ErrStore, version, schemaVersion)
	case id != 0 || tables > 0 || !create:
		return fmt.Errorf("%w: it is a database of something else", ErrStore)
	}
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion))
		return err
	})
}

// change runs one transaction.
func (s *Store) change(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// Begin enters a plan: its points take the place of those that a sweep of the
// same name had. Results stay.
func (s *Store) Begin(ctx context.Context, p *Plan) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sweeps WHERE name = ?", p.Name); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO sweeps VALUES (?, ?, ?, ?, ?, ?)", p.Name, p.About, p.Text, p.Program, int64(regmap.SpecID), now())
		if err != nil {
			return err
		}
		add, err := tx.PrepareContext(ctx, "INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer add.Close()
		for i, pt := range p.Points {
			b, err := json.Marshal(pt)
			if err != nil {
				return err
			}
			if _, err := add.ExecContext(ctx, p.Name, i, p.Keys[i], pt.Input.Name, pt.Family, pt.Label, pt.Budget, string(pt.Input.Kind), pt.Input.Prefix, pt.Device, string(b)); err != nil {
				return err
			}
		}
		return nil
	})
	return s.wrap(err)
}

func (s *Store) wrap(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// Done lists the keys that are finished.
func (s *Store) Done(ctx context.Context) (map[string]bool, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT key FROM points WHERE state = 'done'")
	if err != nil {
		return nil, s.wrap(err)
	}
	defer rows.Close()
	done := map[string]bool{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, s.wrap(err)
		}
		done[key] = true
	}
	return done, s.wrap(rows.Err())
}

// Put keeps an outcome. A finished point is never replaced by a failed one.
func (s *Store) Put(ctx context.Context, o Outcome) error {
	args := []any{o.Key, "failed", o.Error}
	r := o.Result
	if r == nil {
		args = append(args, make([]any, 32)...)
	} else {
		p := r.Device.Params
		args[1], args[2] = "done", nil
		args = append(args, p.Lanes, p.MaxDim, p.TileTokens, p.MaxTokens, int64(r.Device.Features), r.Device.ClockHz, r.Tokens, r.Kept,
			r.BytesPerToken, r.Share, r.CyclesPerToken, r.SelectCycles, r.QuantizeCycles, r.DequantizeCycles, r.Loss,
			r.OutputL2, r.OutputL2P95, r.KL, r.LostMass, r.Recall, r.Nats, r.DeltaNats, r.DeltaLow, r.DeltaHigh, r.KLPerTok, r.SameTop, r.Needle,
			r.ControlRows, r.ControlRandom, r.ControlRecent, r.ControlStreaming, string(o.Raw))
	}
	args = append(args, o.Worker, o.Program, o.Started.UTC().Format(time.RFC3339), o.Took.Seconds())
	err := s.change(ctx, func(tx *sql.Tx) error {
		if r == nil {
			var done int
			if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM points WHERE key = ? AND state = 'done'", o.Key).Scan(&done); err != nil || done > 0 {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO points VALUES ("+marks(len(args))+")", args...)
		return err
	})
	return s.wrap(err)
}

func marks(n int) string {
	b := make([]byte, 0, 2*n)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '?')
	}
	return string(b)
}
