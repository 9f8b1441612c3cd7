//! Host side of the native runtime: the launcher's client.
