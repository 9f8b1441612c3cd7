-- Background jobs. Durable: what was asked is known nowhere else, and the phase with its runs is what keeps a run from being
-- begun twice. Their runs are execs.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    desired TEXT NOT NULL CHECK (desired IN ('running', 'deleted')),
    phase TEXT NOT NULL CHECK (phase IN ('running', 'waiting', 'exited', 'failed', 'stopped')),
    next_start_at INTEGER,
    sandbox_started_at INTEGER NOT NULL,
    starts INTEGER NOT NULL CHECK (starts >= 1),
    retries INTEGER NOT NULL CHECK (retries BETWEEN 0 AND 4294967295),
    -- Ids of the last runs, newest last.
    runs TEXT NOT NULL CHECK (json_valid(runs) AND json_array_length(runs) BETWEEN 1 AND 10),
    last_end TEXT CHECK (json_valid(last_end)),
    generation INTEGER NOT NULL CHECK (generation >= 1),
    created_at INTEGER NOT NULL,
    CONSTRAINT wait_whole CHECK ((phase = 'waiting') = (next_start_at IS NOT NULL))
) STRICT;
CREATE INDEX jobs_list ON jobs (sandbox_id, created_at, id);
CREATE INDEX jobs_node ON jobs (node_id);
