//! What an admin does with accounts and invitations.

use atoll_api_types::{
    AdminSession, AdminUser, ChangeUser, ClassLink, ClassLinkEntry, CreateClassLink, CreateInvitation,
    CreatedInvitation, Deleted, DoctorReport, Invitation,
};
use atoll_types::{ClassLinkId, InvitationId, UserId};
use reqwest::Method;

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

impl Client {
    /// `GET /admin/doctor`.
    ///
    /// # Errors
    /// When the caller is no admin.
    pub async fn admin_doctor(&self) -> Result<DoctorReport, ClientError> {
        self.get_data(self.url(&["admin", "doctor"])).await
    }

    /// `POST /admin/class-links`.
    ///
    /// # Errors
    /// When the caller is no admin, or there are no public sessions.
    pub async fn class_link_create(&self, new: &CreateClassLink) -> Result<ClassLink, ClientError> {
        self.post(self.url(&["admin", "class-links"]), new, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /admin/class-links`.
    ///
    /// # Errors
    /// When the caller is no admin.
    pub async fn class_link_list(&self, cursor: Option<&str>) -> Result<Page<ClassLinkEntry>, ClientError> {
        self.get_page(self.url(&["admin", "class-links"]), cursor).await
    }

    /// `DELETE /admin/class-links/:id`.
    ///
    /// # Errors
    /// When there is no such class link.
    pub async fn class_link_delete(&self, id: &ClassLinkId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["admin", "class-links", id.as_str()])).await
    }

    /// `GET /admin/sessions`.
    ///
    /// # Errors
    /// When the caller is no admin.
    pub async fn admin_session_list(&self, cursor: Option<&str>) -> Result<Page<AdminSession>, ClientError> {
        self.get_page(self.url(&["admin", "sessions"]), cursor).await
    }

    /// `GET /admin/users`.
    ///
    /// # Errors
    /// When the caller is no admin.
    pub async fn admin_user_list(&self, cursor: Option<&str>) -> Result<Page<AdminUser>, ClientError> {
        self.get_page(self.url(&["admin", "users"]), cursor).await
    }

    /// `GET /admin/users/:id`.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn admin_user_get(&self, id: &UserId) -> Result<AdminUser, ClientError> {
        self.get_data(self.url(&["admin", "users", id.as_str()])).await
    }

    /// `PATCH /admin/users/:id`.
    ///
    /// # Errors
    /// When there is no such account, or it is the last admin.
    pub async fn admin_user_change(
        &self,
        id: &UserId,
        change: &ChangeUser,
    ) -> Result<AdminUser, ClientError> {
        self.patch(self.url(&["admin", "users", id.as_str()]), change).await
    }

    /// `DELETE /admin/users/:id`, with its sandboxes if asked to.
    ///
    /// # Errors
    /// When there is no such account, it is the last admin, or it has sandboxes that were not to go.
    pub async fn admin_user_delete(&self, id: &UserId, sandboxes: bool) -> Result<Deleted, ClientError> {
        let mut url = self.url(&["admin", "users", id.as_str()]);
        if sandboxes {
            url.query_pairs_mut().append_pair("sandboxes", "delete");
        }
        self.act(Method::DELETE, url).await
    }

    /// `POST /admin/invitations`. The invitation is in this answer and never again.
    ///
    /// # Errors
    /// When a field is wrong.
    pub async fn invitation_create(&self, new: &CreateInvitation) -> Result<CreatedInvitation, ClientError> {
        self.post(self.url(&["admin", "invitations"]), new, Some(REQUEST_TIMEOUT)).await
    }

    /// `GET /admin/invitations`.
    ///
    /// # Errors
    /// When the caller is no admin.
    pub async fn invitation_list(&self, cursor: Option<&str>) -> Result<Page<Invitation>, ClientError> {
        self.get_page(self.url(&["admin", "invitations"]), cursor).await
    }

    /// `DELETE /admin/invitations/:id`.
    ///
    /// # Errors
    /// When there is no such invitation.
    pub async fn invitation_delete(&self, id: &InvitationId) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["admin", "invitations", id.as_str()])).await
    }
}
