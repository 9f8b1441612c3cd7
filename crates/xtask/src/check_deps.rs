//! Imports go downward only, and each room keeps its own things.

use std::process::ExitCode;

use crate::cargo::{Dependency, DependencyKind, Package, Workspace};
use crate::house::{FLOORS, Floor, KEPT};
use crate::lint_exceptions;

/// Prints what is wrong, and fails when anything is.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut wrong: Vec<String> = workspace.packages.iter().flat_map(violations).collect();
    wrong.extend(lint_exceptions::violations(&workspace.workspace_root)?);
    for line in &wrong {
        println!("check-deps: {line}");
    }
    if !wrong.is_empty() {
        println!("check-deps: {} wrong; the house is described in ARCHITECTURE.md", wrong.len());
        return Ok(ExitCode::FAILURE);
    }
    println!("check-deps: {} crates, imports go downward only", workspace.packages.len());
    Ok(ExitCode::SUCCESS)
}

fn floor_of(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

/// Everything that is wrong about one crate's dependencies.
fn violations(package: &Package) -> Vec<String> {
    let Some(floor) = floor_of(&package.name) else {
        return vec![format!(
            "{} has no floor: add it to the table in crates/xtask/src/house.rs",
            package.name
        )];
    };
    package.dependencies.iter().filter_map(|dependency| judge(&package.name, floor, dependency)).collect()
}

/// Why a crate may not have this dependency, if it may not.
fn judge(package: &str, floor: Floor, dependency: &Dependency) -> Option<String> {
    if dependency.path.is_some() {
        judge_ours(package, floor, dependency)
    } else {
        judge_foreign(package, floor, dependency)
    }
}

fn judge_ours(package: &str, floor: Floor, dependency: &Dependency) -> Option<String> {
    let name = &dependency.name;
    let Some(below) = floor_of(name) else {
        return Some(format!("{package} imports {name}, which has no floor"));
    };
    match (floor, below) {
        (Floor::Tools, _) => None,
        (Floor::Layer(_), Floor::Tools) if dependency.kind == Some(DependencyKind::Dev) => None,
        (Floor::Layer(_), Floor::Tools) => {
            Some(format!("{package} imports {name}: tools are dev-dependencies only"))
        }
        // A test may stand beside a neighbour (a client against its server), never reach up.
        (Floor::Layer(own), Floor::Layer(other))
            if other < own || (other == own && dependency.kind == Some(DependencyKind::Dev)) =>
        {
            None
        }
        (Floor::Layer(own), Floor::Layer(other)) => Some(format!(
            "{package} (layer {own}) imports {name} (layer {other}): only lower layers may be imported"
        )),
    }
}

fn judge_foreign(package: &str, floor: Floor, dependency: &Dependency) -> Option<String> {
    if floor == Floor::Tools || dependency.kind == Some(DependencyKind::Dev) {
        return None;
    }
    let kept = KEPT.iter().find(|kept| is_family(kept.family, &dependency.name))?;
    (!kept.rooms.contains(&package))
        .then(|| format!("{package} imports {}: {}", dependency.name, kept.reason))
}

/// `sea-orm` covers `sea-orm` and `sea-orm-migration`, not `sea-ormolu`.
fn is_family(family: &str, name: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(name: &str) -> Dependency {
        Dependency { name: name.into(), kind: None, path: None }
    }

    fn ours(name: &str, kind: Option<DependencyKind>) -> Dependency {
        Dependency { name: name.into(), kind, path: Some(format!("/repo/{name}").into()) }
    }

    fn package(name: &str, dependency: Dependency) -> Package {
        Package { name: name.into(), dependencies: vec![dependency] }
    }

    fn found(name: &str, dependency: Dependency) -> String {
        violations(&package(name, dependency)).join("\n")
    }

    #[test]
    fn downward_is_fine() {
        assert_eq!(found("atoll-engine", ours("atoll-ports", None)), "");
        assert_eq!(found("atoll-store", foreign("sea-orm-migration")), "");
    }

    #[test]
    fn upward_is_refused() {
        assert!(found("atoll-ports", ours("atoll-engine", None)).contains("only lower layers"));
    }

    #[test]
    fn neighbours_are_refused() {
        assert!(found("atoll-store", ours("atoll-exec-log", None)).contains("only lower layers"));
        assert!(found("atoll-runtime-native", ours("atoll-engine", None)).contains("only lower layers"));
    }

    #[test]
    fn a_test_may_import_a_neighbour_but_not_reach_up() {
        let dev = Some(DependencyKind::Dev);
        assert_eq!(found("atoll-agent-client", ours("atoll-exec-log", dev)), "");
        assert!(found("atoll-types", ours("atoll-engine", dev)).contains("only lower layers"));
    }

    #[test]
    fn tools_ship_with_nothing() {
        assert_eq!(found("atoll-engine", ours("atoll-testkit", Some(DependencyKind::Dev))), "");
        assert!(found("atoll-engine", ours("atoll-testkit", None)).contains("dev-dependencies only"));
        assert!(
            found("atoll-engine", ours("atoll-testkit", Some(DependencyKind::Build)))
                .contains("dev-dependencies")
        );
    }

    #[test]
    fn sql_and_http_stay_in_their_rooms() {
        assert!(found("atoll-engine", foreign("sqlx")).contains("SQL lives in the store"));
        assert!(found("atoll-http", foreign("sea-orm")).contains("SQL lives in the store"));
        assert!(found("atoll-engine", foreign("axum")).contains("edge only"));
    }

    #[test]
    fn an_unknown_crate_is_refused_on_either_side() {
        assert!(found("atoll-novelty", foreign("serde")).contains("no floor"));
        assert!(found("atoll-cli", ours("atoll-novelty", None)).contains("no floor"));
    }

    #[test]
    fn every_crate_stands_once_in_the_table() {
        let mut names: Vec<_> = FLOORS.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
