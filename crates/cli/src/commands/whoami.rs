//! `atoll whoami`

use std::process::ExitCode;

use super::Call;
use crate::printer::pairs;

pub(crate) async fn run(call: &Call) -> anyhow::Result<ExitCode> {
    let user = call.client.me().await?;
    call.printer.data(&user, || {
        pairs(&[
            ("email", user.email.clone()),
            ("id", user.id.clone()),
            ("role", user.role.clone()),
            ("server", call.client.base_url().to_owned()),
        ])
    })?;
    Ok(ExitCode::SUCCESS)
}
