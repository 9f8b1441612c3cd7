-- Times are milliseconds: of the wall clock since 1970 (..._at), or of the boot clock (..._boot_ms).
-- Ids are of Crockford's base 32 in lower case. STRICT: a column holds its type and nothing else.

-- Accounts. Durable: nothing else knows them.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    email TEXT NOT NULL UNIQUE CHECK (email = lower(email) AND email LIKE '_%@_%'),
    password_hash TEXT NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    created_at INTEGER NOT NULL
) STRICT;

-- API keys, by the hash of the key. Durable: nothing else knows them.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    prefix TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX api_keys_list ON api_keys (owner_id, created_at, id);

-- Names of images. Durable: the files on the node know their digest, and not what people call them.
CREATE TABLE images (
    name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 255),
    digest TEXT NOT NULL CHECK (length(digest) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    owner_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX images_digest ON images (digest);
CREATE INDEX images_owner ON images (owner_id);

-- Sandboxes. Durable: what was asked is known nowhere else, the operation is what a crash must not forget, and
-- `observed` saves the first look after a restart.
CREATE TABLE sandboxes (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    owner_id TEXT NOT NULL REFERENCES users (id),
    node_id TEXT NOT NULL CHECK (length(node_id) = 8 AND node_id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    uid_slot INTEGER NOT NULL CHECK (uid_slot BETWEEN 0 AND 3999),
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    -- Out of `spec`, for the question whether an image is in use.
    image_digest TEXT CHECK (image_digest IS (spec ->> '$.source.unpacked')),
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'deleted')),
    observed TEXT NOT NULL CHECK (observed IN ('unknown', 'absent', 'stopped', 'running', 'crashed')),
    operation_id TEXT CHECK (length(operation_id) = 16 AND operation_id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    operation_kind TEXT CHECK (operation_kind IN ('create', 'start', 'stop', 'delete')),
    operation_step INTEGER CHECK (operation_step BETWEEN 0 AND 4294967295),
    operation_attempts INTEGER CHECK (operation_attempts BETWEEN 0 AND 4294967295),
    operation_started_at INTEGER,
    stop_reason TEXT CHECK (stop_reason IN ('requested', 'idle', 'expired', 'host_restarted')),
    failure TEXT,
    lifetime_boot_id TEXT,
    lifetime_deadline_boot_ms INTEGER CHECK (lifetime_deadline_boot_ms >= 0),
    lifetime_left_ms INTEGER CHECK (lifetime_left_ms >= 0),
    generation INTEGER NOT NULL CHECK (generation >= 1),
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    UNIQUE (node_id, uid_slot),
    CONSTRAINT operation_whole CHECK (
        (operation_id IS NULL) = (operation_kind IS NULL)
        AND (operation_id IS NULL) = (operation_step IS NULL)
        AND (operation_id IS NULL) = (operation_attempts IS NULL)
        AND (operation_id IS NULL) = (operation_started_at IS NULL)
    ),
    CONSTRAINT lifetime_whole CHECK (
        (lifetime_boot_id IS NULL) = (lifetime_deadline_boot_ms IS NULL)
        AND (lifetime_boot_id IS NULL) = (lifetime_left_ms IS NULL)
    )
) STRICT;
CREATE INDEX sandboxes_list ON sandboxes (created_at, id);
CREATE INDEX sandboxes_list_owner ON sandboxes (owner_id, created_at, id);
CREATE INDEX sandboxes_image ON sandboxes (image_digest) WHERE image_digest IS NOT NULL;

-- Labels of sandboxes, out of their spec, in the order of the list that they filter. Durable because the index is.
CREATE TABLE sandbox_labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    PRIMARY KEY (key, value, created_at, sandbox_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sandbox_labels_sandbox ON sandbox_labels (sandbox_id, key);

-- Execs. Durable: their results are acknowledged to somebody. The output is in the exec logs.
CREATE TABLE execs (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 20 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('exec', 'main')),
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    status TEXT NOT NULL CHECK (status IN ('running', 'exited', 'timed_out', 'lost', 'failed')),
    created_at INTEGER NOT NULL,
    exit_code INTEGER CHECK (exit_code BETWEEN -2147483648 AND 2147483647),
    last_seq INTEGER CHECK (last_seq >= 0),
    finished_at INTEGER,
    duration_ms INTEGER CHECK (duration_ms >= 0),
    truncated INTEGER CHECK (truncated IN (0, 1)),
    failure TEXT,
    CONSTRAINT outcome_whole CHECK (
        (status = 'running') = (finished_at IS NULL)
        AND (status = 'running') = (last_seq IS NULL)
        AND (status = 'running') = (duration_ms IS NULL)
        AND (status = 'running') = (truncated IS NULL)
        AND (status != 'running' OR failure IS NULL)
    ),
    CONSTRAINT exit_of_its_own CHECK ((status IN ('exited', 'timed_out')) = (exit_code IS NOT NULL))
) STRICT;
CREATE INDEX execs_list ON execs (sandbox_id, created_at, id);
CREATE INDEX execs_running ON execs (node_id, sandbox_id, created_at, id) WHERE status = 'running';
CREATE INDEX execs_main ON execs (sandbox_id, created_at, id) WHERE kind = 'main';
CREATE INDEX execs_finished ON execs (finished_at, id) WHERE finished_at IS NOT NULL;
