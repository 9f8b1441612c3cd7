//! Where the small programs are: the agent, the launcher, the supervisor and the unpacker.
//!
//! They travel inside a released `atoll`, and lie in the target folder beside one that cargo has built. They are
//! looked for in this order:
//!
//! 1. the folder that `ATOLL_LIBEXEC` names, because whoever sets it means it;
//! 2. inside the running program, when it was built with them ([`embed`]);
//! 3. `../dist` from the running program's folder, where `cargo xtask dist` puts the static ones;
//! 4. the running program's own folder. In a target folder this is last, because `cargo build` leaves programs
//!    there that are not static, and those cannot start in a sandbox without libraries.
//!
//! What is found is an open descriptor: the program is started by it, so the path may be unreadable to whoever
//! runs it, and may be replaced while it runs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, OFlags, SealFlags};

/// Names the folder of the small programs.
pub const LIBEXEC_VARIABLE: &str = "ATOLL_LIBEXEC";

/// A program that travels inside the running one.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    /// Its file name, such as `atoll-agent`.
    pub name: &'static str,
    /// The whole executable.
    pub bytes: &'static [u8],
}

static EMBEDDED: OnceLock<&'static [Embedded]> = OnceLock::new();

/// Why a small program cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is in none of the places.
    #[error("the program {name} is missing; looked in {}. Build it with `cargo xtask dist`", list(looked_in))]
    Missing {
        /// Its file name.
        name: String,
        /// Every folder that was tried.
        looked_in: Vec<PathBuf>,
    },
    /// It is there and cannot be opened.
    #[error("the program {} cannot be opened", path.display())]
    Open {
        /// Where it lies.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be copied out of the running program.
    #[error("the embedded program {name} cannot be put into memory")]
    Unpack {
        /// Its file name.
        name: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Tells this process which programs it carries. The first call counts.
pub fn embed(programs: &'static [Embedded]) {
    EMBEDDED.get_or_init(|| programs);
}

/// Opens a small program, read-only and close-on-exec, ready for `execveat`.
pub fn find(name: &str) -> Result<OwnedFd, ProgramError> {
    let search = Search {
        chosen: std::env::var_os(LIBEXEC_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from),
        embedded: EMBEDDED.get().copied().unwrap_or_default(),
        beside: own_folder(),
    };
    search.find(name)
}

/// The folder of the running program; none when it has no path any more.
fn own_folder() -> Option<PathBuf> {
    std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf))
}

/// The places, apart from the process that they belong to.
#[derive(Debug, Default)]
struct Search {
    chosen: Option<PathBuf>,
    embedded: &'static [Embedded],
    beside: Option<PathBuf>,
}

impl Search {
    fn find(&self, name: &str) -> Result<OwnedFd, ProgramError> {
        if let Some(program) = self.chosen.as_deref().map(|folder| open(&folder.join(name))) {
            // A wrong setting must not fall back silently on another program.
            return program?.ok_or_else(|| self.missing(name));
        }
        if let Some(program) = self.embedded.iter().find(|program| program.name == name) {
            return unpack(program).map_err(|source| ProgramError::Unpack { name: program.name, source });
        }
        for folder in self.folders() {
            if let Some(program) = open(&folder.join(name))? {
                return Ok(program);
            }
        }
        Err(self.missing(name))
    }

    /// The folders that are tried, in order.
    fn folders(&self) -> Vec<PathBuf> {
        if let Some(chosen) = &self.chosen {
            return vec![chosen.clone()];
        }
        self.beside.iter().flat_map(|beside| [beside.join("../dist"), beside.clone()]).collect()
    }

    fn missing(&self, name: &str) -> ProgramError {
        ProgramError::Missing { name: name.to_owned(), looked_in: self.folders() }
    }
}

/// Opens an executable; none when there is no file of that name.
fn open(path: &Path) -> Result<Option<OwnedFd>, ProgramError> {
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty()) {
        Ok(program) => Ok(Some(program)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(source) => Err(ProgramError::Open { path: path.to_path_buf(), source: source.into() }),
    }
}

/// Puts an embedded program into sealed memory, so that nobody who gets the descriptor can change it.
fn unpack(program: &Embedded) -> io::Result<OwnedFd> {
    let memory = create_memory(program.name)?;
    let mut file = File::from(memory);
    file.write_all(program.bytes)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// Kernels before 6.3 do not know the flag that keeps the memory executable where the default is that it is not.
fn create_memory(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => Ok(rustix::fs::memfd_create(name, flags)?),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const CARRIED: &[Embedded] = &[Embedded { name: "atoll-agent", bytes: b"embedded" }];

    fn folder_with(name: &str, content: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), content).unwrap();
        folder
    }

    fn content(program: OwnedFd) -> String {
        use std::io::Seek;

        let mut file = File::from(program);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_chosen_folder_comes_first() {
        let chosen = folder_with("atoll-agent", "chosen");
        let search = Search { chosen: Some(chosen.path().into()), embedded: CARRIED, beside: None };
        assert_eq!(content(search.find("atoll-agent").unwrap()), "chosen");
    }

    #[test]
    fn a_wrong_choice_is_an_error_and_not_another_program() {
        let chosen = tempfile::tempdir().unwrap();
        let search = Search { chosen: Some(chosen.path().into()), embedded: CARRIED, beside: None };
        let error = search.find("atoll-agent").unwrap_err().to_string();
        assert!(error.contains(chosen.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn an_embedded_program_comes_before_the_folders_and_is_sealed() {
        let beside = folder_with("atoll-agent", "beside");
        let search = Search { chosen: None, embedded: CARRIED, beside: Some(beside.path().into()) };
        let program = search.find("atoll-agent").unwrap();
        assert!(rustix::io::write(&program, b"x").is_err());
        assert!(rustix::fs::fcntl_get_seals(&program).unwrap().contains(SealFlags::WRITE | SealFlags::SEAL));
        assert_eq!(content(program), "embedded");
    }

    #[test]
    fn static_programs_come_before_those_that_cargo_leaves_beside() {
        let target = tempfile::tempdir().unwrap();
        let (debug, dist) = (target.path().join("debug"), target.path().join("dist"));
        std::fs::create_dir_all(&debug).unwrap();
        std::fs::create_dir_all(&dist).unwrap();
        std::fs::write(debug.join("atoll-agent"), "debug").unwrap();
        let search = Search { beside: Some(debug), ..Search::default() };
        assert_eq!(content(search.find("atoll-agent").unwrap()), "debug");
        std::fs::write(dist.join("atoll-agent"), "dist").unwrap();
        assert_eq!(content(search.find("atoll-agent").unwrap()), "dist");
    }

    #[test]
    fn a_missing_program_says_where_it_was_looked_for_and_what_to_do() {
        let beside = tempfile::tempdir().unwrap();
        let search = Search { beside: Some(beside.path().into()), ..Search::default() };
        let error = search.find("atoll-unpack").unwrap_err().to_string();
        assert!(error.contains(beside.path().to_str().unwrap()), "{error}");
        assert!(error.contains("cargo xtask dist"), "{error}");
    }
}
