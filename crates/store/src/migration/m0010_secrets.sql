-- Secrets of environments. Durable: nothing else knows them. `sealed` begins with its version and the id of the master key.
CREATE TABLE secrets (
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128 AND name NOT GLOB '*[^0-9A-Za-z_]*'),
    sealed BLOB NOT NULL CHECK (length(sealed) >= 37),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, name)
) STRICT;
