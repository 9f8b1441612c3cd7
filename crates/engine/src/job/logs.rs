//! What the runs of a job wrote.

use atoll_types::{ExecId, JobId, SandboxId};

use crate::log::{BYTES_MAX, LINES_MAX, Lines, READ_BYTES};
use crate::{Caller, Engine, EngineError, LogQuery, LogView};

impl Engine {
    /// Lines of the last runs of a job, oldest first. Each run begins a new line.
    ///
    /// # Errors
    /// `sandbox_not_found`, `job_not_found`.
    pub async fn job_logs(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        id: &JobId,
        query: LogQuery,
    ) -> Result<LogView, EngineError> {
        let job = self.owned_job(caller, sandbox, id)?;
        let most =
            query.tail.map_or(LINES_MAX, |tail| usize::try_from(tail).unwrap_or(LINES_MAX)).min(LINES_MAX);
        let began_earlier = u64::try_from(job.runs.len()).is_ok_and(|held| held < job.starts);
        let mut log = LogView { lines: Vec::new(), truncated: began_earlier };
        let mut bytes = 0;
        // The newest first, so that no more is read than the answer holds.
        for run in job.runs.iter().rev() {
            let left = most.saturating_sub(log.lines.len());
            let older =
                self.run_lines(sandbox, run, &LogQuery { tail: u32::try_from(left).ok(), ..query }).await?;
            bytes += older.lines.iter().map(|line| line.line.len()).sum::<usize>();
            if left == 0 || bytes > BYTES_MAX {
                log.truncated = true;
                break;
            }
            log.truncated |= older.truncated;
            log.lines.splice(..0, older.lines);
        }
        Ok(log)
    }

    async fn run_lines(
        &self,
        sandbox: &SandboxId,
        run: &ExecId,
        query: &LogQuery,
    ) -> Result<LogView, EngineError> {
        let mut log = self.inner.ports.exec_logs.reader(sandbox, run, 0).await?;
        let mut lines = Lines::new(query);
        loop {
            let page = log.next(READ_BYTES).await?;
            lines.drop_older(page.first_held.is_some());
            if page.events.is_empty() {
                return Ok(lines.finish());
            }
            page.events.into_iter().for_each(|event| lines.push(event));
        }
    }
}
