//! Documents that are made from the code, and links between documents.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};

use crate::cargo::Workspace;

/// Where the codes are written, and the page that is made of them.
const CODES: &str = "crates/types/src/error_code.rs";
const PAGE: &str = "docs/errors.md";
const HEAD: &str = "# Error codes

A failed request is answered `{\"success\":false,\"error\":{\"code\",\"message\",\"details\",\"traceId\"}}`. Programs look at `code`,
which never changes its meaning; `message` is for people and may change. This page is made by `cargo xtask docs`.

| code | status | when |
| --- | --- | --- |
";

/// Writes what is made from the code, or, with `check`, fails when it is not what the code says.
pub(crate) fn run(workspace: &Workspace, check: bool) -> anyhow::Result<ExitCode> {
    let root = &workspace.workspace_root;
    let source = std::fs::read_to_string(root.join(CODES)).with_context(|| format!("reading {CODES}"))?;
    let page = error_page(&source)?;
    let path = root.join(PAGE);
    if !check {
        std::fs::write(&path, page).with_context(|| format!("writing {PAGE}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut wrong = dead_links(root)?;
    if std::fs::read_to_string(&path).unwrap_or_default() != page {
        wrong.push(format!("{PAGE} is not what {CODES} says: run `cargo xtask docs`"));
    }
    wrong.iter().for_each(|line| println!("docs: {line}"));
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One row for each line such as `Name = "code", 400;` and the comment above it.
fn error_page(source: &str) -> anyhow::Result<String> {
    let (_, list) = source.split_once("codes! {").context("no list of codes")?;
    let mut page = HEAD.to_owned();
    let mut comment = String::new();
    let mut rows = 0;
    for line in list.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
        } else if let Some((_, code)) = line.split_once(" = ") {
            let code =
                code.trim_end_matches(';').split_once(", ").with_context(|| format!("not a code: {line}"))?;
            page.push_str(&format!("| `{}` | {} | {} |\n", code.0.trim_matches('"'), code.1, comment.trim()));
            comment.clear();
            rows += 1;
        }
    }
    ensure!(rows > 0, "no codes in the list");
    Ok(page)
}

/// Links of our documents to files that are not there.
fn dead_links(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for folder in [root.to_path_buf(), root.join("docs")] {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
                let dead = links(&text).filter(|link| !folder.join(link).exists());
                wrong.extend(
                    dead.map(|link| format!("{} links to {link}, which is not there", path.display())),
                );
            }
        }
    }
    Ok(wrong)
}

/// Targets of `[text](target)` that are files, without their `#fragment`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_becomes_a_row() {
        let page = error_page("x\ncodes! {\n    /// One\n    /// two.\n    A = \"a_b\", 404;\n}\n").unwrap();
        assert!(page.ends_with("| `a_b` | 404 | One two. |\n"), "{page}");
        assert!(error_page("codes! {}").is_err());
    }

    #[test]
    fn links_are_files() {
        let text = "[a](b.md#c) [d](https://example.org) [e](#f) [g](h/i.rs)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["b.md", "h/i.rs"]);
    }
}
