//! One lock per key.

use std::time::Duration;

use atoll_tasks::KeyedLocks;
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn the_same_key_excludes_and_others_do_not() {
    let locks = KeyedLocks::new();
    let held = locks.lock("a").await;
    assert!(locks.try_lock("a").is_none());
    assert!(locks.try_lock("b").is_some());
    assert!(timeout(Duration::from_secs(1), locks.lock("a")).await.is_err());
    drop(held);
    assert_eq!(*locks.lock("a").await.key(), "a");
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_whoever_leaves_last() {
    let locks = KeyedLocks::new();
    let held = locks.lock(1).await;
    // One who gives up waiting while it is held, and one who is left alone with it.
    assert!(timeout(Duration::from_secs(1), locks.lock(1)).await.is_err());
    assert_eq!(locks.len(), 1);
    drop(held);
    assert!(locks.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_contention_nobody_is_inside_together() {
    let locks = KeyedLocks::new();
    let inside = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks = atoll_tasks::Tasks::new();
    let group = tasks.group("test");
    let work = (0..200_u32).map(|n| {
        let (locks, inside) = (locks.clone(), std::sync::Arc::clone(&inside));
        group.run_detached("one", async move {
            let _held = locks.lock(n % 2 == 3).await;
            let before = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            before
        })
    });
    for before in work.collect::<Vec<_>>() {
        assert_eq!(before.await, Ok(0));
    }
    assert!(locks.is_empty());
}
