//! Images as others make them, for what reads them: by hand, of real root file systems.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// An image: its blobs, the manifest last.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) manifest: Vec<u8>,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let done = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The processor of this host, as images name it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Image {
    /// Two layers: a static program that shows its arguments, variables and user, and a folder; then a whiteout of what is in it.
    pub(crate) fn tiny() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let program = "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nint main(int n, char **a) {\n\
            char d[99]; printf(\"%s %s uid %d in %s hidden %d\\n\", n > 1 ? a[1] : \"\", getenv(\"GREETING\"), getuid(), \
            getcwd(d, 99), access(\"/srv/old\", F_OK)); }\n";
        std::fs::write(at.join("hello.c"), program).unwrap();
        for below in ["one/bin", "one/srv", "two/srv"] {
            std::fs::create_dir_all(at.join(below)).unwrap();
        }
        run(at, "gcc", &["-static", "-o", "one/bin/hello", "hello.c"]);
        std::fs::write(at.join("one/srv/old"), "old").unwrap();
        std::fs::write(at.join("two/srv/.wh.old"), "").unwrap();
        let tar = |name| run(at, "tar", &["-C", name, "--owner=0", "--group=0", "-cf", "-", "."]);
        let plain = [tar("one"), tar("two")];
        let layers = plain.iter().map(|plain| {
            std::fs::write(at.join("layer"), plain).unwrap();
            run(at, "gzip", &["-nc", "layer"])
        });
        let layers: Vec<Vec<u8>> = layers.collect();
        let ids: Vec<String> = plain.iter().map(|plain| format!("sha256:{}", sha256(plain))).collect();
        Self::of(
            layers,
            json!({
                "architecture": architecture(), "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids},
                "config": {
                    "Env": ["GREETING=hello"], "Cmd": ["/bin/hello", "main"], "WorkingDir": "/srv", "User": "0",
                    "ExposedPorts": {"80/tcp": {}}, "Healthcheck": {"Test": ["CMD", "/bin/hello"], "Interval": 5_000_000_000_u64},
                },
            }),
        )
    }

    /// The same with one more layer, of a file with this content.
    pub(crate) fn with(&self, name: &str, content: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::create_dir_all(at.join("more/srv")).unwrap();
        std::fs::write(at.join("more/srv").join(name), content).unwrap();
        let same = ["--owner=0", "--group=0", "--mtime=@1", "--sort=name"];
        let plain = run(at, "tar", &[&["-C", "more"][..], &same, &["-cf", "-", "."]].concat());
        std::fs::write(at.join("layer"), &plain).unwrap();
        let packed = run(at, "gzip", &["-nc", "layer"]);
        let mut config: Value = serde_json::from_slice(&self.config).unwrap();
        let ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
        ids.push(json!(format!("sha256:{}", sha256(&plain))));
        Self::of(self.layers.iter().cloned().chain([packed]).collect(), config)
    }

    pub(crate) fn of(layers: Vec<Vec<u8>>, config: Value) -> Self {
        let config = config.to_string().into_bytes();
        let one = |kind: &str, bytes: &[u8]| {
            let kind = format!("application/vnd.oci.image.{kind}");
            json!({"mediaType": kind, "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len()})
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": one("config.v1+json", &config),
            "layers": layers.iter().map(|layer| one("layer.v1.tar+gzip", layer)).collect::<Vec<_>>(),
        });
        Self { config, layers, manifest: manifest.to_string().into_bytes() }
    }

    /// SHA-256 of the manifest.
    pub(crate) fn digest(&self) -> String {
        sha256(&self.manifest)
    }

    /// All blobs but the manifest.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.config).chain(&self.layers)
    }

    /// Writes the archive of an OCI image layout.
    pub(crate) fn save(&self, folder: &Path) -> String {
        let root = folder.join("layout");
        std::fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        for blob in self.blobs().chain([&self.manifest]) {
            std::fs::write(root.join("blobs/sha256").join(sha256(blob)), blob).unwrap();
        }
        let index = json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": self.manifest.len(),
            "digest": format!("sha256:{}", self.digest()),
        }]});
        std::fs::write(root.join("index.json"), index.to_string()).unwrap();
        std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        run(folder, "tar", &["-C", "layout", "-czf", "image.tar", "."]);
        folder.join("image.tar").to_str().unwrap().to_owned()
    }
}
