//! The real programs, as root: started as a newcomer would, used through the API and the command line, and broken on
//! purpose. Every test ends by proving that nothing is left on the host.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test says what it expects")]

mod accounts;
mod agent_image;
mod audit;
mod builds;
mod delete;
mod demo;
mod disk;
mod docker_away;
mod docker_disk;
mod docker_faults;
mod docker_gpu;
mod docker_network;
mod docker_ours;
mod docker_ports;
mod embed;
mod escape;
mod faults;
mod files;
mod harness;
mod health;
mod hostile;
mod images;
mod jobs;
mod lifetimes;
mod logs;
mod loopback;
mod metrics;
mod network;
mod newcomer;
mod observability;
mod pause;
mod ports;
mod power;
mod power_output;
mod programs;
mod public_sessions;
mod pulls;
mod restart;
mod runtimes;
mod saved;
mod screens;
mod secrets;
mod terminal;
mod warm_pool;
