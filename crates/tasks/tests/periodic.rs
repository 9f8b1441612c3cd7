//! Periodic drivers: on time, on demand, never twice at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use atoll_tasks::Tasks;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn passes_follow_each_other_after_the_interval() {
    let tasks = Tasks::new();
    let driver =
        tasks.group("drivers").periodic("sweep", 10 * SECOND, |_| async { sleep(SECOND).await }).unwrap();
    sleep(Duration::from_millis(22_500)).await;
    // Passes begin at 0, 11 and 22 s.
    assert_eq!((driver.status().started, driver.status().finished), (3, 2));
    assert_eq!(driver.status().last_duration, SECOND);
}

#[tokio::test(start_paused = true)]
async fn askings_during_a_pass_become_one_more_pass_and_none_overlap() {
    let tasks = Tasks::new();
    let inside = Arc::new(AtomicU32::new(0));
    let most = Arc::new(AtomicU32::new(0));
    let (i, m) = (Arc::clone(&inside), Arc::clone(&most));
    let driver = tasks
        .group("drivers")
        .periodic("sweep", 1_000 * SECOND, move |_| {
            let (i, m) = (Arc::clone(&i), Arc::clone(&m));
            async move {
                m.fetch_max(i.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(SECOND).await;
                i.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .unwrap();
    sleep(SECOND / 2).await;
    for _ in 0..5 {
        driver.activate();
    }
    sleep(10 * SECOND).await;
    assert_eq!(driver.status().finished, 2);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_a_pass_that_began_after_the_call() {
    let tasks = Tasks::new();
    let driver =
        tasks.group("drivers").periodic("sweep", 1_000 * SECOND, |_| async { sleep(SECOND).await }).unwrap();
    sleep(SECOND / 2).await;
    let began = Instant::now();
    let status = driver.run().await.unwrap();
    // Half a second of the first pass, then a whole one.
    assert_eq!((status.finished, began.elapsed()), (2, SECOND + SECOND / 2));
    tasks.shutdown(SECOND).await;
    assert!(driver.run().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_status_and_the_driver_goes_on() {
    let tasks = Tasks::new();
    let pass = AtomicU32::new(0);
    let driver = tasks
        .group("drivers")
        .periodic("sweep", SECOND, move |_| {
            let pass = pass.fetch_add(1, Ordering::SeqCst);
            assert_ne!(pass, 1, "while being made");
            async move {
                match pass {
                    0 => Err(std::io::Error::other("no disk")),
                    2 => panic!("while running"),
                    _ => Ok(()),
                }
            }
        })
        .unwrap();
    let mut errors = Vec::new();
    for _ in 0..4 {
        sleep(Duration::from_millis(900)).await;
        let status = driver.status();
        errors.push((status.failed_in_a_row, status.last_error.unwrap_or_default()));
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(errors[0], (1, "no disk".to_owned()));
    assert!(errors[1].0 == 2 && errors[1].1.contains("while being made"), "{errors:?}");
    assert!(errors[2].0 == 3 && errors[2].1.contains("while running"), "{errors:?}");
    assert_eq!(errors[3], (0, String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_runs_is_waited_for_at_shutdown() {
    let tasks = Tasks::new();
    let driver =
        tasks.group("drivers").periodic("sweep", SECOND, |_| async { sleep(5 * SECOND).await }).unwrap();
    sleep(SECOND).await;
    assert!(tasks.shutdown(10 * SECOND).await.is_clean());
    assert_eq!(driver.status().finished, 1);
}
