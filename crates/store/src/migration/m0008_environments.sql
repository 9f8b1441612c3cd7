-- Environments. Durable: nothing else knows them.
CREATE TABLE environments (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    version INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX environments_list ON environments (owner_id, created_at, id);

-- Their versions. Durable: sandboxes that are to come are made of them.
CREATE TABLE environment_versions (
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    version INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    template TEXT NOT NULL CHECK (json_valid(template)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, version)
) STRICT;

-- Out of `spec`, for the list of an environment's sandboxes, and so that one that is in use stays.
ALTER TABLE sandboxes ADD COLUMN environment_id TEXT REFERENCES environments (id)
    CHECK (environment_id IS (spec ->> '$.environment.id'));
CREATE INDEX sandboxes_environment ON sandboxes (environment_id, created_at, id) WHERE environment_id IS NOT NULL;

-- What sandboxes of an image are where nothing else says; none in what is there already.
ALTER TABLE images ADD COLUMN template TEXT CHECK (template IS NULL OR json_valid(template));
