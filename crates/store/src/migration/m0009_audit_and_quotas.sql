-- The audit log. Durable: nothing else knows who did what. Each row's hash is over the hash before and its own text, so that
-- nothing can be changed, left out or put in between without a trace. What is searched for is read out of that same text.
CREATE TABLE audit (
    seq INTEGER NOT NULL CHECK (seq >= 1),
    node_id TEXT NOT NULL CHECK (length(node_id) = 8),
    hash TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'),
    entry TEXT NOT NULL CHECK (json_valid(entry)),
    id TEXT NOT NULL GENERATED ALWAYS AS (entry ->> 'id') VIRTUAL,
    at INTEGER NOT NULL GENERATED ALWAYS AS (entry ->> 'at') VIRTUAL,
    user_id TEXT GENERATED ALWAYS AS (entry ->> 'user') VIRTUAL,
    action TEXT NOT NULL GENERATED ALWAYS AS (entry ->> 'action') VIRTUAL,
    target TEXT GENERATED ALWAYS AS (entry ->> 'target') VIRTUAL,
    outcome TEXT NOT NULL GENERATED ALWAYS AS (entry ->> 'outcome') VIRTUAL,
    PRIMARY KEY (seq, node_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX audit_id ON audit (id);
CREATE INDEX audit_user ON audit (user_id, seq, node_id);
CREATE INDEX audit_target ON audit (target, seq, node_id);
CREATE INDEX audit_at ON audit (at);

-- How far the oldest entries of a node were removed for their age, and the hash that the chain goes on from.
CREATE TABLE audit_trims (
    node_id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL CHECK (seq >= 1),
    hash TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_only_trimmed BEFORE DELETE ON audit
WHEN OLD.seq > COALESCE((SELECT seq FROM audit_trims WHERE node_id = OLD.node_id), 0) BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- What the operator gave a user in place of the settings. Durable: nothing else knows it.
CREATE TABLE quotas (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    quota TEXT NOT NULL CHECK (json_valid(quota))
) STRICT, WITHOUT ROWID;

-- Bytes that the sandboxes of a user sent in a month (as 202611). Durable: the kernel's counters go with each sandbox.
CREATE TABLE egress (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    month INTEGER NOT NULL CHECK (month BETWEEN 197001 AND 999912),
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (user_id, month)
) STRICT, WITHOUT ROWID;
