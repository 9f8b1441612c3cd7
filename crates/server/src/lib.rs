//! Configuration, wiring, start and drain of serve.

pub mod programs;
