//! Messages of an agent, which is in the hands of whoever runs in its sandbox; and of serve, as an agent reads them.
#![no_main]

use std::fmt::Debug;

use atoll_agent_client::EventCheck;
use atoll_agent_protocol::OUTPUT_BYTES_MAX;
use atoll_agent_protocol::v1;
use atoll_types::ExecEventKind;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

fuzz_target!(|input: (u8, &[u8])| -> Corpus {
    let (kind, bytes) = input;
    match kind % 17 {
        0 | 1 => return stream(u64::from(kind / 17), bytes),
        2 => passes_through::<v1::HelloRequest>(bytes),
        3 => passes_through::<v1::HelloReply>(bytes),
        4 => passes_through::<v1::ExecRequest>(bytes),
        5 => passes_through::<v1::AttachRequest>(bytes),
        6 => passes_through::<v1::AckRequest>(bytes),
        7 => passes_through::<v1::StdinRequest>(bytes),
        8 => passes_through::<v1::SignalRequest>(bytes),
        9 => passes_through::<v1::ListReply>(bytes),
        10 => passes_through::<v1::ActivityReply>(bytes),
        11 => passes_through::<v1::AckReply>(bytes),
        12 => passes_through::<v1::StdinReply>(bytes),
        13 => passes_through::<v1::SignalReply>(bytes),
        14 => passes_through::<v1::TerminalOpenRequest>(bytes),
        15 => passes_through::<v1::TerminalEvent>(bytes),
        _ => passes_through::<v1::TerminalInputRequest>(bytes),
    }
});

/// What is understood is said again, and understood in the same way.
fn passes_through<T: Message + Default + PartialEq + Debug>(bytes: &[u8]) -> Corpus {
    let Ok(message) = T::decode(bytes) else { return Corpus::Keep };
    let again = T::decode(&*message.encode_to_vec()).expect("what was written is understood");
    assert!(again == message, "{message:?} became {again:?}");
    Corpus::Keep
}

/// A stream of events, each with its length before it: what the check lets pass is as the protocol promises.
fn stream(after: u64, mut bytes: &[u8]) -> Corpus {
    let mut check = EventCheck::after(after);
    let mut due = after;
    let mut exited = false;
    while let Ok(event) = v1::Event::decode_length_delimited(&mut bytes) {
        let Ok(event) = check.check(event) else { break };
        due += 1;
        assert!(!exited && event.seq == due, "{event:?} after {due}");
        match event.kind {
            ExecEventKind::Start => assert_eq!(event.seq, 1),
            ExecEventKind::Output(_, data) => assert!((1..=OUTPUT_BYTES_MAX).contains(&data.len())),
            ExecEventKind::Exit(exit) => {
                assert!((0..=255).contains(&exit.code));
                exited = true;
            }
        }
        assert_eq!(check.exited(), exited);
        if bytes.is_empty() {
            break;
        }
    }
    Corpus::Keep
}
