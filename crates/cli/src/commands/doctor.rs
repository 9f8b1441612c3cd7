//! `atoll doctor`: what the host holds, against what the records say.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use atoll_doctor::{Doctor, Finding, Report};
use serde::Serialize;

use super::doctor_records;
use crate::failure::advised;
use crate::printer::{Printer, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the installation.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/atoll",
        env = "ATOLL_DATA_DIR",
        hide_env_values = true
    )]
    data_dir: PathBuf,
    /// Remove what leaks.
    #[arg(long)]
    fix: bool,
    /// Print the records, as the user that owns them: `doctor` starts itself so.
    #[arg(long, hide = true, conflicts_with = "fix")]
    records: bool,
}

/// What is said as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    healthy: bool,
    installation: &'a str,
    sandboxes_alive: usize,
    notes: &'a [String],
    findings: &'a [Finding],
    /// What `--fix` removed.
    fixed: &'a [Finding],
}

/// Ends with 0 only when nothing leaks.
pub(crate) fn run(args: &Args, printer: Printer) -> anyhow::Result<ExitCode> {
    if args.records {
        return doctor_records::print(&args.data_dir, printer);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(advised("only root can look at all of the host", "sudo atoll doctor"));
    }
    let doctor = Doctor::open(&args.data_dir).map_err(|error| {
        let text = format!("{:#}", anyhow::Error::from(error));
        advised(text, "--data-dir says where it is: what `atoll serve` was given, or DATA_DIR of `make run`")
    })?;
    let examine = || doctor.examine(|| doctor_records::read(&args.data_dir));
    let mut report = examine()?;
    let mut fixed = Vec::new();
    if args.fix && !report.is_healthy() {
        fixed = fix(&doctor, &report, printer);
        report = examine().context("cannot look again")?;
    }
    show(&report, &fixed, printer)?;
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Removes what can be; what cannot is found again by the next look.
fn fix(doctor: &Doctor, report: &Report, printer: Printer) -> Vec<Finding> {
    let mut fixed = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.is_leak() && finding.fixable) {
        match doctor.fix(finding) {
            Ok(()) => fixed.push(finding.clone()),
            Err(error) => printer.note(&format!(
                "{} could not be removed: {:#}",
                finding.name,
                anyhow::Error::from(error)
            )),
        }
    }
    fixed
}

fn show(report: &Report, fixed: &[Finding], printer: Printer) -> anyhow::Result<()> {
    let shown = Shown {
        healthy: report.is_healthy(),
        installation: report.installation.as_str(),
        sandboxes_alive: report.sandboxes_alive,
        notes: &report.notes,
        findings: &report.findings,
        fixed,
    };
    if !printer.is_json() {
        report.notes.iter().for_each(|note| printer.note(note));
        fixed.iter().for_each(|finding| printer.note(&format!("removed: {}", finding.name)));
    }
    printer.data(&shown, || people(report))?;
    if !printer.is_json() && report.findings.iter().any(|finding| finding.is_leak() && finding.fixable) {
        printer.note("hint: `atoll doctor --fix` removes it");
    }
    Ok(())
}

fn people(report: &Report) -> String {
    let verdict = if report.is_healthy() { "nothing leaks" } else { "something leaks" };
    if report.findings.is_empty() {
        return verdict.to_owned();
    }
    let row = |finding: &Finding| {
        let severity = if finding.is_leak() { "leak" } else { "idle" };
        vec![severity.to_owned(), word(finding), finding.name.clone(), finding.problem.clone()]
    };
    let rows = report.findings.iter().map(row).collect();
    format!("{}\n{verdict}", table(&["SEVERITY", "KIND", "NAME", "PROBLEM"], rows))
}

/// The kind as JSON names it.
fn word(finding: &Finding) -> String {
    serde_json::to_value(finding.kind)
        .ok()
        .and_then(|kind| kind.as_str().map(str::to_owned))
        .unwrap_or_default()
}
