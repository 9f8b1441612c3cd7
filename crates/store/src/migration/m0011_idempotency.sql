-- Requests that may come again. Durable: what they made may not be made twice.
CREATE TABLE idempotency (
    owner_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request BLOB NOT NULL CHECK (length(request) = 32),
    status INTEGER CHECK (status BETWEEN 100 AND 599),
    sealed BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner_id, key),
    CONSTRAINT answer_whole CHECK ((status IS NULL) = (sealed IS NULL))
) STRICT;
CREATE INDEX idempotency_age ON idempotency (created_at);
