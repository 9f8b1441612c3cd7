//! Use-cases, crash-safe operations and reconcilers; knows only ports.
