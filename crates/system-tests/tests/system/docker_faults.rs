//! Docker goes away in the middle of things.

use std::time::Duration;

use atoll_client::SandboxFilter;
use atoll_types::RuntimeKind;

use crate::harness::{Dockerd, until};
use crate::runtimes::{finish, new, started};

/// When Docker is asked to stop, in milliseconds after a create began, which takes some hundred.
const MOMENTS: [u64; 5] = [5, 60, 130, 220, 400];
/// What nobody owns is looked for once a minute.
const PATIENCE: Duration = Duration::from_secs(150);
/// Within this who asked has an answer: Docker takes some seconds to stop, and is not waited for longer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

#[tokio::test]
async fn docker_stopped_in_the_middle_of_a_create_is_told_and_nothing_is_left() {
    let mut docker = Dockerd::start(true);
    let atoll = started(&docker).await;
    let mut refused = 0;
    for moment in MOMENTS {
        let asked = new(RuntimeKind::Docker);
        let create = atoll.client.sandbox_create(&asked);
        tokio::pin!(create);
        let early = tokio::time::timeout(Duration::from_millis(moment), &mut create).await;
        docker.stop();
        let answer = match early {
            Ok(answer) => answer,
            Err(_) => tokio::time::timeout(ANSWER_TIME, create).await.expect("an answer"),
        };
        if let Err(error) = &answer {
            refused += 1;
            let code = error.code().unwrap_or_default();
            assert!(["runtime_unavailable", "runtime_failed"].contains(&code), "{moment} ms: {error}");
            assert!(error.to_string().contains("Docker"), "{moment} ms: {error}");
        }
        docker.start_again();
        let made: Vec<String> = answer.into_iter().flatten().map(|one| one.id).collect();
        until("what was told, and nothing else", PATIENCE, async || {
            let listed = atoll.client.sandbox_list_all(&SandboxFilter::default()).await.ok()?;
            let listed: Vec<String> = listed.into_iter().map(|one| one.id).collect();
            let names: Vec<String> = made.iter().map(|id| format!("sandbox-{id}")).collect();
            (listed == made && docker.containers() == names).then_some(())
        })
        .await;
        for id in made {
            let id = id.parse().unwrap();
            atoll.client.sandbox_delete(&id).await.unwrap();
        }
        // And it is of use again.
        let again = atoll.create_with(&asked).await;
        assert_eq!(again.ok("echo well").await, "well\n");
        atoll.client.sandbox_delete(&again.id).await.unwrap();
    }
    assert!(refused > 0, "Docker was never stopped in the middle: the test tested nothing");
    finish(atoll, &docker).await;
}
