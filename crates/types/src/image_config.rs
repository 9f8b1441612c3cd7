//! What an image says of itself.

use serde::{Deserialize, Serialize};

use crate::input::{InputError, text_input};
use crate::{Command, EnvVars, GuestPath, GuestUser, HealthCheck, ImageDigest, SandboxTemplate, bounds};

text_input!(
    /// A port that a program of an image listens on: `80/tcp`, `53/udp`.
    ExposedPort, "exposed port", "a number from 1 to 65535, '/', and tcp, udp or sctp",
    |text| {
        let Some((number, protocol)) = text.split_once('/') else { return false };
        number.parse::<std::num::NonZeroU16>().is_ok_and(|port| port.to_string() == number)
            && ["tcp", "udp", "sctp"].contains(&protocol)
    }
);

/// How an image wants to be asked whether it is well, as its HEALTHCHECK says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageHealthCheck {
    /// `NONE`; `CMD`, a program and its arguments; or `CMD-SHELL` and a line for the shell.
    pub test: Vec<String>,
    /// Between two checks, in milliseconds; 0: the default.
    pub interval_ms: u64,
    /// For one check, in milliseconds; 0: the default.
    pub timeout_ms: u64,
    /// After the start, in which failures do not count, in milliseconds; 0: the default.
    pub start_period_ms: u64,
    /// Failures in a row that count; 0: the default.
    pub retries: u32,
}

impl ImageHealthCheck {
    /// The health check of its sandboxes; none where the image has none, or one that is beyond the bounds of a request.
    #[must_use]
    pub fn as_check(&self) -> Option<HealthCheck> {
        let command = match self.test.split_first() {
            Some((kind, words)) if kind == "CMD" => Command::argv(words.to_vec()).ok()?,
            Some((kind, [line])) if kind == "CMD-SHELL" => Command::shell(line.clone()).ok()?,
            _ => return None,
        };
        if !HealthCheck::may_run(&command) {
            return None;
        }
        let seconds = |ms: u64, usual: u32| match u32::try_from(ms.div_ceil(1_000)) {
            Ok(0) => usual,
            Ok(seconds) => seconds.min(bounds::HEALTH_SECONDS_MAX),
            Err(_) => bounds::HEALTH_SECONDS_MAX,
        };
        Some(HealthCheck {
            command: Some(command),
            interval_seconds: seconds(self.interval_ms, HealthCheck::INTERVAL_SECONDS),
            timeout_seconds: seconds(self.timeout_ms, HealthCheck::TIMEOUT_SECONDS),
            retries: if self.retries == 0 {
                HealthCheck::RETRIES
            } else {
                self.retries.min(bounds::HEALTH_RETRIES_MAX)
            },
            start_period_seconds: seconds(self.start_period_ms, HealthCheck::START_PERIOD_SECONDS),
        })
    }
}

/// What an image says of itself. Made of a stranger's file: [`ImageConfig::checked`] first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageConfig {
    /// SHA-256 of its manifest; none where the archive has none.
    pub manifest: Option<ImageDigest>,
    /// Variables of every process.
    pub env: EnvVars,
    /// What gets the command as its arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Main process, or the arguments of the entry point.
    pub command: Option<Command>,
    /// Where processes begin.
    pub cwd: Option<GuestPath>,
    /// User of its processes.
    pub user: Option<GuestUser>,
    /// Ports that its programs listen on.
    pub exposed_ports: Vec<ExposedPort>,
    /// How to ask whether it is well.
    pub health_check: Option<ImageHealthCheck>,
}

impl ImageConfig {
    /// The same, where a sandbox can be made of it.
    ///
    /// # Errors
    /// What is wrong with the first thing that is.
    pub fn checked(self) -> Result<Self, InputError> {
        let wrong = |_| InputError {
            what: "the entry point and the command of an image",
            expected: "programs with at most 4096 arguments, 1 MiB in all, without NUL",
        };
        let whole = self.entrypoint.iter().flatten().cloned();
        let whole: Vec<String> = whole.chain(self.command.iter().flat_map(Command::to_argv)).collect();
        if !whole.is_empty() || self.entrypoint.is_some() || self.command.is_some() {
            drop(Command::argv(whole).map_err(wrong)?);
        }
        if self.health_check.iter().flat_map(|check| &check.test).any(|word| word.contains('\0')) {
            return Err(InputError { what: "the health check of an image", expected: "without NUL" });
        }
        Ok(Self { env: self.env.checked()?, ..self })
    }

    /// What its sandboxes are, where nothing else says.
    #[must_use]
    pub fn defaults(&self) -> SandboxTemplate {
        SandboxTemplate {
            env: self.env.clone(),
            entrypoint: self.entrypoint.clone(),
            command: self.command.clone(),
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            health_check: self.health_check.as_ref().and_then(ImageHealthCheck::as_check),
            ..SandboxTemplate::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_number_and_a_protocol() {
        for good in ["80/tcp", "53/udp", "65535/sctp"] {
            assert_eq!(good.parse::<ExposedPort>().unwrap().as_str(), good);
        }
        for bad in ["80", "0/tcp", "65536/tcp", "+80/tcp", "080/tcp", "80/TCP", "80/icmp", "/tcp", ""] {
            assert!(bad.parse::<ExposedPort>().is_err(), "{bad}");
        }
    }

    #[test]
    fn its_health_check_is_that_of_its_sandboxes() {
        let check = |value| serde_json::from_value::<ImageHealthCheck>(value).unwrap().as_check();
        let usual = check(serde_json::json!({"test": ["CMD-SHELL", "curl localhost || exit 1"]})).unwrap();
        assert_eq!(usual.command, Some(Command::shell("curl localhost || exit 1".to_owned()).unwrap()));
        assert_eq!((usual.interval_seconds, usual.timeout_seconds, usual.retries), (30, 30, 3));
        let own = check(serde_json::json!({
            "test": ["CMD", "true"], "intervalMs": 1_500, "timeoutMs": u64::MAX, "startPeriodMs": 5_000, "retries": 1_000,
        }));
        let own = own.unwrap();
        assert_eq!((own.interval_seconds, own.timeout_seconds), (2, bounds::HEALTH_SECONDS_MAX));
        assert_eq!((own.start_period_seconds, own.retries), (5, bounds::HEALTH_RETRIES_MAX));
        for none in [vec![], vec!["NONE"], vec!["CMD"], vec!["CMD-SHELL", " "], vec!["CMD-SHELL", "a", "b"]] {
            assert_eq!(check(serde_json::json!({ "test": none })), None);
        }
    }

    #[test]
    fn what_the_kernel_cannot_take_is_refused() {
        let good = ImageConfig { entrypoint: Some(vec!["/entry".to_owned()]), ..ImageConfig::default() };
        assert_eq!(good.clone().checked().unwrap(), good);
        assert_eq!(ImageConfig::default().checked().unwrap(), ImageConfig::default());
        for bad in [
            serde_json::json!({"env": {"A": "nul\0"}}),
            serde_json::json!({"env": {"A=B": ""}}),
            serde_json::json!({"entrypoint": [""]}),
            serde_json::json!({"entrypoint": []}),
            serde_json::json!({"command": {"argv": ["nul\0"]}}),
            serde_json::json!({"healthCheck": {"test": ["CMD", "nul\0"]}}),
        ] {
            let config: ImageConfig = serde_json::from_value(bad.clone()).unwrap();
            assert!(config.checked().is_err(), "{bad}");
        }
    }
}
