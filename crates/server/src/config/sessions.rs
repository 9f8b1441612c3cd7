//! The section of public sessions.

use std::time::Duration;

use atoll_engine::SessionSettings;
use atoll_http::Rate;

use super::ConfigError;
use super::gather::Gathered;
use super::parse::{ORIGINS, cors_origins};
use super::units::{DURATION, RATE, duration, rate};

/// Most public sessions at once: each is a range of user ids, and more want more than one machine.
const SESSIONS_MAX: u32 = 10_000;
/// Shortest and longest idle time and life of one: anonymous, so at most a day.
const SESSION_TIME: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// What a number of sessions looks like.
const NUMBER: &str = "a number from 1 to 10000";

/// The settings of public sessions, where they are turned on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    pub(crate) engine: SessionSettings,
    pub(crate) origins: Vec<String>,
    pub(crate) per_address: u32,
    pub(crate) rate: Option<Rate>,
    pub(crate) commands: Option<Rate>,
}

impl Gathered {
    /// Checks every value of the section, also where it is off.
    pub(super) fn sessions(&self) -> Result<Option<SessionConfig>, ConfigError> {
        let switch = |name| self.required(name, "true or false", |text| text.parse::<bool>().ok());
        let number = |name| {
            let within = |n: &u32| (1..=SESSIONS_MAX).contains(n);
            self.required(name, NUMBER, |text| text.parse().ok().filter(within))
        };
        let time = |name| {
            self.required(name, DURATION, |text| duration(text).filter(|time| SESSION_TIME.contains(time)))
        };
        let config = SessionConfig {
            engine: SessionSettings {
                image: self.optional("sessions.image", "the name of an image", |text| text.parse().ok())?,
                sessions_max: number("sessions.max")?,
                idle: time("sessions.idleTtl")?,
                life: time("sessions.ttl")?,
                allow_native: switch("sessions.allowNative")?,
            },
            origins: self.required("sessions.origins", ORIGINS, cors_origins)?,
            per_address: number("sessions.perAddress")?,
            rate: self.required("sessions.rate", RATE, rate)?,
            commands: self.required("sessions.commands", RATE, rate)?,
        };
        Ok(switch("sessions.enabled")?.then_some(config))
    }
}
