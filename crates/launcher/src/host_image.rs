//! The root of the image `host`: everything but the host's `/usr`, which is mounted over it read-only.
//!
//! Its `/etc` is synthetic: a list of users of its own, and of the host's configuration only what programs in `/usr` need
//! and everybody on the host may read. A root that sandboxes use is never changed; when the host's configuration
//! changes, the next start of the launcher makes another under another name.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::report::{At, Step, StepError};

/// Version of what this file makes; a change of it makes a new root.
const VERSION: u32 = 1;

/// What the names of roots begin with.
const ROOT_PREFIX: &str = "host-";

/// Name of the link to the root that new sandboxes get.
const CURRENT: &str = "host";

/// Folders of the host that may be links into `/usr`, or real on hosts that have not merged them.
const USR_FOLDERS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Folders with their modes.
const FOLDERS: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("home/agent", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/local", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/local/etc", 0o755),
    ("usr/local/games", 0o755),
    ("usr/local/include", 0o755),
    ("usr/local/lib", 0o755),
    ("usr/local/sbin", 0o755),
    ("usr/local/share", 0o755),
    ("usr/local/src", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// What is taken of the host's `/etc`: files and folders that programs read and that hold no secret.
const CONFIGURATION: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "emacs",
    "ethertypes",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "networks",
    "os-release",
    "perl",
    "pki/tls/certs",
    "profile",
    "protocols",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "rpc",
    "services",
    "skel",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "vim",
];

/// Most files and bytes that are taken of it.
const FILES_MAX: u32 = 20_000;
const BYTES_MAX: u64 = 64 << 20;
const DEPTH_MAX: u32 = 8;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
agent:x:1000:1000:Atoll:/home/agent:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";

const GROUP: &str = "root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
staff:x:50:
users:x:100:
www-data:x:33:
agent:x:1000:
nogroup:x:65534:
";

const NSSWITCH: &str =
    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// What the image is made of.
#[derive(Debug)]
pub(crate) struct HostImage {
    /// Name of its root in the pool.
    pub(crate) name: String,
    /// Folders of the host to be mounted over it.
    pub(crate) binds: Vec<String>,
}

/// Makes the root in the pool where it is missing.
pub(crate) fn prepare(pool: &OwnedFd) -> Result<HostImage, StepError> {
    let binds = std::iter::once("/usr".to_owned()).chain(
        USR_FOLDERS
            .iter()
            .map(|name| format!("/{name}"))
            .filter(|path| fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())),
    );
    let name = format!("{ROOT_PREFIX}{:016x}", key());
    let pool = PathBuf::from(format!("/proc/self/fd/{}", pool.as_raw_fd()));
    if !pool.join(&name).exists() {
        let new = pool.join("host.new");
        if new.exists() {
            fs::remove_dir_all(&new).at(Step::BuildHostImage)?;
        }
        build(&new).at(Step::BuildHostImage)?;
        fs::rename(&new, pool.join(&name)).at(Step::BuildHostImage)?;
    }
    point(&pool, &name).at(Step::BuildHostImage)?;
    Ok(HostImage { name, binds: binds.collect() })
}

/// Says by a link which root new sandboxes get: to whoever looks at the pool from outside.
fn point(pool: &Path, name: &str) -> io::Result<()> {
    let link = pool.join(CURRENT);
    if fs::read_link(&link).is_ok_and(|target| target == Path::new(name)) {
        return Ok(());
    }
    let new = pool.join("host.link.new");
    if fs::symlink_metadata(&new).is_ok() {
        fs::remove_file(&new)?;
    }
    symlink(name, &new)?;
    fs::rename(&new, &link)
}

/// Where an upgrade of the host leaves its marks: the tables of package managers, which are written last, and folders that most
/// packages put something into.
const MARKS: [&str; 11] = [
    "/var/lib/dpkg/status",
    "/var/lib/rpm",
    "/usr/lib/sysimage/rpm",
    "/var/lib/pacman/local",
    "/lib/apk/db/installed",
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
];

/// Changes when somebody installs, upgrades or removes something on the host.
pub(crate) fn generation() -> u64 {
    let mut hasher = DefaultHasher::new();
    for mark in MARKS {
        fs::metadata(mark).ok().map(|meta| (meta.mtime(), meta.mtime_nsec())).hash(&mut hasher);
    }
    hasher.finish()
}

/// Names of the roots in the pool that new sandboxes do not get any more.
pub(crate) fn stale(pool: &OwnedFd, current: &str) -> Vec<String> {
    let Ok(entries) = rustix::fs::Dir::read_from(pool) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned));
    names.filter(|name| name.starts_with(ROOT_PREFIX) && name != current).collect()
}

/// Changes when what is taken of the host changes.
fn key() -> u64 {
    let mut hasher = DefaultHasher::new();
    VERSION.hash(&mut hasher);
    for name in CONFIGURATION {
        let path = Path::new("/etc").join(name);
        let Ok(meta) = fs::metadata(&path) else { continue };
        (name, meta.mtime(), meta.mtime_nsec(), meta.size()).hash(&mut hasher);
    }
    for name in USR_FOLDERS {
        fs::read_link(Path::new("/").join(name)).ok().hash(&mut hasher);
    }
    hasher.finish()
}

fn build(root: &Path) -> io::Result<()> {
    fs::create_dir(root)?;
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    for (path, mode) in FOLDERS {
        fs::create_dir(root.join(path))?;
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(*mode))?;
    }
    chown(root.join("home/agent"), Some(1_000), Some(1_000))?;
    for name in USR_FOLDERS {
        let host = Path::new("/").join(name);
        match fs::symlink_metadata(&host) {
            Ok(meta) if meta.is_symlink() => symlink(fs::read_link(&host)?, root.join(name))?,
            Ok(meta) if meta.is_dir() => fs::create_dir(root.join(name))?,
            Ok(_) | Err(_) => {}
        }
    }
    symlink("/run", root.join("var/run"))?;
    symlink("/run/lock", root.join("var/lock"))?;
    for (name, content) in
        [("passwd", PASSWD), ("group", GROUP), ("nsswitch.conf", NSSWITCH), ("timezone", "Etc/UTC\n")]
    {
        fs::write(root.join("etc").join(name), content)?;
    }
    symlink("/proc/self/mounts", root.join("etc/mtab"))?;
    let mut copy = Copy { files: 0, bytes: 0 };
    for name in CONFIGURATION {
        let to = root.join("etc").join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        copy.tree(&Path::new("/etc").join(name), &to, 0)?;
    }
    Ok(())
}

/// A copy of some of the host's configuration, counted.
struct Copy {
    files: u32,
    bytes: u64,
}

impl Copy {
    /// Copies a file, link or folder, if everybody on the host may read it.
    fn tree(&mut self, from: &Path, to: &Path, depth: u32) -> io::Result<()> {
        let Ok(meta) = fs::symlink_metadata(from) else { return Ok(()) };
        self.files += 1;
        if self.files > FILES_MAX || self.bytes > BYTES_MAX || depth > DEPTH_MAX {
            return Err(io::Error::other("the host's configuration is too large"));
        }
        if meta.is_symlink() {
            return symlink(fs::read_link(from)?, to);
        }
        // A file that not everybody may read may be a secret.
        if meta.mode() & 0o004 == 0 {
            return Ok(());
        }
        if meta.is_dir() {
            fs::create_dir(to)?;
            fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                self.tree(&entry.path(), &to.join(entry.file_name()), depth + 1)?;
            }
        } else if meta.is_file() {
            self.bytes += meta.size();
            fs::write(to, fs::read(from)?)?;
            fs::set_permissions(
                to,
                fs::Permissions::from_mode(if meta.mode() & 0o111 == 0 { 0o644 } else { 0o755 }),
            )?;
        }
        Ok(())
    }
}
