//! Real programs, built and run inside, with the interpreters of the host.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Atoll, until};

/// What waits in a sandbox that nobody uses has gone by then: ten seconds, and a busy machine.
const REST: Duration = Duration::from_secs(60);

/// The host image shows the host's `/usr`, so its programs must be there.
fn needs(program: &str, package: &str) {
    assert!(
        Path::new("/usr/bin").join(program).exists(),
        "/usr/bin/{program} is missing: apt-get install {package}"
    );
}

/// Each write costs the agent more than its byte.
#[tokio::test]
async fn a_program_that_writes_byte_by_byte_is_not_held_up() {
    needs("python3", "python3");
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let drip = "import os, time\nfor _ in range(12000): os.write(1, b'.'); time.sleep(0.00005)";
    assert_eq!(sandbox.ok(&format!("python3 -c \"{drip}\"")).await.len(), 12_000);
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_c_project_is_built_by_make_and_runs() {
    needs("gcc", "gcc libc6-dev");
    needs("make", "make");
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let project = r#"
mkdir -p ~/project && cd ~/project
cat > sum.h <<'END'
long sum(const long *numbers, unsigned count);
END
cat > sum.c <<'END'
#include "sum.h"
long sum(const long *numbers, unsigned count) {
    long total = 0;
    for (unsigned i = 0; i < count; i++) total += numbers[i];
    return total;
}
END
cat > main.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include "sum.h"
int main(int argc, char **argv) {
    long *numbers = calloc(argc, sizeof *numbers);
    for (int i = 1; i < argc; i++) numbers[i - 1] = strtol(argv[i], NULL, 10);
    printf("%ld\n", sum(numbers, argc - 1));
    free(numbers);
    return 0;
}
END
printf 'CFLAGS = -O2 -Wall -Werror\nsum: main.o sum.o\n\t$(CC) -o $@ $^\nmain.o sum.o: sum.h\n' > Makefile
make -j2 >&2 && ./sum 1 20 300
"#;
    assert_eq!(sandbox.ok(project).await, "321\n");
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_python_script_with_threads_processes_and_a_database() {
    needs("python3", "python3");
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let script = r#"
cat > ~/script.py <<'END'
import json, sqlite3, subprocess, tempfile, threading, hashlib
with tempfile.NamedTemporaryFile(suffix=".db") as file:
    db = sqlite3.connect(file.name)
    db.execute("create table n (i integer)")
    db.executemany("insert into n values (?)", [(i,) for i in range(1000)])
    db.commit()
    total = db.execute("select sum(i) from n").fetchone()[0]
results = []
threads = [threading.Thread(target=lambda i=i: results.append(i * i)) for i in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
echoed = subprocess.run(["cat"], input=b"through a pipe", capture_output=True).stdout.decode()
print(json.dumps({"total": total, "squares": sum(results), "echoed": echoed,
                  "sha": hashlib.sha256(b"atoll").hexdigest()[:8]}, sort_keys=True))
END
/usr/bin/python3 ~/script.py
"#;
    let said: serde_json::Value = serde_json::from_str(&sandbox.ok(script).await).unwrap();
    assert_eq!((&said["total"], &said["squares"]), (&499_500.into(), &2_470.into()));
    assert_eq!(said["echoed"], "through a pipe");
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_node_server_answers_itself_over_loopback() {
    needs("node", "nodejs");
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let script = r"
cat > ~/server.js <<'END'
const http = require('http');
const server = http.createServer((request, response) => response.end('hello ' + request.url));
server.listen(8080, '127.0.0.1', () => {
  http.get('http://127.0.0.1:8080/atoll', (response) => {
    let text = '';
    response.on('data', (chunk) => text += chunk);
    response.on('end', () => { console.log(response.statusCode, text); server.close(); });
  });
});
END
/usr/bin/node ~/server.js
";
    assert_eq!(sandbox.ok(script).await, "200 hello /atoll\n");
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn after_a_rest_one_process_waits_and_commands_at_once_all_run() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    sandbox.ok("true").await;
    let members = sandbox.group("pids").join("cgroup.procs");
    let waiting = || std::fs::read_to_string(&members).unwrap().lines().count();
    until("one is ready", REST, async || (waiting() == 2).then_some(())).await;
    until("it goes", REST, async || (waiting() == 1).then_some(())).await;
    let said = tokio::join!(
        sandbox.ok("echo one"),
        sandbox.ok("echo two"),
        sandbox.ok("echo three"),
        sandbox.ok("echo four")
    );
    assert_eq!(said, ("one\n".into(), "two\n".into(), "three\n".into(), "four\n".into()));
    until("and again", REST, async || (waiting() == 1).then_some(())).await;
    // Without the one that makes the others, the agent makes them.
    let breeder = std::fs::read_to_string(&members).unwrap().trim().parse::<i32>().unwrap();
    kill_process(Pid::from_raw(breeder).unwrap(), Signal::KILL).unwrap();
    assert_eq!(sandbox.ok("echo five").await, "five\n");
    atoll.finish().await;
}
