//! Ends of execs, which are written behind.

use async_trait::async_trait;
use atoll_ports::{Durability, ExecRecord, StoreError};
use sea_orm::Statement;

use crate::behind::Item;
use crate::entity::exec::Model;
use crate::query::exec_writes::{self, End};
use crate::writer::{Steps, WriterHandle};

#[async_trait]
impl Item for End {
    const WHAT: &'static str = "ends of execs";

    fn line(&self) -> &str {
        &self.row
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let model: Model = serde_json::from_slice(line).ok()?;
        Self::new(&ExecRecord::try_from(model).ok()?).ok()
    }

    /// An end is written once however often it is tried.
    async fn write(writer: &WriterHandle, items: Vec<Self>, _: bool) -> Result<(), StoreError> {
        write(writer, exec_writes::finish_statement(items.iter())).await
    }
}

/// Writes ends in one transaction. Of those whose sandbox was deleted meanwhile nothing comes back.
async fn write(writer: &WriterHandle, finish: Statement) -> Result<(), StoreError> {
    let act = writer.write(Durability::Process, Steps::One, move |db| {
        Box::pin(async move { exec_writes::finish(db, finish).await })
    });
    act.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_testkit::samples;
    use atoll_types::SandboxId;

    #[test]
    fn a_line_reads_back() {
        let end =
            End::new(&samples::finished(&samples::exec(&SandboxId::random()), samples::exited(3))).unwrap();
        let read = End::parse(end.line().as_bytes()).unwrap();
        assert_eq!((read.exec, read.row), (end.exec, end.row.clone()));
        assert!(End::parse(&end.row.as_bytes()[..40]).is_none());
    }
}
