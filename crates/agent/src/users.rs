//! Users and groups of the sandbox, from its own files.
//!
//! The files belong to the workload: they are opened without following a link or waiting on a pipe, read up to a
//! bound, and a line that does not fit the form is skipped. The C library's name service is never asked. The last answer
//! is kept for as long as both files are the same: most commands run as one user, and reading costs a tenth of a short one.

use std::io::Read;
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use crate::launch::GROUPS_MAX;
use crate::lock::lock;

/// Largest part of a file that is read, in bytes: some ten thousand users.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Where the user's entry names no shell.
const SHELL_DEFAULT: &str = "/bin/sh";
/// Where there is no entry, or its home is no absolute path.
const HOME_DEFAULT: &str = "/";
/// The user of commands, and its id. Where it could not be written down, its entry is this.
pub(crate) const AGENT: &str = "agent";
pub(crate) const AGENT_ID: u32 = 1_000;
/// The user where none is named.
const ROOT: &str = "root";

/// Whom a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// Absent for a uid without an entry.
    pub(crate) name: Option<String>,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// Why there is no such identity; the text is for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UserError {
    #[error("user {0} does not exist in this sandbox: give a name of its /etc/passwd, or a uid")]
    NoUser(String),
    #[error("group {0} does not exist in this sandbox: give a name of its /etc/group, or a gid")]
    NoGroup(String),
}

/// Where users and groups are written down.
const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Looks users up, and keeps the last answer.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<Option<Known>>);

/// The last answer.
#[derive(Debug)]
struct Known {
    spec: String,
    files: [Option<Stamp>; 2],
    identity: Arc<Identity>,
}

/// What tells a file from what it was before: nobody inside can set the time of its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: i64,
    changed: (i64, u64),
}

impl Stamp {
    fn of(path: &str) -> Option<Self> {
        let stat = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let changed = (stat.st_ctime, stat.st_ctime_nsec);
        Some(Self { device: stat.st_dev, inode: stat.st_ino, bytes: stat.st_size, changed })
    }
}

impl Users {
    /// Looks up `user`, `user:group`, or either as numbers; empty is root. A uid without an entry has group 0, as with
    /// Docker. With a group named there are no supplementary groups.
    pub(crate) fn resolve(&self, spec: &str) -> Result<Arc<Identity>, UserError> {
        // Taken before the files are read: a change in between is seen the next time.
        let files = [PASSWD, GROUP].map(Stamp::of);
        let mut known = lock(&self.0);
        if let Some(known) = known.as_ref().filter(|known| known.spec == spec && known.files == files) {
            return Ok(Arc::clone(&known.identity));
        }
        let identity = Arc::new(resolve_in(spec, &read_bounded(PASSWD), &read_bounded(GROUP))?);
        *known = Some(Known { spec: spec.to_owned(), files, identity: Arc::clone(&identity) });
        Ok(identity)
    }
}

fn resolve_in(spec: &str, passwd: &str, group: &str) -> Result<Identity, UserError> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (spec, None),
    };
    let user = if user.is_empty() { ROOT } else { user };
    let mut identity = find_user(user, passwd).ok_or_else(|| UserError::NoUser(user.to_owned()))?;
    match wanted_group {
        Some(wanted) => {
            identity.gid = find_group(wanted, group).ok_or_else(|| UserError::NoGroup(wanted.to_owned()))?;
            identity.groups = vec![identity.gid];
        }
        None => identity.groups = groups_of(identity.name.as_deref(), identity.gid, group),
    }
    Ok(identity)
}

fn find_user(user: &str, passwd: &str) -> Option<Identity> {
    let entries = || passwd.lines().filter_map(parse_user);
    let by_name = entries().find(|entry| entry.name.as_deref() == Some(user));
    let unwritten = || (user == AGENT).then(unwritten_agent);
    by_name.or_else(unwritten).or_else(|| {
        let uid = if user == ROOT { 0 } else { parse_id(user)? };
        entries().find(|entry| entry.uid == uid).or_else(|| {
            let (home, shell) = (HOME_DEFAULT.to_owned(), SHELL_DEFAULT.to_owned());
            Some(Identity {
                uid,
                gid: 0,
                groups: Vec::new(),
                name: (uid == 0).then(|| ROOT.to_owned()),
                home,
                shell,
            })
        })
    })
}

fn unwritten_agent() -> Identity {
    Identity {
        uid: AGENT_ID,
        gid: AGENT_ID,
        groups: Vec::new(),
        name: Some(AGENT.to_owned()),
        home: HOME_DEFAULT.to_owned(),
        shell: SHELL_DEFAULT.to_owned(),
    }
}

fn parse_user(line: &str) -> Option<Identity> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let (uid, gid) = (parse_id(fields.nth(1)?)?, parse_id(fields.next()?)?);
    let path_or = |field: Option<&str>, default: &str| {
        field.filter(|path| path.starts_with('/') && !path.contains('\0')).unwrap_or(default).to_owned()
    };
    let home = path_or(fields.nth(1), HOME_DEFAULT);
    let shell = path_or(fields.next(), SHELL_DEFAULT);
    Some(Identity { uid, gid, groups: Vec::new(), name: Some(name.to_owned()), home, shell })
}

/// Name, gid and members of each group.
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = parse_id(fields.nth(1)?)?;
    Some((name, gid, fields.next().unwrap_or("")))
}

fn find_group(wanted: &str, group: &str) -> Option<u32> {
    let by_name =
        group.lines().filter_map(parse_group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid);
    by_name.or_else(|| parse_id(wanted))
}

fn groups_of(name: Option<&str>, gid: u32, group: &str) -> Vec<u32> {
    let mut groups = vec![gid];
    let Some(name) = name else { return groups };
    for (_, member_gid, members) in group.lines().filter_map(parse_group) {
        if groups.len() == GROUPS_MAX {
            break;
        }
        if !groups.contains(&member_gid) && members.split(',').any(|member| member.trim() == name) {
            groups.push(member_gid);
        }
    }
    groups
}

/// A number that is an id; the highest means "leave as it is" to the kernel, and is none.
fn parse_id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

/// The beginning of a regular file as text; empty where there is none.
fn read_bounded(path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let read = || -> std::io::Result<Vec<u8>> {
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        // Room for all and one byte more: one read for what is there, one that finds the end.
        let size = u64::try_from(stat.st_size).unwrap_or(0).min(FILE_BYTES_MAX);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            std::fs::File::from(fd).take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nbad\n:x:5:5::/:/x\nagent:x:1000:1001:A:/home/agent:\n\
                          nohome:x:7:8::relative:/bin/false\nhuge:x:4294967295:1::/:/x\n";
    const GROUPS: &str =
        "root:x:0:\nstaff:x:50:agent,other\naudio:x:29: agent\nadm:x:4:agentx\ndup:x:1001:agent\n";

    fn ids(spec: &str) -> Result<(u32, u32, Vec<u32>), UserError> {
        resolve_in(spec, USERS, GROUPS).map(|i| (i.uid, i.gid, i.groups))
    }

    #[test]
    fn names_and_numbers_find_the_same_user() {
        assert_eq!(ids("agent"), Ok((1000, 1001, vec![1001, 50, 29])));
        assert_eq!(ids("1000"), ids("agent"));
        assert_eq!(ids(""), Ok((0, 0, vec![0])));
        assert_eq!(ids("4242"), Ok((4242, 0, vec![0])));
    }

    #[test]
    fn a_named_group_stands_alone() {
        assert_eq!(ids("agent:staff"), Ok((1000, 50, vec![50])));
        assert_eq!(ids("0:77"), Ok((0, 77, vec![77])));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(ids("nobody"), Err(UserError::NoUser("nobody".into())));
        assert_eq!(ids("root:nope"), Err(UserError::NoGroup("nope".into())));
        for none in ["huge", "-1", "+1", "4294967295", "4294967296"] {
            assert_eq!(ids(none), Err(UserError::NoUser(none.into())), "{none}");
        }
    }

    #[test]
    fn an_entry_without_home_or_shell_gets_the_defaults() {
        let user = resolve_in("nohome", USERS, GROUPS).unwrap();
        assert_eq!((user.home.as_str(), user.shell.as_str()), ("/", "/bin/false"));
        let agent = resolve_in("agent", USERS, GROUPS).unwrap();
        assert_eq!((agent.home.as_str(), agent.shell.as_str()), ("/home/agent", "/bin/sh"));
    }

    #[test]
    fn an_image_without_files_still_has_root() {
        let root = resolve_in("root", "", "").unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_deref()), (0, 0, Some("root")));
    }

    #[test]
    fn links_pipes_and_directories_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
        rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for path in [at("link"), at("fifo"), at(""), "/dev/zero".to_owned()] {
            assert_eq!(read_bounded(&path), "", "{path}");
        }
        std::fs::write(at("big"), vec![b'a'; 3 << 20]).unwrap();
        assert_eq!(read_bounded(&at("big")).len(), 1 << 20);
    }
}
