//! The tables: what was measured, and what was wanted.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use time::OffsetDateTime;

use crate::stats::Series;

/// The document's part between these marks is replaced.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";
/// Above this load the machine is not quiet.
const QUIET_LOAD: f64 = 0.5;

/// How a measure compares with another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// The first by the second, at most.
    Ratio(f64),
    /// The first less the second, at most.
    More(f64),
}

/// Everything that one run has found.
#[derive(Debug)]
pub(crate) struct Report {
    machine: String,
    series: Vec<Series>,
    singles: Vec<(String, f64)>,
    notes: Vec<String>,
    failed: bool,
    goals: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut report = Self {
            machine: machine()?,
            series: Vec::new(),
            singles: Vec::new(),
            notes: Vec::new(),
            failed: false,
            goals: Vec::new(),
        };
        let load = load()?;
        if load > QUIET_LOAD {
            report.note(format!("the machine was not quiet: load {load:.2} at the start"));
        }
        Ok(report)
    }

    pub(crate) fn series(&mut self, series: Series) {
        eprintln!("{}", series.row());
        self.series.push(series);
    }

    /// A number that was measured once.
    pub(crate) fn single(&mut self, name: &str, value: f64) {
        eprintln!("| {name} | {value:.2} |");
        self.singles.push((name.to_owned(), value));
    }

    pub(crate) fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.notes.push(note);
    }

    /// Tells of a part that failed; the others stand.
    pub(crate) fn outcome(&mut self, part: &str, outcome: anyhow::Result<()>) {
        if let Err(error) = outcome {
            self.note(format!("the part `{part}` failed: {error:#}"));
            self.failed = true;
        }
    }

    /// Whether a part failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The median, or the single value, of that name.
    fn value(&self, name: &str) -> Option<f64> {
        let single = self.singles.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        single.or_else(|| Some(self.series.iter().find(|series| series.name == name)?.median_ms()))
    }

    pub(crate) fn at_most(&mut self, goal: Goal, what: &str, ours: &str, theirs: &str) {
        if let (Some(ours), Some(theirs)) = (self.value(ours), self.value(theirs)) {
            let (found, limit) = match goal {
                Goal::Ratio(limit) => (ours / theirs, limit),
                Goal::More(limit) => (ours - theirs, limit),
            };
            self.goal(what, found, "≤", limit, found <= limit);
        }
    }

    pub(crate) fn at_least(&mut self, limit: f64, what: &str, theirs: &str, ours: &str) {
        if let (Some(theirs), Some(ours)) = (self.value(theirs), self.value(ours)) {
            let found = theirs / ours;
            self.goal(what, found, "≥", limit, found >= limit);
        }
    }

    pub(crate) fn value_at_most(&mut self, limit: f64, what: &str, name: &str) {
        if let Some(found) = self.value(name) {
            self.goal(what, found, "≤", limit, found <= limit);
        }
    }

    pub(crate) fn value_at_least(&mut self, limit: f64, what: &str, name: &str) {
        if let Some(found) = self.value(name) {
            self.goal(what, found, "≥", limit, found >= limit);
        }
    }

    pub(crate) fn tail_at_most(&mut self, limit: f64, what: &str, name: &str) {
        if let Some(found) =
            self.series.iter().find(|series| series.name == name).map(|series| series.percentile_ms(99))
        {
            self.goal(what, found, "≤", limit, found <= limit);
        }
    }

    /// Compares the 99th percentiles.
    pub(crate) fn tails_at_most(&mut self, limit: f64, what: &str, ours: &str, theirs: &str) {
        let tail = |name: &str| Some(self.series.iter().find(|one| one.name == name)?.percentile_ms(99));
        if let (Some(ours), Some(theirs)) = (tail(ours), tail(theirs)) {
            let found = ours / theirs;
            self.goal(what, found, "≤", limit, found <= limit);
        }
    }

    fn goal(&mut self, what: &str, found: f64, relation: &str, limit: f64, met: bool) {
        let verdict = if met { "met" } else { "**missed**" };
        self.goals.push(format!("| {what} | {relation} {limit} | {found:.2} | {verdict} |"));
    }

    /// The whole, as a part of a document.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.machine);
        if !self.goals.is_empty() {
            text.push_str("| goal | wanted | found | |\n| --- | --- | --- | --- |\n");
            self.goals.iter().for_each(|goal| text.extend([goal.as_str(), "\n"]));
            text.push('\n');
        }
        text.push_str("| measured, in ms | n | p50 | p99 | p10 to p90 |\n| --- | --- | --- | --- | --- |\n");
        self.series.iter().for_each(|series| text.extend([series.row().as_str(), "\n"]));
        text.push_str("\n| measured once | ms, or as named |\n| --- | --- |\n");
        for (name, value) in &self.singles {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "| {name} | {value:.2} |");
        }
        self.notes.iter().for_each(|note| text.extend(["\nNote: ", note.as_str(), ".\n"]));
        text
    }

    /// Replaces the part between the marks of a document.
    pub(crate) fn write_into(&self, document: &Path) -> anyhow::Result<()> {
        let old =
            std::fs::read_to_string(document).with_context(|| format!("reading {}", document.display()))?;
        let new = splice(&old, &self.markdown())
            .with_context(|| format!("{} lacks the marks {BEGIN} and {END}", document.display()))?;
        std::fs::write(document, new).with_context(|| format!("writing {}", document.display()))
    }
}

fn splice(document: &str, part: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{part}{END}{after}"))
}

/// Date, processor, memory and kernel; nothing that names the machine.
fn machine() -> anyhow::Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel =
        std::fs::read_to_string("/proc/sys/kernel/osrelease").context("reading the kernel's version")?;
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let gib = total.unwrap_or(0_u64) >> 20;
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let cgroups = if unified { "v2" } else { "v1" };
    let model = model.trim_start_matches([' ', '\t', ':']);
    let date = OffsetDateTime::now_utc().date();
    Ok(format!("{date}: {cores} cores of {model}, {gib} GiB, Linux {}, cgroups {cgroups}.", kernel.trim()))
}

fn load() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    text.split(' ').next().and_then(|word| word.parse().ok()).context("/proc/loadavg")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report() -> Report {
        let mut report = Report::new().unwrap();
        report.series(Series::new("ours", vec![Duration::from_millis(4)]));
        report.series(Series::new("theirs", vec![Duration::from_millis(200)]));
        report
    }

    #[test]
    fn goals_are_judged() {
        let mut report = report();
        report.at_least(50.0, "fifty", "theirs", "ours");
        report.at_most(Goal::Ratio(0.01), "hundredth", "ours", "theirs");
        report.at_most(Goal::More(0.0), "not more", "ours", "theirs");
        report.tail_at_most(3.0, "tail", "ours");
        let text = report.markdown();
        assert!(text.contains("| fifty | ≥ 50 | 50.00 | met |"), "{text}");
        assert!(text.contains("| hundredth | ≤ 0.01 | 0.02 | **missed** |"), "{text}");
        assert!(text.contains("| not more | ≤ 0 | -196.00 | met |"), "{text}");
        assert!(text.contains("| tail | ≤ 3 | 4.00 | **missed** |"), "{text}");
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        let mut report = report();
        report.at_least(50.0, "absent", "nobody", "ours");
        assert!(!report.markdown().contains("absent"));
    }

    #[test]
    fn only_the_marked_part_of_a_document_changes() {
        let document = format!("a\n{BEGIN}\nold\n{END}\nz\n");
        assert_eq!(splice(&document, "new\n").unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nz\n"));
        assert!(splice("no marks", "new").is_none());
    }
}
