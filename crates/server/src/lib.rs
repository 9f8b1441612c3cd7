//! Configuration, wiring, start and drain of serve.
