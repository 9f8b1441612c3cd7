//! The same attempts in Docker's default container, by a daemon of our own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::Verdicts;
use super::counts::{self, Holder};
use super::program::{Neighbour, Program, name, run, verdicts};
use crate::harness::Dockerd;

const IMAGE: &str = "escape";
/// A user that nobody is on the host: what he holds is missed by nobody but his neighbour in the other container.
const USER: &str = "54321:54321";

/// A daemon, a container that tries, and its neighbour.
#[derive(Debug)]
pub(super) struct Docker<'a> {
    daemon: Dockerd,
    program: &'a Program,
}

impl<'a> Docker<'a> {
    pub(super) fn start(program: &'a Program) -> Self {
        let this = Self { daemon: Dockerd::start(false), program };
        run(this.docker().arg("import").arg(program.image()).arg(IMAGE));
        this
    }

    fn docker(&self) -> Command {
        self.daemon.command()
    }

    /// Everything, as root and as a user.
    pub(super) fn all(&self, host: &Neighbour) -> BTreeMap<&'static str, Verdicts> {
        let next = name("next");
        run(self.docker().args(["run", "--detach", "--name", "box", IMAGE, "/escape", "sleep"]));
        let shared = ["run", "--detach", "--name", "next", "--env", "ESCAPE_SHARED=/escape", IMAGE];
        run(self.docker().args(shared).args(["/escape", "neighbour", &next]));
        run(self.docker().args(["exec", "next", "/escape", "await", &next]));
        let addresses = run(self.docker().args(["exec", "next", "/escape", "addresses", &next, &host.name]));
        let addresses: Vec<String> = addresses.split_whitespace().map(str::to_owned).collect();
        let socket = self.daemon.socket();
        let facts = host.facts(&next, &addresses, &[&socket], "/escape");
        let mut root = self.tried("0:0", &facts);
        root.extend(self.shared());
        BTreeMap::from([("root", root), ("agent", self.tried("1000:1000", &facts))])
    }

    fn tried(&self, user: &str, facts: &[(String, String)]) -> Verdicts {
        let facts = facts.iter().flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]);
        verdicts(&run(self
            .docker()
            .args(["exec", "--user", user])
            .args(facts)
            .args(["box", "/escape", "all"])))
    }

    fn shared(&self) -> Verdicts {
        let mut found = Verdicts::new();
        for (kind, _) in counts::KINDS {
            let mut hold = self.docker();
            hold.args(["exec", "--interactive", "--user", USER, "box", "/escape", "hold", kind]);
            let holder = Holder::start(hold);
            let said = run(self.docker().args(["exec", "--user", USER, "next", "/escape", "take", kind]));
            found.extend([counts::verdict(kind, &said)]);
            drop(holder);
        }
        run(self.docker().args(["exec", "box", "/escape", "plant", "/planted"]));
        let upper = run(self.docker().args(["inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", "box"]));
        found.extend([counts::planted(self.program, &PathBuf::from(upper.trim()).join("planted"))]);
        found
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        drop(self.docker().args(["rm", "--force", "box", "next"]).output());
    }
}
