//! `atoll env`

use std::process::ExitCode;

use anyhow::Context as _;
use atoll_api_types::{Definition, Environment, EnvironmentBody, UpdateEnvironment, WarmPool};
use atoll_client::Client;
use atoll_types::{EnvironmentId, PoolSize};
use serde_json::Value;
use time::OffsetDateTime;

use super::resources::{MainProcess, Resources};
use super::{Call, listing, ls};
use crate::failure::advised;
use crate::printer::{pairs as names_and_values, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Define an environment and print its id.
    Create(Box<Define>),
    /// List environments.
    #[command(visible_alias = "ls")]
    List,
    /// Show an environment, or one of its versions.
    #[command(visible_alias = "get")]
    Show {
        /// Id or name of the environment.
        #[arg(value_name = "ENVIRONMENT")]
        environment: String,
        /// Which version [default: the newest].
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
    },
    /// Make the next version: what the newest says, but for what is given here.
    Update(Box<Change>),
    /// List the versions of an environment.
    Versions {
        /// Id or name of the environment.
        #[arg(value_name = "ENVIRONMENT")]
        environment: String,
    },
    /// Show what two versions differ in [default: the newest and the one before].
    Diff {
        /// Id or name of the environment.
        #[arg(value_name = "ENVIRONMENT")]
        environment: String,
        /// The first version.
        #[arg(long, value_name = "NUMBER")]
        from: Option<u32>,
        /// The second version.
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
    },
    /// Delete environments of which no sandbox is left.
    #[command(visible_alias = "rm")]
    Delete {
        /// Ids or names of the environments.
        #[arg(required = true, value_name = "ENVIRONMENT")]
        environments: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Define {
    #[command(flatten)]
    resources: Resources,
    /// Keep so many of its sandboxes ready: a number, or two such as 2-16, between which the demand decides; 0: none.
    #[arg(long, value_name = "SIZE")]
    warm_pool: Option<PoolSize>,
    #[command(flatten)]
    process: MainProcess,
}

#[derive(Debug, clap::Args)]
struct Change {
    /// Id or name of the environment.
    #[arg(value_name = "ENVIRONMENT")]
    environment: String,
    /// Take nothing over from the newest version.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    define: Define,
}

impl Define {
    /// The name, and the rest.
    fn parts(self) -> (Option<String>, Definition) {
        let mut body = self.process.add_to(self.resources.into_body());
        let warm_pool = self.warm_pool.map(|size| match (size.min(), size.max()) {
            (min, max) if min == max => WarmPool::Size(max),
            (min, max) => WarmPool::Range { min, max },
        });
        (body.name.take(), Definition { warm_pool, ..body.into_definition() })
    }
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Create(define) => create(*define, call).await?,
        Action::List => list(call).await?,
        Action::Show { environment, version } => show(call, &environment, version).await?,
        Action::Update(change) => update(*change, call).await?,
        Action::Versions { environment } => versions(call, &environment).await?,
        Action::Diff { environment, from, to } => diff(call, &environment, from, to).await?,
        Action::Delete { environments } => {
            let mut deleted = Vec::new();
            for environment in &environments {
                let id = resolve(&call.client, environment).await?;
                deleted.push(call.client.environment_delete(&id).await?);
            }
            let ids = || deleted.iter().map(|gone| gone.id.as_str()).collect::<Vec<_>>().join("\n");
            call.printer.data(&deleted, ids)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(define: Define, call: &Call) -> anyhow::Result<()> {
    let (name, definition) = define.parts();
    let name = name.ok_or_else(|| advised("an environment needs a name", "give one: --name NAME"))?;
    let body = body_of(serde_json::json!({ "name": name }), definition)?;
    let made = call.client.environment_create(&serde_json::from_value::<EnvironmentBody>(body)?).await?;
    Ok(call.printer.data(&made, || made.id.clone())?)
}

/// What the newest version says, with these laid over it.
async fn update(change: Change, call: &Call) -> anyhow::Result<()> {
    let id = resolve(&call.client, &change.environment).await?;
    let now = match change.replace {
        true => Definition::default(),
        false => call.client.environment_get(&id).await?.definition,
    };
    let (name, over) = change.define.parts();
    let (mut next, over) = (serde_json::to_value(now)?, serde_json::to_value(over)?);
    merge(&mut next, over);
    let body = body_of(serde_json::json!({ "name": name }), serde_json::from_value(next)?)?;
    let body: UpdateEnvironment = serde_json::from_value(body)?;
    let made = call.client.environment_update(&id, &body).await?;
    Ok(call.printer.data(&made, || format!("{}  version {}", made.id, made.version))?)
}

/// A body of its own fields and a definition's.
fn body_of(mut own: Value, definition: Definition) -> anyhow::Result<Value> {
    merge(&mut own, serde_json::to_value(definition)?);
    Ok(own)
}

/// Lays fields over others; those of maps one by one.
fn merge(below: &mut Value, over: Value) {
    match (below, over) {
        (Value::Object(below), Value::Object(over)) => {
            for (key, value) in over {
                merge(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, over) => *below = over,
    }
}

async fn list(call: &Call) -> anyhow::Result<()> {
    let row = |environment: &Environment, now: OffsetDateTime| {
        vec![
            environment.id.clone(),
            environment.name.clone(),
            environment.version.to_string(),
            environment.definition.image.clone().unwrap_or_default(),
            ls::age(&environment.updated_at, now),
        ]
    };
    let page = async |cursor: Option<&str>| call.client.environment_list(cursor).await;
    listing::show_all(call, &["ID", "NAME", "VERSION", "IMAGE", "UPDATED"], page, row).await
}

async fn versions(call: &Call, environment: &str) -> anyhow::Result<()> {
    let id = resolve(&call.client, environment).await?;
    let row = |version: &atoll_api_types::EnvironmentVersion, now: OffsetDateTime| {
        vec![
            version.version.to_string(),
            version.definition.image.clone().unwrap_or_default(),
            ls::age(&version.created_at, now),
        ]
    };
    let page = async |cursor: Option<&str>| call.client.environment_versions(&id, cursor).await;
    listing::show_all(call, &["VERSION", "IMAGE", "CREATED"], page, row).await
}

async fn show(call: &Call, environment: &str, version: Option<u32>) -> anyhow::Result<()> {
    let id = resolve(&call.client, environment).await?;
    let mut shown = call.client.environment_get(&id).await?;
    if let Some(version) = version {
        let one = call.client.environment_version(&id, version).await?;
        shown = Environment {
            version: one.version,
            updated_at: one.created_at,
            definition: one.definition,
            ..shown
        };
    }
    let text = describe(&shown)?;
    Ok(call.printer.data(&shown, || text)?)
}

/// Every field that it says something in.
fn describe(environment: &Environment) -> anyhow::Result<String> {
    let mut rows = vec![
        ("id".to_owned(), environment.id.clone()),
        ("name".to_owned(), environment.name.clone()),
        ("version".to_owned(), environment.version.to_string()),
        ("updated".to_owned(), environment.updated_at.clone()),
    ];
    let definition = serde_json::to_value(&environment.definition)?;
    for (field, value) in definition.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(map) => rows.extend(map.iter().map(|(key, value)| (format!("{field}.{key}"), text(value)))),
            None => rows.push((field.clone(), text(value))),
        }
    }
    let rows: Vec<_> = rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    Ok(names_and_values(&rows))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn diff(call: &Call, environment: &str, from: Option<u32>, to: Option<u32>) -> anyhow::Result<()> {
    let id = resolve(&call.client, environment).await?;
    let diff = call.client.environment_diff(&id, from, to).await?;
    let rows = || {
        let row = |change: &atoll_api_types::EnvironmentChange| {
            vec![change.field.clone(), text(&change.from), text(&change.to)]
        };
        diff.changes.iter().map(row).collect()
    };
    let (from, to) = (format!("VERSION {}", diff.from), format!("VERSION {}", diff.to));
    Ok(call.printer.data(&diff, || table(&["FIELD", &from, &to], rows()))?)
}

/// The environment that is meant: by its id, or as the only one of this name.
pub(super) async fn resolve(client: &Client, text: &str) -> anyhow::Result<EnvironmentId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut named: Vec<String> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = client.environment_list(cursor.as_deref()).await?;
        named.extend(page.items.into_iter().filter(|e| e.name == text).map(|e| e.id));
        if page.next_cursor.is_none() || page.next_cursor == cursor {
            break;
        }
        cursor = page.next_cursor;
    }
    let list = "`atoll env list` lists yours, by id and name";
    match named.as_slice() {
        [id] => id.parse().context("the server gave no id of an environment"),
        [] => Err(advised(format!("there is no environment {text:?}"), list)),
        more => Err(advised(format!("{} environments have the name {text:?}", more.len()), list)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_laid_over_and_maps_are_merged() {
        let mut below = json!({"cpu": 1.0, "env": {"A": "1", "B": "1"}, "command": ["a", "b"]});
        merge(&mut below, json!({"cpu": 2.0, "env": {"B": "2"}, "command": ["c"]}));
        assert_eq!(below, json!({"cpu": 2.0, "env": {"A": "1", "B": "2"}, "command": ["c"]}));
    }
}
