//! Bodies of the public API, with their schema.
