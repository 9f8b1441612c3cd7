-- Sandboxes that are made ahead and are nobody's yet. Durable only so that whoever comes after a serve that died finds what
-- it left. Never many. A slot is in this table or in that of the sandboxes, never in both.
CREATE TABLE prepared (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    node_id TEXT NOT NULL CHECK (length(node_id) = 8 AND node_id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    uid_slot INTEGER NOT NULL CHECK (uid_slot BETWEEN 0 AND 3999),
    image_digest TEXT CHECK (length(image_digest) = 64 AND image_digest NOT GLOB '*[^0-9a-f]*'),
    created_at INTEGER NOT NULL,
    UNIQUE (node_id, uid_slot)
) STRICT;
CREATE INDEX prepared_image ON prepared (image_digest) WHERE image_digest IS NOT NULL;
