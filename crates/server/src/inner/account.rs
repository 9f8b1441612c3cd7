//! The first account, and who everybody is without authentication.

use atoll_engine::{Caller, Engine};
use atoll_ports::Store;
use atoll_types::Email;

use super::InnerError;
use super::error::SettingsError;
use super::folder::Folder;
use crate::config::Config;
use crate::report;

/// Keeps the first account's address, so that single-user mode knows whose everything is.
const FIRST_ACCOUNT: &str = "first-account";
/// Its address when nobody says another.
const DEFAULT_ADDRESS: &str = "admin@localhost";

/// Makes the first account where there is none; a password that was made up is shown once.
pub(super) async fn ensure_first(
    engine: &Engine,
    folder: &Folder,
    config: &Config,
) -> Result<(), InnerError> {
    let password = config.admin_password.as_ref().map(|password| password.expose().to_owned());
    let failed = |source| InnerError::Engine { action: "make the first account", source: Box::new(source) };
    let made = engine.ensure_first_account(config.admin_email.clone(), password).await.map_err(failed)?;
    let Some((email, made_up)) = made else { return Ok(()) };
    folder.write(FIRST_ACCOUNT, email.as_str())?;
    match made_up {
        None => report::line(&format!("The first account was made: {email}")),
        Some(password) => report::line(&format!(
            "The first account was made. Its password is shown this once:\n  address:  {email}\n  password: {password}\n\
             Log in with `atoll login --email {email}`."
        )),
    }
    Ok(())
}

/// Who everybody is in single-user mode: the first account.
pub(super) async fn single_user(
    store: &dyn Store,
    folder: &Folder,
    config: &Config,
) -> Result<Caller, InnerError> {
    let kept = folder.read(FIRST_ACCOUNT)?.and_then(|text| text.parse::<Email>().ok());
    let candidates = [config.admin_email.clone(), kept, DEFAULT_ADDRESS.parse().ok()];
    for email in candidates.into_iter().flatten() {
        let found = store.user_by_email(&email).await.map_err(|error| InnerError::Engine {
            action: "look up the first account",
            source: Box::new(error.into()),
        })?;
        if let Some(user) = found {
            return Ok(Caller { user: user.id, role: user.role });
        }
    }
    Err(SettingsError::NoAccount.into())
}
