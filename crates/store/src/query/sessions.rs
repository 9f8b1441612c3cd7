//! Log-ins.

use atoll_ports::{Cas, Page, SessionRecord, StoreError};
use atoll_types::{SessionId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, Statement,
};

use super::statement;
use crate::cursor::{self, List, Place};
use crate::entity::session::{Column, Entity, Model};
use crate::error::{Refusal, failed, sql_number};

const UPDATE: &str = "update a session";
const REMOVE: &str = "remove sessions";

pub(crate) async fn insert(db: &impl ConnectionTrait, row: Model, keep: u32) -> Result<(), StoreError> {
    let user = row.user_id.clone();
    let done = Entity::insert(row.into_active_model()).exec_without_returning(db).await;
    let refusal = Refusal { action: "add a session", unique: "session id", parent: "user" };
    done.map_err(|e| refusal.error(e))?;
    db.execute_raw(crowded_statement(&user, keep)).await.map(|_| ()).map_err(failed(REMOVE))
}

/// Removes those of a user beyond `keep` that were not refreshed for longest.
pub(crate) fn crowded_statement(user: &str, keep: u32) -> Statement {
    statement(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ? \
         ORDER BY used_at DESC, id DESC LIMIT -1 OFFSET ?)",
        [user.into(), keep.into()],
    )
}

pub(crate) async fn get(
    db: &impl ConnectionTrait,
    id: &SessionId,
) -> Result<Option<SessionRecord>, StoreError> {
    let found = Entity::find_by_id(id.as_str()).one(db).await;
    found.map_err(failed("read a session"))?.map(SessionRecord::try_from).transpose()
}

pub(crate) fn list_statement(user: &UserId, after: Option<Place>, limit: u32) -> Statement {
    let after = after.unwrap_or_else(|| Place { created_at: i64::MAX, id: "~".to_owned() });
    statement(
        "SELECT * FROM sessions WHERE user_id = ? AND (created_at, id) < (?, ?) \
         ORDER BY created_at DESC, id DESC LIMIT ?",
        [user.as_str().into(), after.created_at.into(), after.id.into(), cursor::rows(limit).into()],
    )
}

pub(crate) async fn list(
    db: &impl ConnectionTrait,
    user: &UserId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<SessionRecord>, StoreError> {
    let after = cursor::read(List::Sessions, cursor)?;
    let rows = Model::find_by_statement(list_statement(user, after, limit)).all(db).await;
    let place = |row: &Model| Place { created_at: row.created_at, id: row.id.clone() };
    cursor::page(
        List::Sessions,
        limit,
        rows.map_err(failed("list sessions"))?,
        place,
        SessionRecord::try_from,
    )
}

/// The compare-and-set.
pub(crate) fn update_statement(session: &SessionRecord, from: u64) -> Result<Statement, StoreError> {
    Ok(statement(
        "UPDATE sessions SET seq = ?, used_at = ?, expires_at = ?, address = ?, agent = ? \
         WHERE id = ? AND seq = ? RETURNING *",
        [
            sql_number(UPDATE, session.seq)?.into(),
            session.used_at.as_unix_ms().into(),
            session.expires_at.as_unix_ms().into(),
            session.address.as_str().into(),
            session.agent.as_str().into(),
            session.id.as_str().into(),
            sql_number(UPDATE, from)?.into(),
        ],
    ))
}

pub(crate) async fn update(
    db: &impl ConnectionTrait,
    id: &SessionId,
    update: Statement,
) -> Result<Cas<SessionRecord>, StoreError> {
    if let Some(row) = Model::find_by_statement(update).one(db).await.map_err(failed(UPDATE))? {
        return Ok(Cas::Updated(row.try_into()?));
    }
    Ok(get(db, id).await?.map_or(Cas::Absent, Cas::Stale))
}

pub(crate) async fn remove(
    db: &impl ConnectionTrait,
    user: &UserId,
    id: &SessionId,
) -> Result<bool, StoreError> {
    let mine = Entity::delete_by_id(id.as_str()).filter(Column::UserId.eq(user.as_str()));
    Ok(mine.exec(db).await.map_err(failed(REMOVE))?.rows_affected > 0)
}

pub(crate) async fn remove_all(
    db: &impl ConnectionTrait,
    user: &UserId,
    but: Option<&SessionId>,
) -> Result<u64, StoreError> {
    let but = but.map_or("", SessionId::as_str);
    let all = Entity::delete_many().filter(Column::UserId.eq(user.as_str())).filter(Column::Id.ne(but));
    Ok(all.exec(db).await.map_err(failed(REMOVE))?.rows_affected)
}

/// Removes what ended before this: log-ins, then invitations.
pub(crate) fn sweep_statements(before: Timestamp) -> [Statement; 3] {
    [
        "DELETE FROM sessions WHERE expires_at < ?",
        "DELETE FROM invitations WHERE expires_at < ?",
        "DELETE FROM class_links WHERE expires_at < ?",
    ]
    .map(|sql| statement(sql, [before.as_unix_ms().into()]))
}

pub(crate) async fn sweep(db: &impl ConnectionTrait, before: Timestamp) -> Result<u64, StoreError> {
    let mut removed = 0;
    for statement in sweep_statements(before) {
        removed += db.execute_raw(statement).await.map_err(failed(REMOVE))?.rows_affected();
    }
    Ok(removed)
}
