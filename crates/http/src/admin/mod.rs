//! `/admin`: for the role admin.

pub(crate) mod change_user;
pub(crate) mod delete_invitation;
pub(crate) mod delete_user;
pub(crate) mod doctor;
pub(crate) mod get_user;
pub(crate) mod invite;
pub(crate) mod list_invitations;
pub(crate) mod list_runtimes;
pub(crate) mod list_users;
