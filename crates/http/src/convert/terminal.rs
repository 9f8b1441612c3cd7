//! Terminals.

use atoll_api_types::Terminal;
use atoll_ports::HeldTerminal;

/// What is shown of a terminal.
pub(crate) fn terminal_view(held: HeldTerminal) -> Terminal {
    Terminal {
        name: held.key.name.to_string(),
        generation: held.key.generation,
        cols: held.size.cols().into(),
        rows: held.size.rows().into(),
        viewers: held.viewers,
        created_at: held.created_at.to_rfc3339(),
        exit_code: held.exit_code,
    }
}
