//! GPUs of the host that a sandbox is given.

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::input::{InputError, text_input};

text_input!(
    /// A GPU, as its driver names it.
    GpuId, "gpus", "ids of GPUs as `nvidia-smi -L` shows them: a number, GPU-… or MIG-…, at most 64 characters",
    |text| {
        let of_driver = ["GPU-", "MIG-"].iter().find_map(|kind| text.strip_prefix(kind));
        text.len() <= bounds::GPU_ID_BYTES_MAX
            && match of_driver {
                Some(rest) => {
                    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte))
                }
                // Of a part of a GPU: its number, a colon, and the part's.
                None => text.split(':').count() <= 2
                    && text.split(':').all(|number| {
                        (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
                    }),
            }
    }
);

/// Which GPUs a sandbox is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gpus {
    /// None.
    #[default]
    None,
    /// All that the host has.
    All,
    /// So many, of the driver's choice: 1 to [`bounds::GPUS_MAX`].
    Count(u32),
    /// These, each once: 1 to [`bounds::GPUS_MAX`].
    Devices(Vec<GpuId>),
}

impl Gpus {
    /// Whether there are none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The same, where it is within bounds.
    ///
    /// # Errors
    /// When there are none of a list, too many, or one twice.
    pub fn checked(self) -> Result<Self, InputError> {
        let most = usize::try_from(bounds::GPUS_MAX).unwrap_or(usize::MAX);
        let ok = match &self {
            Self::None | Self::All => true,
            Self::Count(count) => (1..=bounds::GPUS_MAX).contains(count),
            Self::Devices(ids) => {
                let twice =
                    ids.iter().enumerate().any(|(at, id)| ids.iter().take(at).any(|other| other == id));
                !ids.is_empty() && ids.len() <= most && !twice
            }
        };
        let expected = "'none', 'all', a number from 1 to 64, or a list of as many ids, each once";
        if ok { Ok(self) } else { Err(InputError { what: "gpus", expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_the_driver_shows_and_no_word_that_it_takes_for_more() {
        for right in ["0", "12", "0:1", "GPU-3a23c669-1f69-c64e-cf85-44e9b07e7a2a", "MIG-GPU-8932f937/1/0"] {
            assert!(right.parse::<GpuId>().is_ok(), "{right}");
        }
        let long = format!("GPU-{}", "a".repeat(61));
        for wrong in
            ["", "all", "none", "void", "0,1", "GPU-", "GPU-a,b", "0:1:2", "00000", "1 ", "-1", &long]
        {
            assert!(wrong.parse::<GpuId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn there_are_bounds() {
        let ids = |ids: &[&str]| Gpus::Devices(ids.iter().map(|id| id.parse().unwrap()).collect());
        for right in [Gpus::None, Gpus::All, Gpus::Count(1), Gpus::Count(64), ids(&["0", "1"])] {
            assert!(right.clone().checked().is_ok(), "{right:?}");
        }
        let many: Vec<String> = (0..65).map(|id: u32| id.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for wrong in [Gpus::Count(0), Gpus::Count(65), ids(&[]), ids(&["0", "0"]), ids(&many)] {
            assert!(wrong.clone().checked().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_record_keeps_them() {
        for (gpus, text) in [
            (Gpus::All, r#""all""#),
            (Gpus::Count(2), r#"{"count":2}"#),
            (Gpus::Devices(vec!["0".parse().unwrap()]), r#"{"devices":["0"]}"#),
        ] {
            assert_eq!(serde_json::to_string(&gpus).unwrap(), text);
            assert_eq!(serde_json::from_str::<Gpus>(text).unwrap(), gpus);
        }
        assert!(serde_json::from_str::<Gpus>(r#"{"devices":["all"]}"#).is_err());
    }
}
