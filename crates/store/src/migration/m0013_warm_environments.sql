-- Out of the template of the newest version, for the list of those that keep sandboxes ready; none of what is there already does.
ALTER TABLE environments ADD COLUMN warm INTEGER NOT NULL DEFAULT 0 CHECK (warm IN (0, 1));
CREATE INDEX environments_warm ON environments (created_at, id) WHERE warm = 1;
