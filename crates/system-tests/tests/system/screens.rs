//! Programs of the whole screen at terminals of real sandboxes: what a person would see of them, kept by a terminal
//! emulator that is none of ours.

use std::num::NonZeroU16;

use atoll_client::TerminalOptions;

use crate::harness::{Atoll, Inside};
use crate::terminal::{PATIENCE, Viewer};

/// The first size of the window: columns, then rows.
const COLS: u16 = 80;
const ROWS: u16 = 24;

/// A viewer with the screen that it sees.
struct Person {
    viewer: Viewer,
    screen: vt100::Parser,
    /// Bytes of what it was shown that are on the screen.
    drawn: usize,
}

impl Person {
    fn at(sandbox: &Inside<'_>) -> Self {
        let size = Some((COLS.into(), ROWS.into()));
        let viewer = Viewer::of(sandbox, TerminalOptions { size, ..TerminalOptions::default() });
        Self { viewer, screen: vt100::Parser::new(side(ROWS), side(COLS), 0), drawn: 0 }
    }

    async fn types(&self, keys: &str) {
        self.viewer.keyboard.keys(keys.as_bytes().to_vec()).await;
    }

    /// Looks until the screen is as wanted.
    async fn sees(&mut self, what: &str, is_there: impl Fn(&vt100::Screen) -> bool) {
        let seen = tokio::time::timeout(PATIENCE, async {
            loop {
                self.screen.process(&self.viewer.shown[self.drawn..]);
                self.drawn = self.viewer.shown.len();
                if is_there(self.screen.screen()) {
                    break;
                }
                self.viewer.step().await;
            }
        });
        assert!(seen.await.is_ok(), "no {what} here:\n{}", self.screen.screen().contents());
    }

    async fn resizes(&mut self, cols: u16, rows: u16) {
        self.screen.screen_mut().set_size(side(rows), side(cols));
        self.viewer.keyboard.size(cols.into(), rows.into()).await;
    }

    /// Leaves the shell.
    async fn leaves(mut self) {
        self.types("\rexit 0\r").await;
        assert_eq!(self.viewer.exit().await, 0);
    }
}

fn side(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap()
}

/// The text of a row, without the blanks at its end.
fn row(screen: &vt100::Screen, number: u16) -> String {
    rows(screen).nth(number.into()).unwrap_or_default()
}

fn rows(screen: &vt100::Screen) -> impl Iterator<Item = String> {
    let (_, cols) = screen.size();
    screen.rows(0, cols.get()).map(|row| row.trim_end().to_owned())
}

#[tokio::test]
async fn vim_edits_a_file_and_follows_the_size() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let mut person = Person::at(&sandbox);
    person.types("vim note\r").await;
    person.sees("empty buffer", |screen| screen.alternate_screen() && row(screen, 1).starts_with('~')).await;
    person.types("ifirst line\rsecond").await;
    person
        .sees("text", |screen| {
            row(screen, 0) == "first line"
                && row(screen, 1) == "second"
                && row(screen, ROWS - 1).contains("INSERT")
        })
        .await;
    person.resizes(100, 30).await;
    person.sees("larger screen", |screen| row(screen, 29).contains("INSERT") && row(screen, 28) == "~").await;
    person.types("\x1b").await;
    person.sees("other mode", |screen| !screen.contents().contains("INSERT")).await;
    person.types(":wq\r").await;
    person.sees("screen of before", |screen| !screen.alternate_screen()).await;
    person.types("clear; cat note\r").await;
    person.sees("file", |screen| row(screen, 0) == "first line" && row(screen, 1) == "second").await;
    person.leaves().await;
    atoll.finish().await;
}

#[tokio::test]
async fn htop_shows_the_processes_of_the_sandbox() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let mut person = Person::at(&sandbox);
    person.types("sleep 4321 & htop\r").await;
    person
        .sees("processes", |screen| {
            let all = screen.contents();
            screen.alternate_screen()
                && all.contains("sleep 4321")
                && all.contains("Tasks:")
                && row(screen, ROWS - 1).contains("Quit")
        })
        .await;
    assert!(!person.screen.screen().contents().contains("atoll serve"), "it sees the host");
    person.types("q").await;
    person.sees("screen of before", |screen| !screen.alternate_screen()).await;
    person.leaves().await;
    atoll.finish().await;
}

#[tokio::test]
async fn tmux_splits_the_screen_and_keeps_it_over_a_detach() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let mut person = Person::at(&sandbox);
    let in_session = |screen: &vt100::Screen| row(screen, ROWS - 1).starts_with("[work]");
    // Keys that come as fast as these are a paste to tmux, and no commands, unless it is told otherwise.
    person.types("tmux -u new-session -s work \\; set-option -g assume-paste-time 0\r").await;
    person.sees("session", in_session).await;
    person.types("echo left$((40 + 2))\r").await;
    person.sees("output", |screen| rows(screen).any(|row| row == "left42")).await;
    person.types("\x02%").await;
    person.sees("two panes", |screen| (0..ROWS - 1).all(|number| row(screen, number).contains('│'))).await;
    person.types("echo right$((40 + 3))\r").await;
    let both = |screen: &vt100::Screen| {
        let line = |text: &str| rows(screen).find(|row| row.contains(text));
        line("left42").is_some_and(|row| row.starts_with("left42"))
            && line("│right43").is_some_and(|row| !row.starts_with('│'))
    };
    person.sees("output of the second", both).await;
    person.types("\x02d").await;
    person.sees("shell", |screen| screen.contents().contains("[detached (from session work)]")).await;
    person.types("clear; tmux -u attach\r").await;
    person.sees("session again", |screen| in_session(screen) && both(screen)).await;
    person.types("tmux kill-server\r").await;
    person.sees("end of it", |screen| !screen.alternate_screen()).await;
    person.leaves().await;
    atoll.finish().await;
}
