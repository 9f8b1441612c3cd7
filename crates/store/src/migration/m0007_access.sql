-- Since when nobody logs in to an account.
ALTER TABLE users ADD COLUMN disabled_at INTEGER;
CREATE INDEX users_list ON users (created_at, id);

-- Words with a space between. Keys that were made before may all that their owner may.
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL CHECK (length(scopes) BETWEEN 1 AND 512) DEFAULT
    'sandboxes:read sandboxes:write images:read images:write environments:read environments:write secrets:read secrets:write keys:read keys:write account:read account:write admin';

-- Log-ins. Durable: what was taken back, and which refresh tokens were used, must stay so.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL CHECK (seq >= 1),
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    address TEXT NOT NULL CHECK (length(address) <= 64),
    agent TEXT NOT NULL CHECK (length(agent) <= 200)
) STRICT;
CREATE INDEX sessions_list ON sessions (user_id, created_at, id);
CREATE INDEX sessions_used ON sessions (user_id, used_at, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Open invitations, by the hash of the invitation. Durable: nothing else knows them.
CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^0-9a-hjkmnp-tv-z]*'),
    inviter_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    email TEXT CHECK (email = lower(email) AND email LIKE '_%@_%'),
    role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX invitations_list ON invitations (created_at, id);
CREATE INDEX invitations_inviter ON invitations (inviter_id);
CREATE INDEX invitations_expiry ON invitations (expires_at);
