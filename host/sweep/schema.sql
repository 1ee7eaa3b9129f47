-- Results of kvaccel sweep. docs/sweep.md says what every column means.

CREATE TABLE sweeps (
  name    TEXT PRIMARY KEY,
  about   TEXT NOT NULL,
  file    TEXT NOT NULL,     -- the sweep file, as it was
  program TEXT NOT NULL,     -- version that stands in the keys
  spec_id INTEGER NOT NULL,  -- register map of the program
  started TEXT NOT NULL      -- last time, RFC 3339, UTC
) STRICT;

-- The points of each sweep, in its order.
CREATE TABLE members (
  sweep  TEXT NOT NULL REFERENCES sweeps(name) ON DELETE CASCADE,
  place  INTEGER NOT NULL,
  key    TEXT NOT NULL,
  input  TEXT NOT NULL,
  policy TEXT NOT NULL,      -- as the file names it
  label  TEXT NOT NULL,      -- with its settings and its budget
  budget TEXT NOT NULL,      -- '' if the policy has its own
  kind   TEXT NOT NULL CHECK (kind IN ('fidelity', 'model')),
  prefix INTEGER NOT NULL,
  device TEXT NOT NULL,
  point  TEXT NOT NULL,      -- everything, as JSON
  PRIMARY KEY (sweep, place)
) STRICT;
CREATE INDEX members_key ON members(key);

-- What a key came to, whichever sweeps have it.
CREATE TABLE points (
  key                TEXT PRIMARY KEY,
  state              TEXT NOT NULL CHECK (state IN ('done', 'failed')),
  error              TEXT,
  lanes              INTEGER,
  max_dim            INTEGER,
  tile_tokens        INTEGER,
  max_tokens         INTEGER,
  features           INTEGER,
  clock_hz           REAL,
  tokens             INTEGER,
  kept               INTEGER,
  bytes_per_token    REAL,
  share_of_full      REAL,
  cycles_per_token   REAL,
  select_cycles      REAL,
  quantize_cycles    REAL,
  dequantize_cycles  REAL,
  loss               REAL,
  output_l2          REAL,
  output_l2_p95      REAL,
  attention_kl       REAL,
  lost_mass          REAL,
  topk_recall        REAL,
  nats_per_token     REAL,
  delta_nats         REAL,
  delta_low          REAL,
  delta_high         REAL,
  kl_per_token       REAL,
  same_top           REAL,
  needle_nats        REAL,
  control_rows       INTEGER,
  control_random     REAL,
  control_recent     REAL,
  control_streaming  REAL,
  report             TEXT,             -- of kvaccel run or kvaccel eval, as JSON
  worker             TEXT NOT NULL,
  program            TEXT NOT NULL,
  started            TEXT NOT NULL,
  seconds            REAL NOT NULL
) STRICT;

-- One line for each member that was tried: what --csv and the report read.
CREATE VIEW results AS
SELECT m.sweep, m.place, m.input, m.kind, m.policy, m.label, m.budget, m.prefix, m.device, p.*
FROM members m JOIN points p ON p.key = m.key;
