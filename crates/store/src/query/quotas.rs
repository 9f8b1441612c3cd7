//! Quotas.

use async_trait::async_trait;
use atoll_ports::{Durability, QuotaStore, StoreError};
use atoll_types::{QuotaOverride, UserId};
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use super::statement;
use crate::SqliteStore;
use crate::error::{Columns, Refusal, failed, sql_json, sql_number};
use crate::writer::Steps;

const PUT: &str = "give a quota";
const LIST: &str = "list quotas";
const SEND: &str = "count what was sent";

impl SqliteStore {
    async fn change(
        &self,
        durability: Durability,
        action: &'static str,
        change: Statement,
    ) -> Result<(), StoreError> {
        let act = self.writer.write(durability, Steps::One, move |db| {
            Box::pin(async move {
                let refusal = Refusal { action, unique: "quota", parent: "user" };
                db.execute_raw(change).await.map(drop).map_err(|error| refusal.error(error))
            })
        });
        act.await
    }

    async fn rows(&self, list: Statement) -> Result<Vec<QueryResult>, StoreError> {
        self.read.query_all_raw(list).await.map_err(failed(LIST))
    }
}

fn user(columns: Columns, row: &QueryResult) -> Result<UserId, StoreError> {
    let text: String = row.try_get("", "user_id").map_err(failed(LIST))?;
    Ok(columns.parse("user_id", &text)?)
}

#[async_trait]
impl QuotaStore for SqliteStore {
    async fn quota_list(&self) -> Result<Vec<(UserId, QuotaOverride)>, StoreError> {
        let columns = Columns("quotas");
        let rows = self.rows(statement("SELECT user_id, quota FROM quotas", [])).await?;
        let read = |row: &QueryResult| {
            let text: String = row.try_get("", "quota").map_err(failed(LIST))?;
            Ok((user(columns, row)?, columns.json("quota", &text)?))
        };
        rows.iter().map(read).collect()
    }

    async fn quota_put(&self, user: &UserId, quota: &QuotaOverride) -> Result<(), StoreError> {
        let id = user.as_str();
        let change = if *quota == QuotaOverride::default() {
            statement("DELETE FROM quotas WHERE user_id = ?", [id.into()])
        } else {
            let put = "INSERT INTO quotas (user_id, quota) VALUES (?, ?) \
                ON CONFLICT (user_id) DO UPDATE SET quota = excluded.quota";
            statement(put, [id.into(), sql_json(PUT, quota)?.into()])
        };
        self.change(Durability::Power, PUT, change).await
    }

    async fn egress_add(&self, month: u32, sent: Vec<(UserId, u64)>) -> Result<(), StoreError> {
        let rows = sent.iter().map(|(user, bytes)| Ok((user.as_str(), sql_number(SEND, *bytes)?)));
        let rows: Vec<(&str, i64)> = rows.collect::<Result<_, StoreError>>()?;
        let add = "INSERT INTO egress (user_id, month, bytes) \
            SELECT u.id, ?1, e.value ->> 1 FROM json_each(?2) AS e JOIN users AS u ON u.id = e.value ->> 0 WHERE true \
            ON CONFLICT (user_id, month) DO UPDATE SET bytes = bytes + excluded.bytes";
        let values = [i64::from(month).into(), sql_json(SEND, &rows)?.into()];
        self.change(Durability::Process, SEND, statement(add, values)).await
    }

    async fn egress_list(&self, month: u32) -> Result<Vec<(UserId, u64)>, StoreError> {
        let columns = Columns("egress");
        let list = statement("SELECT user_id, bytes FROM egress WHERE month = ?", [i64::from(month).into()]);
        let read = |row: &QueryResult| {
            let bytes: i64 = row.try_get("", "bytes").map_err(failed(LIST))?;
            Ok((user(columns, row)?, columns.number("bytes", bytes)?))
        };
        self.rows(list).await?.iter().map(read).collect()
    }
}
