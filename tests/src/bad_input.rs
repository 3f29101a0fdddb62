//! What an application can get wrong at its start, through either ORM: the error names the node and the
//! cause, and never the password.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{HealthState, Refusal, SplitError};

use crate::application::{Application, Settings};
use crate::kit::postgres::{APP_PASSWORD, Cluster, Database, Delay, shared};

/// Where nobody listens.
pub const PLACE: &str = "127.0.0.1:1/app";

/// A password that no role has.
const WRONG: &str = "wr0ng-passw0rd";

/// A URL at [`PLACE`] that holds the password.
#[must_use]
pub fn with_password(scheme: &str) -> String {
    format!("{scheme}://app:{APP_PASSWORD}@{PLACE}")
}

/// Connects where that must fail.
///
/// # Errors
/// It connected, or the error holds a password.
pub async fn refused<A: Application>(settings: &Settings) -> Result<A::Refused> {
    let error = A::connect(settings).await.err();
    let error = error.with_context(|| format!("it connected: {settings:?}"))?;
    for text in [error.to_string(), format!("{error:?}")] {
        for password in [APP_PASSWORD, WRONG] {
            ensure!(!text.contains(password), "a password is in {text}");
        }
    }
    Ok(error)
}

async fn is_told<A: Application>(settings: &Settings, cause: &str) -> Result<String> {
    let text = refused::<A>(settings).await?.to_string();
    ensure!(text.contains(cause), "`{cause}` is not in {text}");
    Ok(text)
}

/// URLs that cannot be used are refused by field, value and what is accepted.
///
/// # Errors
/// One is not.
pub async fn unusable_urls<A: Application>() -> Result<()> {
    let postgres = with_password("postgres");
    let unparsable = format!("postgres://app:{APP_PASSWORD}@[::1/app");
    let no_port = format!("postgres://app:{APP_PASSWORD}@db:port/app");
    let alone = |primary: &str| Settings::new(primary, &[]);
    let with = |replica: &str| Settings::new(&postgres, &[replica.to_owned()]);
    let cases = [
        (alone(&unparsable), "primary", "cannot be parsed"),
        (alone(&no_port), "primary", "cannot be parsed"),
        (alone(APP_PASSWORD), "primary", "cannot be parsed"),
        (alone(""), "primary", "cannot be parsed"),
        (
            alone(&with_password("oracle")),
            "primary",
            "scheme `oracle`",
        ),
        (with(&unparsable), "replica-1", "cannot be parsed"),
        (with(&with_password("mysql")), "replica-1", "of kind MySQL"),
        (with("sqlite://file.db"), "replica-1", "of kind SQLite"),
        (with(&postgres), "replica-1", "the server 127.0.0.1:1"),
    ];
    for (settings, field, value) in cases {
        let error = refused::<A>(&settings).await?;
        let text = A::ours(&error).context("an error of ours")?.to_string();
        tells(&text, field, value)?;
    }
    Ok(())
}

/// The message names the field, the value, and what would be accepted.
///
/// # Errors
/// It does not.
pub fn tells(text: &str, field: &str, value: &str) -> Result<()> {
    ensure!(
        text.starts_with(&format!("{field}: ")),
        "{text} does not name {field}"
    );
    ensure!(text.contains(value), "{text} does not say {value}");
    ensure!(
        text.contains("; use "),
        "{text} does not say what is accepted"
    );
    Ok(())
}

/// A database, and the settings of an application that has its first replica only.
async fn one_replica() -> Result<(Database, Settings)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let replica = database.replica_urls().get(..1).context("a replica")?;
    let settings = Settings::new(database.primary_url(), replica);
    Ok((database, settings))
}

/// Nobody listens at the primary's address.
///
/// # Errors
/// That is not what is told.
pub async fn unreachable_primary<A: Application>() -> Result<()> {
    let replica = format!("postgres://app:{APP_PASSWORD}@127.0.0.1:2/app");
    let mut settings = Settings::new(with_password("postgres"), &[replica]);
    settings.primary_wait = Duration::from_millis(500);
    let text = is_told::<A>(&settings, "refused").await?;
    ensure!(text.contains("primary"), "{text}");
    Ok(())
}

/// A password or database that the servers do not know: an error on the primary, a state of a replica.
/// Yields the errors.
///
/// # Errors
/// The cause is not told.
pub async fn unknown_to_the_servers<A: Application>() -> Result<Vec<String>> {
    let (database, good) = one_replica().await?;
    let wrong_password = |url: &String| url.replace(APP_PASSWORD, WRONG);
    let wrong_database = |url: &String| url.replace(database.name(), "no_such_database");
    let password = "password authentication failed";
    let missing = "database \"no_such_database\" does not exist";
    let mut cases = Vec::new();
    for (mistake, cause) in [
        (
            &wrong_password as &(dyn Fn(&String) -> String + Sync),
            password,
        ),
        (&wrong_database, missing),
    ] {
        let mut primary = good.clone();
        primary.primary = mistake(&good.primary);
        let mut replica = good.clone();
        replica.replicas = good.replicas.iter().map(mistake).collect();
        cases.push((primary, replica, cause));
    }
    let mut told_of_primary = Vec::new();
    for (primary, replica, cause) in cases {
        told_of_primary.push(is_told::<A>(&primary, cause).await?);
        let app = A::connect(&replica).await?;
        let status = app.status();
        let node = status.nodes.get(1).context("the replica")?;
        ensure!(node.health == HealthState::Down, "{node:?}");
        let told = node.last_error.as_deref().context("a cause")?;
        ensure!(told.contains(cause), "{told}");
        ensure!(!format!("{status:?}").contains(WRONG), "{status:?}");
        app.close().await?;
    }
    Ok(told_of_primary)
}

/// A replica follows another primary.
///
/// # Errors
/// That is not what is told.
pub async fn another_cluster<A: Application>() -> Result<()> {
    let (_database, mut settings) = one_replica().await?;
    let other = Cluster::builder().replicas(1).own_identifier();
    let other = other.start().await?;
    let stranger = other.replicas().first().context("a replica")?;
    settings.replicas = vec![stranger.url("postgres")];
    let error = refused::<A>(&settings).await?;
    let refusal = match A::ours(&error) {
        Some(SplitError::Refused { node, refusal }) => Some((node.as_str(), *refusal)),
        _ => None,
    };
    ensure!(
        refusal == Some(("replica-1", Refusal::ForeignCluster)),
        "{error}"
    );
    Ok(())
}

/// One server is given under two names.
///
/// # Errors
/// That is not what is told.
pub async fn one_server_twice<A: Application>() -> Result<()> {
    let (database, good) = one_replica().await?;
    for again in [
        database.replica_urls().first().context("a replica")?,
        database.primary_url(),
    ] {
        let mut settings = good.clone();
        settings
            .replicas
            .push(again.replace("127.0.0.1", "localhost"));
        is_told::<A>(&settings, "same server as another node").await?;
    }
    Ok(())
}
