//! Durable records, in SQLite: the only crate with SQL.
