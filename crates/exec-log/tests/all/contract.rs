use std::sync::{Arc, Mutex};

use atoll_exec_log::DirExecLogs;
use atoll_ports::ExecLogs;

#[tokio::test]
async fn real_logs_keep_the_contract() {
    let dirs = Mutex::new(Vec::new());
    let fresh = || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("exec-logs");
        dirs.lock().unwrap().push(dir);
        path
    };
    let open = async || Arc::new(DirExecLogs::new(fresh())) as Arc<dyn ExecLogs>;
    atoll_testkit::contract::exec_logs(open).await;
    for bytes_max in [64 << 10, 4 << 20] {
        let open = async || Arc::new(super::small(&fresh(), bytes_max / 2, 1 << 40)) as Arc<dyn ExecLogs>;
        atoll_testkit::contract::exec_logs_bounded(usize::try_from(bytes_max).unwrap(), open).await;
    }
}
