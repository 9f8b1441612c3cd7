//! Master keys.

use atoll_seal::{Keyring, MasterKey};

/// A keyring with a key of its own, as the real one: there is nothing to fake.
#[must_use]
pub fn keyring() -> Keyring {
    #[expect(clippy::expect_used, reason = "tests cannot go on without")]
    let key = MasterKey::random().expect("the system gives random bytes");
    Keyring::new(key, Vec::new(), None)
}
