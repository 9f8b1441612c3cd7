//! The real agent, reached through the real client.

mod harness;
mod run;
