//! The command line: `atoll-supervisor --data-dir DIR --serve-uid U --serve-gid G --egress-id E [--broker-id B --docker-host H --docker-subnets N --docker-gpus G] -- atoll serve …`.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `atoll serve` says at the start.
#[derive(Debug)]
pub(crate) struct Args {
    /// The data folder, absolute.
    pub(crate) data_dir: PathBuf,
    /// The user that serve runs as.
    pub(crate) serve_uid: u32,
    /// Its group.
    pub(crate) serve_gid: u32,
    /// The user, and its group, that the egress program runs as: nobody else's.
    pub(crate) egress_id: u32,
    /// The Docker broker, where there is to be one.
    pub(crate) broker: Option<Broker>,
    /// The inner serve's whole command line, with its name.
    pub(crate) serve: Vec<OsString>,
}

/// What the Docker broker is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    /// The user, and its group, that it runs as: nobody else's.
    pub(crate) id: u32,
    /// Where Docker is: `unix:///PATH` or `tcp://ADDRESS:PORT`.
    pub(crate) host: OsString,
    /// What networks in Docker are cut from; the broker reads it.
    pub(crate) subnets: OsString,
    /// Whether sandboxes may have GPUs; the broker reads it.
    pub(crate) gpus: OsString,
}

impl Broker {
    /// Docker's socket, whose group the broker needs.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        self.host.to_str()?.strip_prefix("unix://").map(PathBuf::from)
    }
}

/// A command line that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}; usage: atoll-supervisor --data-dir DIR --serve-uid U --serve-gid G --egress-id E [--broker-id B --docker-host H --docker-subnets N --docker-gpus G] -- atoll serve …"
)]
pub(crate) struct ArgsError(&'static str);

/// Reads the command line, without the program's name.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Args, ArgsError> {
    let mut words = words;
    let (mut data_dir, mut uid, mut gid, mut egress) = (None, None, None, None);
    let (mut broker, mut docker_host, mut subnets, mut gpus) = (None, None, None, None);
    while let Some(option) = words.next() {
        if option == "--" {
            let args = Args {
                data_dir: data_dir
                    .filter(|dir: &PathBuf| dir.is_absolute())
                    .ok_or(ArgsError("--data-dir must be an absolute path"))?,
                serve_uid: uid.ok_or(ArgsError("--serve-uid is missing"))?,
                serve_gid: gid.ok_or(ArgsError("--serve-gid is missing"))?,
                egress_id: egress
                    .filter(|id| Some(*id) != uid)
                    .ok_or(ArgsError("--egress-id is missing, or serve's"))?,
                broker: broker_of(broker, [docker_host, subnets, gpus], [uid, egress])?,
                serve: words.collect(),
            };
            return if args.serve.is_empty() { Err(ArgsError("nothing after --")) } else { Ok(args) };
        }
        let value = words.next().ok_or(ArgsError("an option without its value"))?;
        match option.to_str() {
            Some("--data-dir") => data_dir = Some(PathBuf::from(value)),
            Some("--serve-uid") => uid = Some(unprivileged(&value)?),
            Some("--serve-gid") => gid = Some(unprivileged(&value)?),
            Some("--egress-id") => egress = Some(unprivileged(&value)?),
            Some("--broker-id") => broker = Some(unprivileged(&value)?),
            Some("--docker-host") => docker_host = Some(value),
            Some("--docker-subnets") => subnets = Some(value),
            Some("--docker-gpus") => gpus = Some(value),
            _ => return Err(ArgsError("unknown option")),
        }
    }
    Err(ArgsError("-- is missing"))
}

fn broker_of(
    id: Option<u32>,
    [host, subnets, gpus]: [Option<OsString>; 3],
    others: [Option<u32>; 2],
) -> Result<Option<Broker>, ArgsError> {
    match (id, host, subnets, gpus) {
        (None, None, None, None) => Ok(None),
        (Some(id), Some(host), Some(subnets), Some(gpus)) if !others.contains(&Some(id)) => {
            Ok(Some(Broker { id, host, subnets, gpus }))
        }
        _ => Err(ArgsError(
            "--broker-id, --docker-host, --docker-subnets and --docker-gpus go together, and the id is nobody else's",
        )),
    }
}

/// An id that is neither root's nor the "no change" of the system calls.
fn unprivileged(text: &OsString) -> Result<u32, ArgsError> {
    let id = text.to_str().and_then(|text| text.parse::<u32>().ok());
    id.filter(|id| *id != 0 && *id != u32::MAX)
        .ok_or(ArgsError("the uids and gids must be numbers other than 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Args, ArgsError> {
        parse(text.split(' ').map(OsString::from))
    }

    #[test]
    fn everything_after_the_dashes_is_the_inner_command() {
        let args = parse_text(
            "--data-dir /d --serve-uid 5 --serve-gid 6 --egress-id 7 -- atoll serve --data-dir /d",
        )
        .unwrap();
        assert_eq!((args.serve_uid, args.serve_gid, args.egress_id), (5, 6, 7));
        assert_eq!(args.serve, ["atoll", "serve", "--data-dir", "/d"]);
        assert_eq!(args.broker, None);
    }

    #[test]
    fn the_broker_is_told_where_docker_is() {
        let with = |more: &str| {
            parse_text(&format!("--data-dir /d --serve-uid 5 --serve-gid 6 --egress-id 7 {more} -- atoll"))
        };
        let with_subnets =
            |more: &str| with(&format!("{more} --docker-subnets 10.0.0.0/8,28 --docker-gpus off"));
        let near = with_subnets("--broker-id 8 --docker-host unix:///run/docker.sock").unwrap();
        let near = near.broker.unwrap();
        assert_eq!((near.id, near.socket()), (8, Some("/run/docker.sock".into())));
        assert_eq!((near.subnets, near.gpus), ("10.0.0.0/8,28".into(), "off".into()));
        let far = with_subnets("--broker-id 8 --docker-host tcp://10.0.0.1:2375").unwrap().broker.unwrap();
        assert_eq!(far.socket(), None);
        for wrong in [
            "--broker-id 8",
            "--docker-host unix:///x",
            "--broker-id 8 --docker-host unix:///x",
            "--broker-id 7 --docker-host unix:///x --docker-subnets x --docker-gpus off",
            "--broker-id 8 --docker-host unix:///x --docker-subnets x",
        ] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        for text in [
            "",
            "--data-dir d --serve-uid 5 --serve-gid 6 --egress-id 7 -- atoll",
            "--data-dir /d --serve-uid 0 --serve-gid 6 --egress-id 7 -- atoll",
            "--data-dir /d --serve-uid 5 --serve-gid 4294967295 --egress-id 7 -- atoll",
            "--data-dir /d --serve-uid 5 -- atoll",
            "--data-dir /d --serve-uid 5 --serve-gid 6 -- atoll",
            "--data-dir /d --serve-uid 5 --serve-gid 6 --egress-id 5 -- atoll",
            "--data-dir /d --serve-uid 5 --serve-gid 6 --",
            "--data-dir /d --serve-uid 5 --serve-gid 6",
            "--data-dir /d --serve-uid 5 --serve-gid 6 --egress-id 7 --evil x -- atoll",
        ] {
            assert!(parse_text(text).is_err(), "{text}");
        }
    }
}
