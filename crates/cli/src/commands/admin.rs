//! `atoll admin`

use super::{Call, admin_audit, admin_quota, listing, login, ls};
use crate::failure::advised;
use crate::{terminal, units};
use atoll_api_types::{
    AdminSession, AdminUser, ChangeUser, ClassLinkEntry, CreateClassLink, CreateInvitation, Invitation,
};
use atoll_types::{ClassLinkId, InvitationId, UserId};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make another master key, where the server keeps it, and seal every secret with the one that counts.
    RotateKey,
    /// Check the audit log.
    Audit {
        #[command(subcommand)]
        action: admin_audit::Action,
    },
    /// Show and change what a user may have.
    Quota {
        #[command(subcommand)]
        action: admin_quota::Action,
    },
    /// List, change and delete accounts.
    User {
        #[command(subcommand)]
        action: UserAction,
    },
    /// Invite somebody to make an account, and print the invitation; it is shown this once.
    Invite {
        /// The only address that it is good for.
        email: Option<String>,
        /// Role of the account: user or admin.
        #[arg(long, default_value = "user")]
        role: String,
        /// It is good for so long: 12h, 30d.
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = units::duration)]
        expires: Duration,
    },
    /// Make a class link, with which public sessions are begun without the limits of an address, and print it.
    ClassLink {
        /// Sessions at once of all who have it.
        #[arg(long, value_name = "N")]
        sessions: Option<u32>,
        /// It is good for so long: 4h, 90d.
        #[arg(long, value_name = "TIME", default_value = "4h", value_parser = units::duration)]
        expires: Duration,
        /// Print the address of this page, with the link as `class` in its fragment, which goes to no server.
        #[arg(long, value_name = "URL")]
        page: Option<String>,
    },
    /// List class links.
    ClassLinks,
    /// Take class links back: nobody begins a session with them any more. Sessions that run go on.
    ClassLinkRm {
        /// Ids of the links.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<ClassLinkId>,
    },
    /// List public sessions; `atoll rm` ends them.
    Sessions,
    /// Ask the server what it sees that is wrong; `atoll doctor` sees more, as root on its machine.
    Doctor,
    /// List open invitations, and take them back.
    Invitation {
        #[command(subcommand)]
        action: InvitationAction,
    },
}

#[derive(Debug, clap::Subcommand)]
enum UserAction {
    /// List all accounts.
    #[command(visible_alias = "list")]
    Ls,
    /// Make an account an admin, or a user again.
    Role {
        /// Id or address of the account.
        user: String,
        /// user or admin.
        role: String,
    },
    /// Log accounts out everywhere, and let them in no more; their sandboxes go on.
    Disable {
        /// Ids or addresses of the accounts.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Let disabled accounts in again.
    Enable {
        /// Ids or addresses of the accounts.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Give an account a new password, and log it out everywhere.
    Password {
        /// Id or address of the account.
        user: String,
        /// Read the password from the first line of standard input instead of asking for it.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Delete accounts with their keys; their images become yours.
    #[command(visible_alias = "delete")]
    Rm {
        /// Ids or addresses of the accounts.
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
        /// Delete their sandboxes too; else an account that has any is left.
        #[arg(long)]
        sandboxes: bool,
    },
}

#[derive(Debug, clap::Subcommand)]
enum InvitationAction {
    /// List open invitations.
    #[command(visible_alias = "list")]
    Ls,
    /// Take invitations back.
    #[command(visible_alias = "delete")]
    Rm {
        /// Ids of the invitations.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<InvitationId>,
    },
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Audit { action } => return admin_audit::run(action, call).await,
        Action::Quota { action } => return admin_quota::run(action, call).await,
        Action::Doctor => return doctor(call).await,
        Action::RotateKey => {
            let rotated = call.client.master_key_rotate().await?;
            call.printer.data(&rotated, || {
                format!(
                    "{} secrets are sealed anew, with the master key {}",
                    rotated.resealed, rotated.key_id
                )
            })?;
            if rotated.unreadable > 0 {
                call.printer.note(&format!(
                    "{} secrets cannot be opened, since their master key is not here: set them again",
                    rotated.unreadable
                ));
            }
        }
        Action::User { action } => user(action, call).await?,
        Action::Invite { email, role, expires } => {
            let expires_in_seconds = Some(expires.as_secs());
            let new = CreateInvitation { email, role: Some(role), expires_in_seconds };
            let made = call.client.invitation_create(&new).await?;
            call.printer.data(&made, || made.invitation.clone())?;
        }
        Action::ClassLink { sessions, expires, page } => {
            let new = CreateClassLink { sessions, expires_in_seconds: Some(expires.as_secs()) };
            let made = call.client.class_link_create(&new).await?;
            let shown = || match &page {
                Some(page) => format!("{page}#class={}", made.class),
                None => made.class.clone(),
            };
            call.printer.data(&made, shown)?;
        }
        Action::ClassLinks => list_class_links(call).await?,
        Action::ClassLinkRm { ids } => {
            let mut deleted = Vec::new();
            for id in &ids {
                deleted.push(call.client.class_link_delete(id).await?);
            }
            let ids = || ids.iter().map(ClassLinkId::as_str).collect::<Vec<_>>().join("\n");
            call.printer.data(&deleted, ids)?;
        }
        Action::Sessions => list_sessions(call).await?,
        Action::Invitation { action: InvitationAction::Ls } => list_invitations(call).await?,
        Action::Invitation { action: InvitationAction::Rm { ids } } => {
            let mut deleted = Vec::new();
            for id in &ids {
                deleted.push(call.client.invitation_delete(id).await?);
            }
            let ids = || ids.iter().map(InvitationId::as_str).collect::<Vec<_>>().join("\n");
            call.printer.data(&deleted, ids)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends with 0 only when nothing is wrong.
async fn doctor(call: &Call) -> anyhow::Result<ExitCode> {
    let report = call.client.admin_doctor().await?;
    call.printer.data(&report, || {
        let findings = report.findings.iter();
        let lines = findings.map(|f| format!("{}  {}  {}", f.kind, f.name, f.problem));
        let well = report.healthy.then(|| format!("well: {} sandboxes are up", report.sandboxes_alive));
        lines.chain(well).collect::<Vec<_>>().join("\n")
    })?;
    for note in &report.notes {
        call.printer.note(&format!("not looked at: {note}"));
    }
    Ok(if report.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn user(action: UserAction, call: &Call) -> anyhow::Result<()> {
    let disable = |disabled| ChangeUser { disabled: Some(disabled), ..ChangeUser::default() };
    match action {
        UserAction::Ls => list_users(call).await,
        UserAction::Role { user, role } => {
            change(call, &[user], &ChangeUser { role: Some(role), ..ChangeUser::default() }).await
        }
        UserAction::Disable { users } => change(call, &users, &disable(true)).await,
        UserAction::Enable { users } => change(call, &users, &disable(false)).await,
        UserAction::Password { user, password_stdin } => {
            let password = if password_stdin {
                login::first_line()?
            } else {
                terminal::ask_secret(call.printer, "New password: ").await?
            };
            change(call, &[user], &ChangeUser { password: Some(password), ..ChangeUser::default() }).await
        }
        UserAction::Rm { users, sandboxes } => {
            let mut deleted = Vec::new();
            for user in &users {
                deleted.push(call.client.admin_user_delete(&id_of(call, user).await?, sandboxes).await?);
            }
            Ok(call.printer.data(&deleted, || users.join("\n"))?)
        }
    }
}

async fn change(call: &Call, users: &[String], change: &ChangeUser) -> anyhow::Result<()> {
    let mut changed = Vec::new();
    for user in users {
        changed.push(call.client.admin_user_change(&id_of(call, user).await?, change).await?);
    }
    Ok(call.printer.data(&changed, || users.join("\n"))?)
}

/// The account of an id or an address.
async fn id_of(call: &Call, user: &str) -> anyhow::Result<UserId> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let wanted = user.to_lowercase();
    let mut cursor = None;
    loop {
        let page = call.client.admin_user_list(cursor.as_deref()).await?;
        if let Some(found) = page.items.iter().find(|found| found.email == wanted) {
            return Ok(found.id.parse()?);
        }
        if page.next_cursor.is_none() || page.next_cursor == cursor {
            let hint = "`atoll admin user ls` lists all";
            return Err(advised(format!("there is no account {user}"), hint));
        }
        cursor = page.next_cursor;
    }
}

async fn list_users(call: &Call) -> anyhow::Result<()> {
    let row = |user: &AdminUser, now| {
        let state = if user.disabled { "disabled" } else { "" };
        let age = ls::age(&user.created_at, now);
        vec![user.id.clone(), user.email.clone(), user.role.clone(), state.to_owned(), age]
    };
    let page = async |cursor: Option<&str>| call.client.admin_user_list(cursor).await;
    listing::show_all(call, &["ID", "EMAIL", "ROLE", "STATE", "CREATED"], page, row).await
}

async fn list_sessions(call: &Call) -> anyhow::Result<()> {
    let row = |session: &AdminSession, now| {
        let (id, holder, state) = (session.id.clone(), session.holder.clone(), session.state.clone());
        let expires = session.expires_at.clone().unwrap_or_default();
        vec![id, holder, state, ls::age(&session.created_at, now), expires]
    };
    let page = async |cursor: Option<&str>| call.client.admin_session_list(cursor).await;
    listing::show_all(call, &["ID", "HOLDER", "STATE", "CREATED", "EXPIRES"], page, row).await
}

async fn list_class_links(call: &Call) -> anyhow::Result<()> {
    let row = |link: &ClassLinkEntry, now| {
        let (sessions, age) = (link.sessions.to_string(), ls::age(&link.created_at, now));
        vec![link.id.clone(), sessions, link.maker.clone(), age, link.expires_at.clone()]
    };
    let page = async |cursor: Option<&str>| call.client.class_link_list(cursor).await;
    listing::show_all(call, &["ID", "SESSIONS", "MAKER", "CREATED", "EXPIRES"], page, row).await
}

async fn list_invitations(call: &Call) -> anyhow::Result<()> {
    let row = |invitation: &Invitation, now| {
        vec![
            invitation.id.clone(),
            invitation.email.clone().unwrap_or_else(|| "anybody".to_owned()),
            invitation.role.clone(),
            ls::age(&invitation.created_at, now),
            invitation.expires_at.clone(),
        ]
    };
    let page = async |cursor: Option<&str>| call.client.invitation_list(cursor).await;
    listing::show_all(call, &["ID", "FOR", "ROLE", "CREATED", "EXPIRES"], page, row).await
}
