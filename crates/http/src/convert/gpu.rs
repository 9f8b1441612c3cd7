//! GPUs, as they are asked for and shown.

use atoll_api_types as api;
use atoll_types::{GpuId, Gpus};

use crate::extract::Problems;

const WORDS: &[(&str, bool)] = &[("none", false), ("all", true)];

/// The checked GPUs of a request.
pub(super) fn gpus(problems: &mut Problems, asked: api::Gpus) -> Option<Gpus> {
    let asked = match asked {
        api::Gpus::Word(word) => match problems.word("gpus", Some(&word), WORDS)? {
            true => Gpus::All,
            false => Gpus::None,
        },
        api::Gpus::Count(count) => Gpus::Count(count),
        api::Gpus::Devices(ids) => {
            let ids: Option<Vec<GpuId>> =
                ids.into_iter().map(|id| problems.parse("gpus", Some(id))).collect();
            Gpus::Devices(ids?)
        }
    };
    problems.check("gpus", asked.checked().map_err(|error| format!("must be {}", error.expected)))
}

/// As a request would write them.
pub(super) fn gpus_view(gpus: Gpus) -> api::Gpus {
    match gpus {
        Gpus::None => api::Gpus::Word("none".to_owned()),
        Gpus::All => api::Gpus::Word("all".to_owned()),
        Gpus::Count(count) => api::Gpus::Count(count),
        Gpus::Devices(ids) => api::Gpus::Devices(ids.into_iter().map(String::from).collect()),
    }
}
