//! `atoll image build`

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use atoll_api_types::BuildProgress;
use atoll_build_context::{DOCKERFILE_SENT, Ignored};
use atoll_client::{Content, ImageBuild};
use atoll_types::{ImageName, OutputStream};

use super::Call;
use super::cp::tree::written;
use crate::failure::advised;
use crate::pairs;

/// Largest Dockerfile, in bytes: the server takes no larger one.
const DOCKERFILE_BYTES_MAX: u64 = 256 << 10;
/// Bytes of standard input that tell a tar from a Dockerfile.
const HEAD_BYTES: u64 = 512;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Name of the image [default: the folder's].
    #[arg(long, short, visible_alias = "name", value_name = "NAME")]
    tag: Option<ImageName>,
    /// The Dockerfile [default: DIR/Dockerfile]; of a tar its path in there.
    #[arg(long, short, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Value of an ARG of the Dockerfile; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pairs::variable)]
    build_arg: Vec<(String, String)>,
    /// The stage that is wanted, by its name or number [default: the last one].
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// The platform that the image is for, which must be the server's, such as linux/amd64.
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// What its commands may reach: `none` [default: none].
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
}

pub(crate) async fn run(folder: &Path, options: Options, call: &Call) -> anyhow::Result<()> {
    let name = match &options.tag {
        Some(name) => name.clone(),
        None => name_of(folder)?,
    };
    let (context, dockerfile) = if folder == Path::new("-") {
        standard_input(options.file)?
    } else {
        let dockerfile = options.file.unwrap_or_else(|| folder.join("Dockerfile"));
        (packed(folder, &dockerfile)?, Some(DOCKERFILE_SENT.to_owned()))
    };
    let build = ImageBuild {
        dockerfile,
        target: options.target,
        platform: options.platform,
        network: options.network,
        args: options.build_arg,
    };
    let printer = call.printer;
    // A closed standard error loses it.
    let show = |line: &BuildProgress| drop(printer.bytes(OutputStream::Stderr, line.output.as_bytes()));
    let image = call.client.image_build(&name, &build, context, show).await?;
    printer.data(&image, || image.name.clone())?;
    Ok(())
}

fn name_of(folder: &Path) -> anyhow::Result<ImageName> {
    let whole = (folder != Path::new("-")).then(|| fs::canonicalize(folder).ok()).flatten();
    let name = whole.and_then(|whole| whole.file_name()?.to_str()?.to_lowercase().parse().ok());
    name.ok_or_else(|| advised("the image needs a name".to_owned(), "give it with --tag NAME".to_owned()))
}

/// A folder as a tar, with its Dockerfile apart: it may lie elsewhere, or be left out.
fn packed(folder: &Path, dockerfile: &Path) -> anyhow::Result<Content> {
    let shown = folder.display();
    let metadata = fs::metadata(folder).with_context(|| format!("cannot read {shown}"))?;
    anyhow::ensure!(
        metadata.is_dir(),
        "{shown} is no folder: give the one that the Dockerfile copies from, or -"
    );
    let shown = dockerfile.display();
    let opened = File::open(dockerfile).with_context(|| format!("cannot open {shown}"))?;
    let text = small(opened).with_context(|| format!("cannot use {shown}"))?;
    let ignored = match fs::read_to_string(folder.join(".dockerignore")) {
        Ok(text) => Ignored::parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ignored::default(),
        Err(error) => return Err(error).context("cannot read .dockerignore"),
    };
    let folder = folder.to_owned();
    Ok(written(move |to| {
        let mut tar = builder(to);
        append_dockerfile(&mut tar, &text)?;
        append(&mut tar, &folder, Path::new(""), &ignored)?;
        tar.finish()
    }))
}

fn builder(to: &mut dyn Write) -> tar::Builder<&mut dyn Write> {
    let mut tar = tar::Builder::new(to);
    tar.follow_symlinks(false);
    tar.sparse(false);
    tar
}

fn append_dockerfile(tar: &mut tar::Builder<&mut dyn Write>, text: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, DOCKERFILE_SENT, text)
}

/// What is below a folder of the context, in the order of names: the same files are the same tar.
fn append(
    tar: &mut tar::Builder<&mut dyn Write>,
    context: &Path,
    below: &Path,
    ignored: &Ignored,
) -> io::Result<()> {
    let mut names: Vec<_> =
        fs::read_dir(context.join(below))?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let path = below.join(name);
        let whole = context.join(&path);
        let kind = fs::symlink_metadata(&whole)?.file_type();
        let is_out = ignored.has(&path.to_string_lossy());
        // Sockets and pipes stay here.
        if !is_out && (kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            tar.append_path_with_name(&whole, &path)?;
        }
        if kind.is_dir() && (!is_out || ignored.takes_in()) {
            append(tar, context, &path, ignored)?;
        }
    }
    Ok(())
}

/// A tar, or a Dockerfile that needs no files.
fn standard_input(file: Option<PathBuf>) -> anyhow::Result<(Content, Option<String>)> {
    let mut head = Vec::new();
    let mut input = io::stdin();
    (&mut input).take(HEAD_BYTES).read_to_end(&mut head).context("cannot read standard input")?;
    anyhow::ensure!(!head.is_empty(), "standard input is empty: give it a tar or a Dockerfile");
    if head.starts_with(&[0x1F, 0x8B]) || head.get(257..262) == Some(b"ustar") {
        let path = file.map(|path| path.to_string_lossy().into_owned());
        let all = written(move |to| io::copy(&mut Cursor::new(head).chain(input), to).map(drop));
        return Ok((all, path));
    }
    anyhow::ensure!(file.is_none(), "--file is for a folder or a tar, and standard input is a Dockerfile");
    let text = small(Cursor::new(head).chain(input)).context("cannot use standard input")?;
    let all = written(move |to| {
        let mut tar = builder(to);
        append_dockerfile(&mut tar, &text)?;
        tar.finish()
    });
    Ok((all, Some(DOCKERFILE_SENT.to_owned())))
}

fn small(from: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(DOCKERFILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    let most = DOCKERFILE_BYTES_MAX >> 10;
    anyhow::ensure!(text.len() as u64 <= DOCKERFILE_BYTES_MAX, "a Dockerfile has at most {most} KiB");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    async fn names(content: Content) -> Vec<String> {
        let pieces: Vec<_> = content.collect().await;
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect();
        let mut archive = tar::Archive::new(&bytes[..]);
        let name =
            |entry: io::Result<tar::Entry<'_, _>>| entry.unwrap().path().unwrap().display().to_string();
        archive.entries().unwrap().map(name).collect()
    }

    #[tokio::test]
    async fn a_folder_goes_without_what_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Dockerfile", "FROM scratch");
        write(".dockerignore", "Dockerfile\n*.log\nout\n!out/keep\n");
        write("a.log", "");
        write("src/b.log", "");
        write("out/drop", "");
        write("out/keep", "");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let content = packed(folder.path(), &folder.path().join("Dockerfile")).unwrap();
        let expected = [".atoll.Dockerfile", ".dockerignore", "link", "out/keep", "src", "src/b.log"];
        assert_eq!(names(content).await, expected);
        assert!(packed(folder.path(), &folder.path().join("none")).is_err());
        assert!(packed(&folder.path().join("link"), Path::new("x")).is_err());
    }

    #[test]
    fn a_folder_names_its_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("My-App");
        fs::create_dir(&path).unwrap();
        assert_eq!(name_of(&path).unwrap().as_str(), "my-app");
        assert!(name_of(Path::new("-")).is_err() && name_of(Path::new("/")).is_err());
    }
}
