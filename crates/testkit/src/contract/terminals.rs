//! What every way to the terminals of a sandbox promises.

use atoll_ports::{
    AgentError, HeldTerminal, OpenTerminal, TerminalEvent, TerminalKey, TerminalLink, TerminalStream,
};
use atoll_types::{SandboxId, TerminalSize};
use bytes::Bytes;
use futures_util::StreamExt;

struct Contract<'a> {
    link: &'a dyn TerminalLink,
    sandbox: &'a SandboxId,
    open: &'a OpenTerminal,
}

/// Checks the terminals of a sandbox that has none. What `open` starts echoes what is typed, and ends by the line `exit N`.
pub async fn terminals(link: &dyn TerminalLink, sandbox: &SandboxId, open: &OpenTerminal) {
    let contract = Contract { link, sandbox, open };
    contract.one_is_made_and_found_again().await;
    contract.a_viewer_begins_where_it_says().await;
    contract.sizes_are_told().await;
    contract.ends_are_told().await;
    contract.what_is_not_there_is_not_found().await;
    contract.there_are_not_more_than_some().await;
}

impl Contract<'_> {
    fn named(&self, name: &str) -> OpenTerminal {
        OpenTerminal { name: name.parse().unwrap(), ..self.open.clone() }
    }

    async fn made(&self, name: &str) -> TerminalKey {
        let (key, made) = self.link.open(self.sandbox, self.named(name)).await.unwrap();
        assert!(made, "{name} was there");
        key
    }

    async fn types(&self, key: &TerminalKey, text: &'static str) -> Result<(), AgentError> {
        self.link.input(self.sandbox, key, Bytes::from_static(text.as_bytes())).await
    }

    async fn shown(&self, key: &TerminalKey, offset: Option<u64>) -> Shown {
        let (attached, stream) = self.link.attach(self.sandbox, key, offset).await.unwrap();
        assert_eq!(attached.generation, key.generation);
        Shown { stream, next: attached.offset, text: Vec::new() }
    }

    async fn held(&self, key: &TerminalKey) -> HeldTerminal {
        let held = self.link.list(self.sandbox).await.unwrap();
        held.into_iter().find(|held| held.key == *key).unwrap()
    }

    async fn one_is_made_and_found_again(&self) {
        let key = self.made("found").await;
        assert_eq!((key.name.as_str(), key.generation > 0), ("found", true));
        let again = self.link.open(self.sandbox, self.named("found")).await.unwrap();
        assert_eq!(again, (key.clone(), false));
        let (any, _) =
            self.link.attach(self.sandbox, &TerminalKey::any(key.name.clone()), None).await.unwrap();
        assert_eq!((any.generation, any.size), (key.generation, self.open.size));
        assert_eq!(self.held(&key).await.exit_code, None);
    }

    async fn a_viewer_begins_where_it_says(&self) {
        let key = self.made("begins").await;
        let mut first = self.shown(&key, None).await;
        assert_eq!(first.next, 0);
        self.types(&key, "abc").await.unwrap();
        first.until("abc").await;
        self.types(&key, "def").await.unwrap();
        let mut back = self.shown(&key, Some(first.next)).await;
        back.until("def").await;
        assert_eq!(back.text, b"def");
        let mut late = self.shown(&key, None).await;
        late.until("abcdef").await;
        assert_eq!(late.next, back.next);
        // Beyond the end there is nothing yet.
        assert_eq!(self.shown(&key, Some(u64::MAX)).await.next, back.next);
    }

    async fn sizes_are_told(&self) {
        let key = self.made("sizes").await;
        let mut shown = self.shown(&key, None).await;
        let size = TerminalSize::new(132, 50).unwrap();
        self.link.resize(self.sandbox, &key, size).await.unwrap();
        assert_eq!(shown.until_other_than_output().await, TerminalEvent::Resized(size));
        assert_eq!(self.held(&key).await.size, size);
    }

    async fn ends_are_told(&self) {
        let key = self.made("ends").await;
        let mut shown = self.shown(&key, None).await;
        self.types(&key, "exit 3\r").await.unwrap();
        assert_eq!(shown.until_other_than_output().await, TerminalEvent::Exit(3));
        assert!(shown.stream.next().await.is_none(), "something comes after the end");
        assert_eq!(self.held(&key).await.exit_code, Some(3));
        assert_eq!(self.types(&key, "x").await, Err(AgentError::StdinClosed));
        // It is there for who was late, until another one has its name.
        let mut late = self.shown(&key, None).await;
        assert_eq!(late.until_other_than_output().await, TerminalEvent::Exit(3));
        let next = self.made("ends").await;
        assert!(next.generation > key.generation);
        assert_eq!(self.link.attach(self.sandbox, &key, None).await.err(), Some(AgentError::NotFound));

        let mut shown = self.shown(&next, None).await;
        self.link.close(self.sandbox, &next).await.unwrap();
        assert!(matches!(shown.until_other_than_output().await, TerminalEvent::Exit(_)));
    }

    async fn what_is_not_there_is_not_found(&self) {
        let there = self.made("there").await;
        let other = TerminalKey { generation: there.generation + 1, ..there };
        for key in [TerminalKey::any("never".parse().unwrap()), other] {
            assert_eq!(self.types(&key, "x").await, Err(AgentError::NotFound));
            let size = TerminalSize::default();
            assert_eq!(self.link.resize(self.sandbox, &key, size).await, Err(AgentError::NotFound));
            assert_eq!(self.link.close(self.sandbox, &key).await, Err(AgentError::NotFound));
            assert_eq!(self.link.attach(self.sandbox, &key, None).await.err(), Some(AgentError::NotFound));
        }
    }

    async fn there_are_not_more_than_some(&self) {
        let full = async {
            for number in 0..100 {
                match self.link.open(self.sandbox, self.named(&format!("n{number}"))).await {
                    Ok((_, made)) => assert!(made),
                    Err(error) => return Some(error),
                }
            }
            None
        };
        assert_eq!(full.await, Some(AgentError::TooMany));
        // One that runs is found all the same.
        assert!(!self.link.open(self.sandbox, self.named("n0")).await.unwrap().1);
    }
}

/// What a viewer was shown.
struct Shown {
    stream: TerminalStream,
    next: u64,
    text: Vec<u8>,
}

impl Shown {
    async fn step(&mut self) -> Option<TerminalEvent> {
        match self.stream.next().await.expect("more").unwrap() {
            TerminalEvent::Output { offset, data } => {
                assert_eq!(offset, self.next, "a gap, or something twice");
                assert!(!data.is_empty());
                self.next += data.len() as u64;
                self.text.extend(data);
                None
            }
            other => Some(other),
        }
    }

    async fn until(&mut self, text: &str) {
        while !self.text.windows(text.len()).any(|part| part == text.as_bytes()) {
            assert_eq!(self.step().await, None, "{text:?} never came");
        }
    }

    async fn until_other_than_output(&mut self) -> TerminalEvent {
        loop {
            if let Some(event) = self.step().await {
                return event;
            }
        }
    }
}
