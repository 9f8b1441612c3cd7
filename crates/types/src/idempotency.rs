//! Requests that may come again.

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::input::{InputError, text_input};

text_input!(
    /// Key under which a request may come again and is carried out once.
    IdempotencyKey, "Idempotency-Key", "1 to 255 visible ASCII characters, new for each thing that is to be made",
    |text| {
        (1..=bounds::IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic())
    }
);
