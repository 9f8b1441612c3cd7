//! Runs the real programs as root, and breaks them on purpose: everything is in `tests/`.
