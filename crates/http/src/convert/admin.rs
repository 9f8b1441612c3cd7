//! What admins see and change.

use std::time::Duration;

use atoll_api_types::{AdminUser, ChangeUser, CreateInvitation, Invitation};
use atoll_engine::{Invite, UserEdit};
use atoll_ports::{InvitationRecord, Role, UserRecord};
use atoll_types::{Email, Timestamp};

use super::account::check_password;
use super::words;
use crate::answer::ApiFailure;
use crate::bounds::{INVITATION_SECONDS_DEFAULT, INVITATION_SECONDS_MAX};
use crate::extract::Problems;

const ROLES: [(&str, Role); 2] = [("user", Role::User), ("admin", Role::Admin)];

/// What changes of an account.
pub(crate) fn new_user_edit(body: ChangeUser) -> Result<UserEdit, ApiFailure> {
    let mut problems = Problems::default();
    let role = problems.word("role", body.role.as_deref(), &ROLES);
    if let Some(password) = &body.password {
        check_password(&mut problems, "password", password);
    }
    problems.finish(Some(UserEdit { role, disabled: body.disabled, password: body.password }))
}

/// Whom an invitation is for.
pub(crate) fn new_invite(body: CreateInvitation) -> Result<Invite, ApiFailure> {
    let mut problems = Problems::default();
    let email = problems.parse::<Email>("email", body.email.map(|email| email.to_lowercase()));
    let role = problems.word("role", body.role.as_deref(), &ROLES).unwrap_or(Role::User);
    let range = 1..=INVITATION_SECONDS_MAX;
    let seconds = problems.within("expiresInSeconds", body.expires_in_seconds, &range);
    let expires_in = Duration::from_secs(seconds.unwrap_or(INVITATION_SECONDS_DEFAULT));
    problems.finish(Some(Invite { email, role, expires_in }))
}

pub(crate) fn admin_user_view(user: &UserRecord) -> AdminUser {
    AdminUser {
        id: user.id.to_string(),
        email: user.email.to_string(),
        role: words::role(user.role).to_owned(),
        disabled: user.disabled_at.is_some(),
        disabled_at: user.disabled_at.map(Timestamp::to_rfc3339),
        created_at: user.created_at.to_rfc3339(),
    }
}

pub(crate) fn invitation_view(invitation: InvitationRecord) -> Invitation {
    Invitation {
        id: invitation.id.to_string(),
        email: invitation.email.map(Into::into),
        role: words::role(invitation.role).to_owned(),
        inviter: invitation.inviter.to_string(),
        created_at: invitation.created_at.to_rfc3339(),
        expires_at: invitation.expires_at.to_rfc3339(),
    }
}
