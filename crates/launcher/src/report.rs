//! Failures, each naming the step at which it happened.

use atoll_launcher_protocol::{Failure, FailureKind};
use rustix::io::Errno;

/// A system call failed at a named step.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{step}: {errno} (errno {})", errno.raw_os_error())]
pub(crate) struct StepError {
    /// What was being done.
    pub(crate) step: Step,
    /// What the kernel said.
    pub(crate) errno: Errno,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// Steps of the launcher's work, one for every call that can fail on its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Step { $(#[doc = $text] $(#[$doc])* $name),* }

        impl std::fmt::Display for Step {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$name => concat!("could not ", $text)),* })
            }
        }
    };
}

steps! {
    // Start of the launcher.
    OpenDataDir = "open the data folder",
    MakeFolder = "make a folder of the data folder",
    ReadInstallation = "read the installation's id",
    TakeDescriptor = "take an inherited descriptor",
    CopyProgram = "copy a program into memory",
    SealProgram = "seal a program in memory",
    Epoll = "wait for events",
    FindCgroups = "find the cgroup hierarchies",
    BuildHostImage = "build the host image",
    MakeStage = "make the mount namespace in which roots are built",
    DetachHost = "detach the host's mounts",
    // Storage.
    MakePool = "make the storage image",
    AttachPool = "attach the storage image to a loop device",
    MountPool = "mount the storage image",
    GrowPool = "grow the storage image",
    MakeLayer = "make the writable layer",
    LimitLayer = "limit the size of the writable layer",
    OpenLayer = "open the writable layer",
    ClearDirty = "clear the mark of a layer that was not closed",
    WriteState = "write the state of a sandbox",
    MoveToTrash = "move files to the trash",
    // Before the child.
    MakeUserNamespace = "make the user namespace",
    MapUserNamespace = "write the id mapping of the user namespace",
    MakeCgroup = "make a cgroup",
    LimitCgroup = "set a limit of a cgroup",
    BindSocket = "bind the agent's socket",
    MakePipe = "make a pipe",
    Clone = "clone the first process",
    // In the child.
    CloneLower = "clone the mount of the image",
    CloneLayer = "clone the mount of the writable layer",
    CloneUsr = "clone the mount of the host's /usr",
    MapLower = "map the ids of the image",
    MapLayer = "map the ids of the writable layer",
    EnterStage = "enter the mount namespace in which roots are built",
    EnterCgroup = "enter a cgroup",
    NewNamespaces = "make the namespaces",
    NewCgroupNamespace = "make the cgroup namespace",
    PrivateMounts = "make the mounts private",
    MakeSmall = "make the file system of small folders",
    AttachLayers = "attach the layers",
    ConfigureRoot = "configure the overlay of the root",
    MountRoot = "mount the overlay of the root",
    RootReadOnly = "mount the root writable (the overlay fell back to read-only)",
    OverlayUsr = "mount an overlay of the host's /usr",
    AttachRoot = "attach the root",
    ChangeRoot = "change the root",
    MountUsr = "mount the host's /usr",
    MountProc = "mount /proc",
    MountDev = "mount /dev",
    MakeDevice = "make a device node",
    MountSys = "mount /sys",
    MountCgroupView = "mount the view of the cgroups",
    MaskPath = "mask a path of the kernel",
    ProtectRoot = "make the root read-only",
    SetHostName = "set the host name",
    LoopbackUp = "bring the loopback interface up",
    SetFsIds = "set the ids of file accesses",
    EnterUserNamespace = "enter the user namespace",
    BecomeGuestRoot = "become root of the user namespace",
    NewKeyring = "make the session keyring",
    GuestFiles = "write the files in /etc",
    GuestUser = "add the user 'agent'",
    SetLimits = "set the resource limits",
    DropCapabilities = "drop capabilities",
    NoNewPrivileges = "set no_new_privs",
    InstallFilter = "install the system call filter",
    WaitForGo = "hear that the state was recorded",
    PlaceDescriptors = "put the descriptors in their places",
    ExecAgent = "execute the agent",
    ExecUnpack = "execute the unpacker",
    // Networks.
    EnterNetwork = "enter a network namespace",
    FindRouter = "look for the router of sandboxes' networks",
    MakeRouter = "make the router of sandboxes' networks",
    PinRouter = "give the router of sandboxes' networks its name",
    StartNft = "start nft, which the network of sandboxes needs (apt-get install nftables)",
    LoadRules = "load the rules of sandboxes' networks",
    WatchRules = "watch the rules of sandboxes' networks",
    PrepareNetwork = "prepare a network for a sandbox",
    LimitNetwork = "limit what a sandbox's network carries (the kernel needs sch_tbf)",
    BindDns = "bind the address at which sandboxes ask for names",
    Dial = "connect to a port of the sandbox",
    // The end.
    Kill = "kill the first process",
    RemoveCgroup = "remove a cgroup",
    RemoveSocket = "remove the agent's socket",
    // Between.
    Freeze = "freeze or thaw the workload",
}

/// Names the step of a system call's failure.
pub(crate) trait At<T> {
    /// The same result, with the step in its error.
    fn at(self, step: Step) -> Result<T, StepError>;
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, step: Step) -> Result<T, StepError> {
        self.map_err(|errno| StepError { step, errno })
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, step: Step) -> Result<T, StepError> {
        self.map_err(|error| StepError { step, errno: Errno::from_io_error(&error).unwrap_or(Errno::IO) })
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let kind = match (error.step, error.errno) {
            (Step::CloneLower, Errno::NOENT) => FailureKind::NotFound,
            (Step::MakeLayer | Step::WriteState, Errno::NOSPC | Errno::DQUOT) => FailureKind::DiskFull,
            _ => FailureKind::System,
        };
        Self { kind, message: error.to_string() }
    }
}

/// A failure of another kind than a system call's.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure { kind, message: message.into() }
}

/// Writes one line for the operator to standard error, which the supervisor collects.
#[expect(clippy::print_stderr, reason = "standard error is this program's log")]
pub(crate) fn log(line: &str) {
    eprintln!("atoll-launcher: {line}");
}
