//! `atoll image`

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use atoll_api_types::{Image, PullImage, PullProgress, PushImage, PushProgress};
use atoll_client::{Archive, ImageDefaults, Progress};
use atoll_types::{ImageName, ImageReference};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Call, image_build, listing, ls};
use crate::failure::advised;
use crate::printer::Printer;
use crate::{pairs, units};

/// Time between two reports of how far an upload is.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// What archives begin with that are compressed in a way which the server does not read, and the program that writes them out.
const COMPRESSED: [(&[u8], &str); 2] = [(b"\xfd7zXZ\0", "xzcat"), (b"BZh", "bzcat")];
/// Bytes in which the marks above are.
const HEAD_BYTES: u64 = 6;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Import an image from a tar: of a root file system, as `docker export` or `mmdebstrap` make one; what `docker save`
    /// writes; or an OCI image layout. Plain, or compressed by gzip or zstd.
    Import {
        /// Name by which sandboxes ask for it, such as debian:12.
        name: ImageName,
        /// The archive; `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        defaults: Box<Defaults>,
    },
    /// Pull an image from a registry, for the server's processor.
    Pull {
        /// REGISTRY/REPOSITORY, with :TAG, @sha256:DIGEST or both; `latest` when neither says.
        reference: ImageReference,
        /// Name by which sandboxes ask for it [default: the reference].
        #[arg(long, short)]
        name: Option<ImageName>,
    },
    /// Build an image from a Dockerfile, by Docker on the server. What it writes goes to standard error.
    Build {
        /// The folder with what the Dockerfile copies, without what `.dockerignore` says; `-` is standard input, with a tar or a Dockerfile.
        #[arg(value_name = "DIR")]
        context: PathBuf,
        #[command(flatten)]
        options: Box<image_build::Options>,
    },
    /// Push an image to a registry, as one layer.
    Push {
        /// Name of the image here.
        name: ImageName,
        /// REGISTRY/REPOSITORY, with :TAG, or `latest` when that is not said [default: the name].
        reference: Option<ImageReference>,
    },
    /// List images.
    #[command(visible_alias = "list")]
    Ls,
    /// Remove images.
    #[command(visible_alias = "delete")]
    Rm {
        /// Names of the images.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<ImageName>,
    },
}

/// Over what the image's own configuration says; a tar of a root file system has none.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What its sandboxes are, where nothing else says")]
struct Defaults {
    /// Variable of every process; may be given several times.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pairs::variable)]
    env: Vec<(String, String)>,
    /// User of commands, such as `root` [default: `agent`].
    #[arg(long, short)]
    user: Option<String>,
    /// Folder in which commands begin [default: the user's home].
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// Program that gets the command as its arguments.
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Main process.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl From<Box<Defaults>> for ImageDefaults {
    fn from(defaults: Box<Defaults>) -> Self {
        Self {
            entrypoint: defaults.entrypoint.into_iter().collect(),
            command: defaults.command,
            env: defaults.env,
            cwd: defaults.workdir,
            user: defaults.user,
        }
    }
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Import { name, file, defaults } => import(&name, &file, &defaults.into(), call).await?,
        Action::Pull { reference, name } => pull(&reference, name.as_ref(), call).await?,
        Action::Build { context, options } => image_build::run(&context, *options, call).await?,
        Action::Push { name, reference } => push(&name, reference.as_ref(), call).await?,
        Action::Ls => list(call).await?,
        Action::Rm { names } => {
            let mut deleted = Vec::new();
            for name in &names {
                deleted.push(
                    call.client.image_delete(name).await.with_context(|| format!("cannot remove {name}"))?,
                );
            }
            call.printer
                .data(&deleted, || names.iter().map(ImageName::as_str).collect::<Vec<_>>().join("\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(name: &ImageName, file: &Path, defaults: &ImageDefaults, call: &Call) -> anyhow::Result<()> {
    let archive = open(name, file).await?;
    let progress = progress(call.printer, archive.length);
    let image = call.client.image_import(name, defaults, archive, progress).await;
    call.printer.progress("");
    let image = image?;
    call.printer.data(&image, || image.name.clone())?;
    Ok(())
}

async fn pull(reference: &ImageReference, name: Option<&ImageName>, call: &Call) -> anyhow::Result<()> {
    let asked = PullImage { reference: reference.to_string(), name: name.map(ToString::to_string) };
    let printer = call.printer;
    let show = |progress: &PullProgress| match (progress.status.as_str(), progress.total_bytes) {
        ("unpacking", _) => printer.progress("fetched; the server unpacks it"),
        ("exists", _) => printer.progress("all of its layers are here"),
        (_, 0) => printer.progress("asking the registry"),
        (_, total) => {
            printer.progress(&format!("fetched {} of {}", units::bytes(progress.bytes), units::bytes(total)));
        }
    };
    let image = call.client.image_pull(&asked, show).await;
    printer.progress("");
    let image = image?;
    printer.data(&image, || image.name.clone())?;
    Ok(())
}

async fn push(name: &ImageName, reference: Option<&ImageReference>, call: &Call) -> anyhow::Result<()> {
    let asked = PushImage { reference: reference.map(ToString::to_string) };
    let printer = call.printer;
    let show = |progress: &PushProgress| match progress.status.as_str() {
        "packing" => printer.progress("the server packs it"),
        "exists" => printer.progress("the registry has the layer already"),
        _ => {
            let (bytes, total) = (units::bytes(progress.bytes), units::bytes(progress.total_bytes));
            printer.progress(&format!("pushed {bytes} of {total}"));
        }
    };
    let pushed = call.client.image_push(name, &asked, show).await;
    printer.progress("");
    let pushed = pushed?;
    printer.data(&pushed, || format!("{}@{}", pushed.reference, pushed.manifest_digest))?;
    Ok(())
}

/// Opens an archive, after a look at its first bytes: what the server would refuse need not be sent.
async fn open(name: &ImageName, file: &Path) -> anyhow::Result<Archive> {
    let shown = file.display();
    let (mut reader, length): (Box<dyn AsyncRead + Send + Unpin>, _) = if file == Path::new("-") {
        (Box::new(tokio::io::stdin()), None)
    } else {
        let opened = tokio::fs::File::open(file).await.with_context(|| format!("cannot open {shown}"))?;
        let metadata = opened.metadata().await.with_context(|| format!("cannot read {shown}"))?;
        if metadata.is_dir() {
            return Err(advised(
                format!("{shown} is a folder"),
                format!(
                    "send it as a tar: `tar -C {shown} --numeric-owner -c . | atoll image import {name} -`"
                ),
            ));
        }
        (Box::new(opened), metadata.is_file().then_some(metadata.len()))
    };
    let mut head = Vec::new();
    (&mut reader)
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .await
        .with_context(|| format!("cannot read {shown}"))?;
    anyhow::ensure!(!head.is_empty(), "{shown} is empty");
    if let Some((_, program)) = COMPRESSED.iter().find(|(mark, _)| head.starts_with(mark)) {
        let from = if file == Path::new("-") { "…".to_owned() } else { shown.to_string() };
        return Err(advised(
            format!("{shown} is compressed, and neither by gzip nor by zstd"),
            format!("`{program} {from} | atoll image import {name} -`"),
        ));
    }
    Ok(Archive { reader: Box::new(Cursor::new(head).chain(reader)), length })
}

fn progress(printer: Printer, length: Option<u64>) -> Progress {
    let mut last = Instant::now();
    Box::new(move |sent| {
        let whole = length == Some(sent);
        if whole || last.elapsed() >= REPORT_EVERY {
            last = Instant::now();
            let sent = units::bytes(sent);
            match length {
                Some(_) if whole => printer.progress(&format!("sent {sent}; the server unpacks it")),
                Some(length) => printer.progress(&format!("sent {sent} of {}", units::bytes(length))),
                None => printer.progress(&format!("sent {sent}")),
            }
        }
    })
}

async fn list(call: &Call) -> anyhow::Result<()> {
    let row = |image: &Image, now| {
        let digest =
            image.digest.as_deref().map(|digest| digest.chars().take(12).collect()).unwrap_or_default();
        let created = image.created_at.as_deref().map(|time| ls::age(time, now)).unwrap_or_default();
        let bytes = |bytes: Option<u64>| bytes.map(units::bytes).unwrap_or_default();
        vec![image.name.clone(), digest, bytes(image.size_bytes), bytes(image.shared_bytes), created]
    };
    let page = async |cursor: Option<&str>| call.client.image_list(cursor).await;
    listing::show_all(call, &["NAME", "DIGEST", "SIZE", "SHARED", "IMPORTED"], page, row).await
}
