//! Planned faults: which call of a fake fails, and how.

use parking_lot::Mutex;
use tokio::sync::watch;

/// Something that a call waits at until the test opens it.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open. Cancel safe.
    pub async fn pass(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _open = self.0.subscribe().wait_for(|open| *open).await.map(|_| ());
    }
}

/// How a call fails.
#[derive(Debug, Clone)]
pub enum Fault<E> {
    /// It fails and does nothing.
    Before(E),
    /// It does everything and then reports failure, as when the answer is lost.
    After(E),
    /// It waits at the gate, then goes on as usual.
    Wait(Gate),
}

#[derive(Debug)]
struct Planned<E> {
    /// Only calls of this name count; all when absent.
    call: Option<&'static str>,
    /// Calls to go until it strikes; 1: the next.
    countdown: u64,
    fault: Fault<E>,
}

#[derive(Debug)]
struct State<E> {
    planned: Vec<Planned<E>>,
    always: Vec<(&'static str, E)>,
    calls: Vec<&'static str>,
}

/// The faults that a test planned for one fake, and the calls that were made.
#[derive(Debug)]
pub struct Faults<E>(Mutex<State<E>>);

impl<E> Default for Faults<E> {
    fn default() -> Self {
        Self(Mutex::new(State { planned: Vec::new(), always: Vec::new(), calls: Vec::new() }))
    }
}

impl<E: Clone> Faults<E> {
    /// The `n`-th call from now (1: the next) meets this fault, whatever it is.
    pub fn nth(&self, n: u64, fault: Fault<E>) {
        self.0.lock().planned.push(Planned { call: None, countdown: n.max(1), fault });
    }

    /// The `n`-th call named `call` (a method of the port) from now meets this fault.
    pub fn nth_of(&self, call: &'static str, n: u64, fault: Fault<E>) {
        self.0.lock().planned.push(Planned { call: Some(call), countdown: n.max(1), fault });
    }

    /// Every call named `call` fails and does nothing, until [`Faults::clear`].
    pub fn always(&self, call: &'static str, error: E) {
        self.0.lock().always.push((call, error));
    }

    /// Forgets all faults that have not struck.
    pub fn clear(&self) {
        let mut state = self.0.lock();
        state.planned.clear();
        state.always.clear();
    }

    /// Whether a planned fault has not struck yet: a sweep over "fail at the n-th call" ends when this stays true.
    pub fn pending(&self) -> bool {
        !self.0.lock().planned.is_empty()
    }

    /// Names of all calls so far, in their order.
    pub fn calls(&self) -> Vec<&'static str> {
        self.0.lock().calls.clone()
    }

    /// How often `call` was called.
    pub fn count(&self, call: &str) -> usize {
        self.0.lock().calls.iter().filter(|c| **c == call).count()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        self.0.lock().calls.clear();
    }

    fn strike(&self, call: &'static str) -> Option<Fault<E>> {
        let mut state = self.0.lock();
        state.calls.push(call);
        let mut due = None;
        for (at, planned) in state.planned.iter_mut().enumerate() {
            if planned.call.is_some_and(|c| c != call) {
                continue;
            }
            planned.countdown -= 1;
            if planned.countdown == 0 {
                due = Some(at);
                break;
            }
        }
        if let Some(at) = due {
            return Some(state.planned.remove(at).fault);
        }
        state.always.iter().find(|(c, _)| *c == call).map(|(_, e)| Fault::Before(e.clone()))
    }

    /// Notes a call and meets its fault: fails, waits, or answers with what to report after the act.
    pub(crate) async fn enter(&self, call: &'static str) -> Result<Option<E>, E> {
        match self.strike(call) {
            None => Ok(None),
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => Ok(Some(error)),
            Some(Fault::Wait(gate)) => {
                gate.pass().await;
                Ok(None)
            }
        }
    }

    /// [`Faults::enter`], the act, and the failure to report in place of its result.
    pub(crate) async fn around<T, X>(
        &self,
        call: &'static str,
        act: impl AsyncFnOnce() -> Result<T, X>,
    ) -> Result<T, X>
    where
        X: From<E>,
    {
        let after = self.enter(call).await?;
        let result = act().await;
        match after {
            Some(error) => Err(error.into()),
            None => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_planned_call_fails_and_no_other() {
        let faults = Faults::<String>::default();
        faults.nth(2, Fault::Before("no".into()));
        faults.nth_of("b", 1, Fault::After("late".into()));
        assert_eq!(faults.enter("a").await, Ok(None));
        assert_eq!(faults.enter("a").await, Err("no".into()));
        assert_eq!(faults.enter("a").await, Ok(None));
        assert!(faults.pending());
        assert_eq!(faults.enter("b").await, Ok(Some("late".into())));
        assert!(!faults.pending());
        assert_eq!(faults.calls(), ["a", "a", "a", "b"]);
    }

    #[tokio::test]
    async fn a_gate_holds_a_call_until_it_opens() {
        let faults = Faults::<String>::default();
        let gate = Gate::closed();
        faults.nth(1, Fault::Wait(gate.clone()));
        let call = faults.enter("a");
        tokio::pin!(call);
        assert!((&mut call).now_or_never().is_none());
        gate.open();
        assert_eq!(call.await, Ok(None));
    }
}
