-- Class links that were not taken back. Durable: a link without its record is good for nothing.
CREATE TABLE class_links (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    maker_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sessions_max INTEGER NOT NULL CHECK (sessions_max BETWEEN 1 AND 4294967295),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX class_links_list ON class_links (created_at, id);
CREATE INDEX class_links_maker ON class_links (maker_id);
CREATE INDEX class_links_expiry ON class_links (expires_at);
