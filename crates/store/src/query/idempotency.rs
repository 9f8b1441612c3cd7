//! Requests that may come again.

use atoll_ports::{IdempotencyRecord, IdempotentAnswer, StoreError};
use atoll_types::{IdempotencyKey, Timestamp, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::statement;
use crate::error::{Columns, Refusal, RowError, failed};

const BEGIN: &str = "note a request";

#[derive(Debug, FromQueryResult)]
struct Row {
    owner_id: String,
    key: String,
    request: Vec<u8>,
    status: Option<i64>,
    sealed: Option<Vec<u8>>,
    created_at: i64,
}

const COLUMNS: Columns = Columns("idempotency");

impl Row {
    fn answer(status: Option<i64>, sealed: Option<Vec<u8>>) -> Result<Option<IdempotentAnswer>, RowError> {
        let (Some(status), Some(sealed)) = (status, sealed) else { return Ok(None) };
        Ok(Some(IdempotentAnswer { status: COLUMNS.number("status", status)?, sealed }))
    }
}

impl TryFrom<Row> for IdempotencyRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            owner: COLUMNS.parse("owner_id", &row.owner_id)?,
            key: COLUMNS.parse("key", &row.key)?,
            request: row.request.try_into().map_err(|_| COLUMNS.missing("request"))?,
            answer: Row::answer(row.status, row.sealed)?,
            created_at: Timestamp::from_unix_ms(row.created_at),
        })
    }
}

pub(crate) async fn begin(
    db: &impl ConnectionTrait,
    request: &IdempotencyRecord,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let insert = statement(
        "INSERT INTO idempotency (owner_id, key, request, created_at) VALUES (?, ?, ?, ?) \
         ON CONFLICT (owner_id, key) DO NOTHING",
        [
            request.owner.as_str().into(),
            request.key.as_str().into(),
            request.request.to_vec().into(),
            request.created_at.as_unix_ms().into(),
        ],
    );
    let refusal = Refusal { action: BEGIN, unique: "request", parent: "user" };
    if db.execute_raw(insert).await.map_err(|e| refusal.error(e))?.rows_affected() > 0 {
        return Ok(None);
    }
    let one = statement(
        "SELECT * FROM idempotency WHERE owner_id = ? AND key = ?",
        [request.owner.as_str().into(), request.key.as_str().into()],
    );
    let found = Row::find_by_statement(one).one(db).await;
    found.map_err(failed(BEGIN))?.map(IdempotencyRecord::try_from).transpose()
}

pub(crate) async fn answer(
    db: &impl ConnectionTrait,
    owner: &UserId,
    key: &IdempotencyKey,
    answer: &IdempotentAnswer,
) -> Result<(), StoreError> {
    let one = statement(
        "UPDATE idempotency SET status = ?, sealed = ? WHERE owner_id = ? AND key = ?",
        [
            i64::from(answer.status).into(),
            answer.sealed.clone().into(),
            owner.as_str().into(),
            key.as_str().into(),
        ],
    );
    db.execute_raw(one).await.map(|_| ()).map_err(failed("note an answer"))
}

pub(crate) async fn remove(
    db: &impl ConnectionTrait,
    owner: &UserId,
    key: &IdempotencyKey,
) -> Result<(), StoreError> {
    let one = statement(
        "DELETE FROM idempotency WHERE owner_id = ? AND key = ?",
        [owner.as_str().into(), key.as_str().into()],
    );
    db.execute_raw(one).await.map(|_| ()).map_err(failed("forget a request"))
}

pub(crate) fn sweep_statement(before: Timestamp) -> Statement {
    statement("DELETE FROM idempotency WHERE created_at < ?", [before.as_unix_ms().into()])
}

pub(crate) async fn sweep(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64, StoreError> {
    let swept = db.execute_raw(sweep_statement(before)).await;
    Ok(swept.map_err(failed("forget requests"))?.rows_affected())
}
