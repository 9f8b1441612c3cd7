//! What is done when a step fails.

use atoll_ports::{Durability, OperationRecord, SandboxRecord};
use atoll_types::{Desired, Observed, OperationKind};

use super::{Cut, Step, begin, steps};
use crate::{Engine, EngineError};

impl Engine {
    /// Undoes what an operation did, as far as it has an undo.
    pub(super) async fn undo(&self, record: &SandboxRecord, operation: &OperationRecord, cut: Cut) -> Cut {
        let Cut::Failed(error) = cut else { return cut };
        let undone = match operation.kind {
            OperationKind::Create => self.undo_create(record, operation).await,
            OperationKind::Start => self.undo_start(record, operation, &error).await,
            OperationKind::Stop | OperationKind::Delete => Ok(()),
        };
        match undone {
            Ok(()) => Cut::Failed(error),
            Err(Cut::Overtaken) => Cut::Overtaken,
            Err(Cut::Failed(second)) => {
                // The operation is still recorded: the reconciler takes it up, and does not finish what was answered
                // with an error.
                self.inner.drivers.doom(&operation.id, &error.message);
                tracing::warn!(sandbox.id = %record.id, "undoing failed too, it will be tried again: {second}");
                Cut::Failed(error)
            }
        }
    }

    /// A create that failed leaves nothing: it turns into a delete.
    async fn undo_create(&self, record: &SandboxRecord, operation: &OperationRecord) -> Result<(), Cut> {
        let delete = begin(OperationKind::Delete, self);
        let record = self
            .change_own(
                &record.id,
                operation,
                Durability::Process,
                |own, _| *own = delete.clone(),
                |record| {
                    record.desired = Desired::Deleted;
                },
            )
            .await?;
        for step in steps(OperationKind::Delete) {
            self.step(*step, &record, &delete).await?;
        }
        self.forget(&record.id);
        Ok(())
    }

    /// A start that failed leaves a stopped sandbox with its files, shown as failed with the reason.
    async fn undo_start(
        &self,
        record: &SandboxRecord,
        operation: &OperationRecord,
        error: &EngineError,
    ) -> Result<(), Cut> {
        self.step(Step::StopRuntime, record, operation).await?;
        self.end_own(&record.id, operation, |record| {
            record.desired = Desired::Stopped;
            record.observed = Observed::Stopped;
            record.failure = Some(error.message.clone());
        })
        .await?;
        Ok(())
    }
}
