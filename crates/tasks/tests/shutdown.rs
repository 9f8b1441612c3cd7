//! How tasks stop: in order, before a deadline, and what is late is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use atoll_tasks::{DetachedError, Kind, ShuttingDown, Tasks};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn names(tasks: &[atoll_tasks::TaskInfo]) -> Vec<&str> {
    tasks.iter().map(|task| task.name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn groups_stop_in_the_order_in_which_they_were_made() {
    let tasks = Tasks::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    for name in ["intake", "drivers", "store"] {
        let order = Arc::clone(&order);
        tasks
            .group(name)
            .spawn(name, Kind::WORK, |token| async move {
                token.cancelled().await;
                sleep(SECOND).await;
                order.lock().push(name);
            })
            .unwrap();
    }
    let report = tasks.shutdown(10 * SECOND).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(*order.lock(), ["intake", "drivers", "store"]);
    assert_eq!(tasks.running(), []);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_late_is_aborted_and_named() {
    let tasks = Tasks::new();
    let group = tasks.group("drivers");
    group.spawn("deaf", Kind::WORK, |_| std::future::pending::<()>()).unwrap();
    group.spawn("good", Kind::WORK, |token| async move { token.cancelled().await }).unwrap();
    let began = Instant::now();
    let report = tasks.shutdown(3 * SECOND).await;
    assert_eq!(names(&report.late), ["deaf"]);
    assert_eq!(report.stuck, []);
    assert_eq!(began.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn later_groups_still_get_to_stop_when_an_earlier_one_used_the_time() {
    let tasks = Tasks::new();
    tasks.group("first").spawn("deaf", Kind::WORK, |_| std::future::pending::<()>()).unwrap();
    let second = tasks
        .group("second")
        .spawn("good", Kind::WORK, |token| async move { token.cancelled().await })
        .unwrap();
    let report = tasks.shutdown(SECOND).await;
    assert_eq!(report.late[0].name, "deaf");
    assert!(second.is_finished());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_blocks_its_thread_is_reported_as_stuck() {
    let tasks = Tasks::new();
    let release = Arc::new(std::sync::Barrier::new(2));
    let blocked = Arc::clone(&release);
    tasks
        .group("drivers")
        .spawn("blocker", Kind::WORK, |_| async move {
            blocked.wait();
        })
        .unwrap();
    let report = tasks.shutdown(Duration::from_millis(10)).await;
    release.wait();
    assert_eq!(names(&report.stuck), ["blocker"]);
}

#[tokio::test(start_paused = true)]
async fn disposable_tasks_are_dropped_at_once() {
    let tasks = Tasks::new();
    let handle =
        tasks.group("watchers").spawn("watcher", Kind::DISPOSABLE, |_| std::future::pending::<()>()).unwrap();
    let began = Instant::now();
    assert!(tasks.shutdown(10 * SECOND).await.is_clean());
    assert!(handle.is_finished());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_once_it_stops() {
    let tasks = Tasks::new();
    let group = tasks.group("drivers");
    tasks.shutdown(SECOND).await;
    assert_eq!(group.spawn("late", Kind::WORK, |_| async {}).err(), Some(ShuttingDown));
    assert_eq!(tasks.group("new").spawn("late", Kind::WORK, |_| async {}).err(), Some(ShuttingDown));
    assert_eq!(group.run_detached("late", async { 1 }).await, Err(DetachedError::ShuttingDown(ShuttingDown)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_caught_and_an_essential_task_asks_for_the_stop() {
    let tasks = Tasks::new();
    let group = tasks.group("drivers");
    let harmless = group
        .spawn("harmless", Kind::WORK, |_| async {
            assert!(!std::hint::black_box(true), "on purpose");
        })
        .unwrap();
    harmless.finished().await;
    assert!(
        tokio::time::timeout(SECOND, tasks.stop_requested()).await.is_err(),
        "a log-only failure stops nothing"
    );

    group
        .spawn("essential", Kind::ESSENTIAL, |_| async { Err::<(), _>(std::io::Error::other("no socket")) })
        .unwrap();
    assert_eq!(tokio::time::timeout(SECOND, tasks.stop_requested()).await.unwrap(), "essential");
    assert_eq!(group.running(), []);
}

#[tokio::test(start_paused = true)]
async fn one_task_can_be_cancelled_alone() {
    let tasks = Tasks::new();
    let group = tasks.group("drivers");
    let spawn = |name| group.spawn(name, Kind::WORK, |token| async move { token.cancelled().await }).unwrap();
    let (one, other) = (spawn("one"), spawn("other"));
    one.cancel();
    one.finished().await;
    assert!(!other.is_finished());
    assert_eq!(names(&tasks.running()), ["other"]);
}

#[tokio::test(start_paused = true)]
async fn detached_work_goes_on_without_its_caller_and_is_waited_for() {
    let tasks = Tasks::new();
    let group = tasks.group("requests");
    let done = Arc::new(AtomicU32::new(0));
    let work = {
        let done = Arc::clone(&done);
        group.run_detached("create", async move {
            sleep(SECOND).await;
            done.fetch_add(1, Ordering::SeqCst);
        })
    };
    drop(work);
    assert!(tasks.shutdown(10 * SECOND).await.is_clean());
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn detached_work_gives_its_result_or_says_why_not() {
    let tasks = Tasks::new();
    let group = tasks.group("requests");
    assert_eq!(group.run_detached("sum", async { 1 + 1 }).await, Ok(2));
    let panics = async {
        assert!(!std::hint::black_box(true), "on purpose");
        1
    };
    assert_eq!(group.run_detached("panics", panics).await, Err(DetachedError::Panicked));
    let cut = group.run_detached("cut", std::future::pending::<u32>());
    assert_eq!(names(&tasks.shutdown(SECOND).await.late), ["cut"]);
    assert_eq!(cut.await, Err(DetachedError::CutOff));
}
