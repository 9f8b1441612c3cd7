//! A real registry on loopback, Debian's `docker-registry`, with a folder of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::image::{Image, sha256};
use super::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// A registry that runs.
#[derive(Debug)]
pub(crate) struct Registry {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: String,
}

/// The password `U*U` of `me`, as registries keep it, and both as who asks says them.
const HTPASSWD: &str = "me:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
pub(crate) const ME: &str = "bWU6VSpV";

impl Registry {
    pub(crate) async fn start() -> Self {
        Self::start_with("", "/v2/").await
    }

    /// One that lets only `me` in.
    pub(crate) async fn start_closed() -> Self {
        Self::start_with("auth: {htpasswd: {realm: here, path: PASSWORDS}}\n", "/").await
    }

    /// With more configuration, and what it answers without a password.
    async fn start_with(more: &str, open: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
            folder.path().join("store").display(),
        );
        let passwords = folder.path().join("passwords");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let more = more.replace("PASSWORDS", passwords.to_str().unwrap());
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config + &more).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is missing: scripts/nextest.sh installs it");
        let this = Self { child, folder, address };
        let asked = async || this.curl(&[open]).status.success().then_some(());
        until("the registry", PATIENCE, asked).await;
        this
    }

    fn curl(&self, words: &[&str]) -> std::process::Output {
        let (path, options) = words.split_first().unwrap();
        let url = if path.starts_with("http") {
            (*path).to_owned()
        } else {
            format!("http://{}{path}", self.address)
        };
        Command::new("curl")
            .args(["-sS", "--fail", "--noproxy", "*"])
            .args(options)
            .arg(url)
            .output()
            .unwrap()
    }

    fn asked(&self, words: &[&str]) -> String {
        let done = self.curl(words);
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Pushes an image, as any client does.
    pub(crate) fn push(&self, repository: &str, tag: &str, image: &Image) {
        for blob in image.blobs() {
            let file = self.file(blob);
            let uploads = format!("/v2/{repository}/blobs/uploads/");
            let headers = self.asked(&[&uploads, "-X", "POST", "-D", "-", "-o", "/dev/null"]);
            let location = headers.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
            });
            let whole = format!("{}&digest=sha256:{}", location.unwrap(), sha256(blob));
            self.asked(&[
                &whole,
                "-X",
                "PUT",
                "-H",
                "content-type: application/octet-stream",
                "--data-binary",
                &file,
            ]);
        }
        let kind = "content-type: application/vnd.oci.image.manifest.v1+json";
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.asked(&[&path, "-X", "PUT", "-H", kind, "--data-binary", &self.file(&image.manifest)]);
    }

    fn file(&self, bytes: &[u8]) -> String {
        let path = self.folder.path().join("blob");
        std::fs::write(&path, bytes).unwrap();
        format!("@{}", Path::new(&path).display())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _buried = self.child.wait();
    }
}
