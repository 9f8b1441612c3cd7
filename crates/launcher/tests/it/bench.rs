//! Times, printed: `cargo nextest run -p atoll-launcher --run-ignored only --no-capture`.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use atoll_launcher_protocol::Call;

use crate::host::{Host, eventually, host_sandbox};

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

#[test]
#[ignore = "a measurement"]
fn create_to_first_answer() {
    const ROUNDS: usize = 200;
    let host = Host::new();
    let mut client = host.client();
    let (mut started, mut answered, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let request = host_sandbox(0);
        let begun = Instant::now();
        client.start(request.clone()).unwrap();
        started.push(begun.elapsed());
        let mut stream = host.connect(&request.sandbox);
        stream.write_all(b"0\0@none").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_string(&mut String::new()).unwrap();
        answered.push(begun.elapsed());
        removed.push(client.remove(&request.sandbox));
    }
    for (what, times) in [("started", &mut started), ("answered", &mut answered), ("removed", &mut removed)] {
        println!("{what}: p50 {:?} p99 {:?}", percentile(times, 50), percentile(times, 99));
    }
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_at_once() {
    let host = Host::new();
    let mut client = host.client();
    for round in 0..4 {
        let requests: Vec<_> = (0..100).map(host_sandbox).collect();
        let begun = Instant::now();
        for request in &requests {
            client.send(Call::Start(Box::new(request.clone())), &[]);
        }
        for _ in &requests {
            client.reply().result.unwrap();
        }
        println!("round {round}: 100 starts in {:?}", begun.elapsed());
        let begun = Instant::now();
        for request in &requests {
            client.send(Call::Remove { sandbox: request.sandbox.clone() }, &[]);
        }
        for _ in &requests {
            client.reply().result.unwrap();
        }
        println!("round {round}: 100 removals in {:?}", begun.elapsed());
        let begun = Instant::now();
        eventually(|| client.audit().1 == 0);
        println!("round {round}: collected in {:?}", begun.elapsed());
    }
}
