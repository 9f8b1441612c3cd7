//! The port.

use async_trait::async_trait;
use atoll_ports::{
    ApiKeyRecord, Cas, Durability, ExecFilter, ExecOutcome, ExecRecord, ImageRecord, JobRecord, Page,
    SandboxFilter, SandboxRecord, Store, StoreError, UserRecord,
};
use atoll_types::{
    ApiKeyId, Email, ExecId, ImageDigest, ImageName, JobId, NodeId, SandboxId, Timestamp, UserId,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::SqliteStore;
use crate::behind::Item as _;
use crate::error::failed;
use crate::query::exec_writes::End;
use crate::query::{api_keys, exec_writes, execs, images, jobs, sandbox_writes, sandboxes, users};
use crate::writer::Steps;

/// Execs of a deleted sandbox that one transaction removes: bounds how long other writes wait, about 10 ms.
const REMOVED_AT_ONCE: u32 = 500;

#[async_trait]
impl Store for SqliteStore {
    async fn user_insert(&self, user: &UserRecord) -> Result<(), StoreError> {
        let user = user.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { users::insert(db, &user).await })
        });
        act.await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<UserRecord>, StoreError> {
        users::by_email(&self.read, email).await
    }

    async fn user_get(&self, id: &UserId) -> Result<Option<UserRecord>, StoreError> {
        users::by_id(&self.read, id).await
    }

    async fn user_count(&self) -> Result<u64, StoreError> {
        users::count(&self.read).await
    }

    async fn api_key_insert(&self, key: &ApiKeyRecord) -> Result<(), StoreError> {
        let key = key.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { api_keys::insert(db, &key).await })
        });
        act.await
    }

    async fn api_key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKeyRecord>, StoreError> {
        api_keys::by_hash(&self.read, hash).await
    }

    async fn api_key_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ApiKeyRecord>, StoreError> {
        api_keys::list(&self.read, owner, cursor, limit).await
    }

    async fn api_key_delete(&self, owner: &UserId, id: &ApiKeyId) -> Result<bool, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { api_keys::delete(db, &owner, &id).await })
        });
        act.await
    }

    async fn api_key_touch(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        let id = id.clone();
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { api_keys::touch(db, &id, at).await })
        });
        act.await
    }

    async fn image_put(&self, image: &ImageRecord) -> Result<(), StoreError> {
        let image = image.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { images::put(db, &image).await })
        });
        act.await
    }

    async fn image_get(&self, name: &ImageName) -> Result<Option<ImageRecord>, StoreError> {
        images::get(&self.read, name).await
    }

    async fn image_list(&self, cursor: Option<&str>, limit: u32) -> Result<Page<ImageRecord>, StoreError> {
        images::list(&self.read, cursor, limit).await
    }

    async fn image_delete(&self, name: &ImageName) -> Result<bool, StoreError> {
        let name = name.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { images::delete(db, &name).await })
        });
        act.await
    }

    async fn image_digest_used(&self, digest: &ImageDigest) -> Result<bool, StoreError> {
        images::digest_used(&self.read, digest).await
    }

    async fn sandbox_insert(
        &self,
        record: &SandboxRecord,
        durability: Durability,
    ) -> Result<SandboxRecord, StoreError> {
        let record = record.clone();
        let act = self.writer.write(durability, Steps::Many, move |db| {
            Box::pin(async move { sandbox_writes::insert(db, record).await })
        });
        act.await
    }

    async fn sandbox_get(&self, id: &SandboxId) -> Result<Option<SandboxRecord>, StoreError> {
        sandboxes::get(&self.read, id).await
    }

    async fn sandbox_list(
        &self,
        filter: &SandboxFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SandboxRecord>, StoreError> {
        sandboxes::list(&self.read, filter, cursor, limit).await
    }

    async fn sandbox_list_node(&self, node: &NodeId) -> Result<Vec<SandboxRecord>, StoreError> {
        sandboxes::list_node(&self.read, node).await
    }

    async fn sandbox_update(
        &self,
        record: &SandboxRecord,
        durability: Durability,
    ) -> Result<Cas<SandboxRecord>, StoreError> {
        let (id, update) = (record.id.clone(), sandbox_writes::update_statement(record)?);
        let act = self.writer.write(durability, Steps::One, move |db| {
            Box::pin(async move { sandbox_writes::update(db, &id, update).await })
        });
        act.await
    }

    /// Not for [`Durability::Power`]: that it is to be deleted is on the disk already, and a record that comes back
    /// is only removed again.
    async fn sandbox_remove(&self, id: &SandboxId) -> Result<bool, StoreError> {
        loop {
            let id = id.clone();
            let act = self.writer.write(Durability::Process, Steps::One, move |db| {
                Box::pin(async move { sandbox_writes::remove_some_execs(db, &id, REMOVED_AT_ONCE).await })
            });
            if !act.await? {
                break;
            }
        }
        let id = id.clone();
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { sandbox_writes::remove(db, &id).await })
        });
        act.await
    }

    async fn exec_insert(&self, exec: &ExecRecord) -> Result<(), StoreError> {
        let insert = exec_writes::insert_statement(exec)?;
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { exec_writes::insert(db, insert).await })
        });
        act.await
    }

    async fn exec_finish(&self, exec: &ExecRecord) -> Result<(), StoreError> {
        match self.ends.add(vec![End::new(exec)?]) {
            left if left.is_empty() => Ok(()),
            left => End::write(&self.writer, left, false).await,
        }
    }

    async fn exec_get(&self, sandbox: &SandboxId, id: &ExecId) -> Result<Option<ExecRecord>, StoreError> {
        self.ends.settle(|end| end.exec == *id).await;
        execs::get(&self.read, sandbox, id).await
    }

    async fn exec_list(
        &self,
        sandbox: &SandboxId,
        filter: &ExecFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ExecRecord>, StoreError> {
        self.ends.settle(|end| end.sandbox == *sandbox).await;
        execs::list(&self.read, sandbox, filter, cursor, limit).await
    }

    async fn exec_list_running(&self, node: &NodeId) -> Result<Vec<ExecRecord>, StoreError> {
        self.ends.settle(|_| true).await;
        execs::list_running(&self.read, node).await
    }

    async fn exec_finish_all(&self, sandbox: &SandboxId, outcome: &ExecOutcome) -> Result<u64, StoreError> {
        let update = exec_writes::finish_all_statement(sandbox, outcome)?;
        self.ends.settle(|end| end.sandbox == *sandbox).await;
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { exec_writes::finish_all(db, update).await })
        });
        act.await
    }

    async fn exec_sweep(
        &self,
        finished_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(SandboxId, ExecId)>, StoreError> {
        self.ends.settle(|_| true).await;
        let delete = exec_writes::sweep_statement(finished_before, limit);
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { exec_writes::sweep(db, delete).await })
        });
        act.await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let flushed = self.flush.flush().await;
        flushed.map_err(|source| StoreError::Database { action: "reach the disk", source: Box::new(source) })
    }

    async fn check(&self) -> Result<(), StoreError> {
        if !self.writer.alive() {
            return Err(failed("write")(DbErr::Custom("the writer has ended".to_owned())));
        }
        let one = Statement::from_string(DbBackend::Sqlite, "SELECT 1");
        self.read.query_one_raw(one).await.map(|_| ()).map_err(failed("answer"))
    }

    async fn job_insert(&self, job: &JobRecord) -> Result<(), StoreError> {
        let insert = jobs::insert_statement(job)?;
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { jobs::insert(db, insert).await })
        });
        act.await
    }

    async fn job_get(&self, sandbox: &SandboxId, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        jobs::get(&self.read, sandbox, id).await
    }

    async fn job_list(
        &self,
        sandbox: &SandboxId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<JobRecord>, StoreError> {
        jobs::list(&self.read, sandbox, cursor, limit).await
    }

    async fn job_list_node(&self, node: &NodeId) -> Result<Vec<JobRecord>, StoreError> {
        jobs::list_node(&self.read, node).await
    }

    async fn job_update(
        &self,
        job: &JobRecord,
        durability: Durability,
    ) -> Result<Cas<JobRecord>, StoreError> {
        let (sandbox, id, update) = (job.sandbox.clone(), job.id.clone(), jobs::update_statement(job)?);
        let act = self.writer.write(durability, Steps::One, move |db| {
            Box::pin(async move { jobs::update(db, &sandbox, &id, update).await })
        });
        act.await
    }

    /// Not for [`Durability::Power`]: that it is to be gone is on the disk already.
    async fn job_remove(&self, sandbox: &SandboxId, id: &JobId) -> Result<bool, StoreError> {
        let (sandbox, id) = (sandbox.clone(), id.clone());
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { jobs::remove(db, &sandbox, &id).await })
        });
        act.await
    }
}
