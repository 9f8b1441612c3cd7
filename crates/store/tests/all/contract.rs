use std::sync::{Arc, Mutex};

use atoll_ports::Store;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_store_keeps_the_contract() {
    let dirs = Mutex::new(Vec::new());
    let open = async || {
        let (dir, store) = super::fresh().await;
        dirs.lock().unwrap().push(dir);
        Arc::new(store) as Arc<dyn Store>
    };
    atoll_testkit::contract::store(open).await;
}
