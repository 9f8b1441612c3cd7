//! The command line of `sbx`: `exec -id ID -- …` and `delete -id=ID`, with one dash as Go's flags have it.
//!
//! It is turned into ours before it is parsed: the id becomes the first argument after the command.

use std::ffi::{OsStr, OsString};

/// Commands that take the id of a sandbox first.
const WITH_ID: [&str; 10] =
    ["exec", "shell", "delete", "rm", "get", "logs", "start", "stop", "restart", "keepalive"];

/// Rewrites `-id ID`, `-id=ID`, `--id ID` and `--id=ID` of the commands that take an id.
pub(crate) fn normalize(mut argv: Vec<OsString>) -> Vec<OsString> {
    let end = argv.iter().position(|a| a == "--").unwrap_or(argv.len());
    let known = |a: &OsString| WITH_ID.iter().any(|command| a == command);
    let Some(command) = argv[..end].iter().skip(1).position(known).map(|i| i + 1) else { return argv };
    let Some(flag) = argv[..end].iter().skip(command + 1).position(|a| is_id(a)).map(|i| i + command + 1)
    else {
        return argv;
    };
    let text = argv[flag].to_string_lossy();
    let id = if let Some((_, id)) = text.split_once('=') {
        let id = OsString::from(id);
        argv.remove(flag);
        id
    } else if flag + 1 < end {
        argv.remove(flag);
        argv.remove(flag)
    } else {
        return argv;
    };
    argv.insert(command + 1, id);
    argv
}

fn is_id(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    ["-id", "--id"]
        .iter()
        .any(|flag| text.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(line: &str) -> String {
        let argv = normalize(line.split(' ').map(OsString::from).collect());
        argv.iter().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_documented_commands_of_sbx() {
        assert_eq!(normalized("sbx create"), "sbx create");
        assert_eq!(normalized("sbx exec -id ID -- bash -lc x"), "sbx exec ID -- bash -lc x");
        assert_eq!(normalized("sbx delete -id ID"), "sbx delete ID");
        assert_eq!(normalized("sbx delete -id=ID"), "sbx delete ID");
        assert_eq!(normalized("atoll exec --id=ID --detach -- x"), "atoll exec ID --detach -- x");
        assert_eq!(normalized("atoll --url u exec -e A=b -id ID -- x"), "atoll --url u exec ID -e A=b -- x");
    }

    #[test]
    fn what_belongs_to_the_command_inside_is_left_alone() {
        assert_eq!(normalized("atoll exec ID -- find -id 5"), "atoll exec ID -- find -id 5");
        assert_eq!(normalized("atoll run -- exec -id 5"), "atoll run -- exec -id 5");
        assert_eq!(normalized("atoll exec -id"), "atoll exec -id");
        assert_eq!(normalized("atoll exec -id -- x"), "atoll exec -id -- x");
        assert_eq!(normalized("atoll exec -identity"), "atoll exec -identity");
    }
}
