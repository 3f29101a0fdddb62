//! What an application on Diesel can get wrong at its start: the cases of `bad_input.rs`, and what only
//! its pools can be told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel_async::RunQueryDsl;
use orm_split::diesel::{Placement, PoolOptions, SplitError};
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::bad_input;
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::kit::postgres::{APP_PASSWORD, Delay, shared};

#[tokio::test]
async fn urls_that_cannot_be_used_are_refused_by_field_value_and_what_is_accepted() -> Result<()> {
    bad_input::unusable_urls::<Pool>().await
}

#[tokio::test]
async fn a_primary_that_cannot_be_reached_is_an_error_with_its_cause() -> Result<()> {
    bad_input::unreachable_primary::<Pool>().await
}

#[tokio::test]
async fn a_wrong_password_or_database_is_an_error_on_the_primary_and_a_state_of_a_replica()
-> Result<()> {
    for told in bad_input::unknown_to_the_servers::<Pool>().await? {
        ensure!(told.contains("primary"), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_replica_of_another_cluster_is_refused() -> Result<()> {
    bad_input::another_cluster::<Pool>().await
}

#[tokio::test]
async fn a_server_given_twice_under_two_names_is_refused() -> Result<()> {
    bad_input::one_server_twice::<Pool>().await
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_by_field_value_and_what_is_accepted() -> Result<()>
{
    let url = bad_input::with_password("postgres");
    let mut nothing = PoolOptions::default();
    nothing.max_size = 0;
    let builder = || Pool::builder().primary(&url);
    let cases = [
        (Pool::builder(), "primary", "nothing"),
        (
            Pool::builder().primary(format!("{url}?sslmode=often")),
            "primary",
            "sslmode",
        ),
        (
            builder().primary_options(nothing.clone()),
            "primary_options",
            "max_size 0",
        ),
        (
            builder().replica_options(nothing),
            "replica_options",
            "max_size 0",
        ),
        (
            builder().checkout_deadline(Duration::ZERO),
            "checkout_deadline",
            "0ns",
        ),
        (
            builder().replica_at("postgres://app@replica/app", Placement::new().weight(0)),
            "replica-1.weight",
            "0",
        ),
        (
            builder().replica_at("postgres://app@replica/app", Placement::new().zone("")),
            "replica-1.zone",
            "\"\"",
        ),
        (
            builder().replica("postgres://app@replica/app").zone(" "),
            "zone",
            "\" \"",
        ),
    ];
    for (builder, field, value) in cases {
        let shown = format!("{builder:?}");
        ensure!(!shown.contains(APP_PASSWORD), "{shown}");
        let error = builder.build().await.err().context("it was built")?;
        ensure!(matches!(error, SplitError::Config(_)), "{error:?}");
        let text = error.to_string();
        ensure!(
            text.starts_with(&format!("{field}: ")) && text.contains(value),
            "{text}"
        );
        ensure!(
            text.contains("; use "),
            "{text} does not say what is accepted"
        );
    }
    Ok(())
}

/// Nothing is sent before the first statement, so that is what tells.
#[tokio::test]
async fn without_replicas_the_first_statement_tells_what_is_wrong() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let good = database.primary_url();
    let cases = [
        (bad_input::with_password("postgres"), "refused"),
        (
            good.replace(APP_PASSWORD, "wr0ng-passw0rd"),
            "password authentication failed",
        ),
        (
            good.replace(database.name(), "no_such_database"),
            "does not exist",
        ),
    ];
    for (url, cause) in cases {
        let mut settings = Settings::new(url, &[]);
        settings.primary_wait = Duration::from_secs(2);
        let pool = Pool::connect(&settings).await?;
        let conn = &mut pool.get().await?;
        let read = diesel::sql_query("SELECT 1").execute(conn).await;
        let error = read.err().context("it read")?;
        let ours = conn.last_split_error().context("an error of ours")?;
        for text in [
            error.to_string(),
            format!("{error:?}"),
            format!("{ours:?}"),
            format!("{pool:?} {conn:?}"),
        ] {
            for password in [APP_PASSWORD, "wr0ng-passw0rd"] {
                ensure!(!text.contains(password), "a password is in {text}");
            }
        }
        let text = error.to_string();
        ensure!(text.contains("primary") && text.contains(cause), "{text}");
    }
    Ok(())
}
