//! Pure decisions: what a request may do, and what brings a sandbox to what was asked.
