//! The tower layer under axum: two processes of one application, each with SeaORM and Diesel handlers, on
//! replicas that lag by half a second.

use anyhow::{Context, Result, ensure};
use axum::Router;
use orm_split::sea_orm::TokenKeys;
use orm_split::sea_orm::tower::SessionLayer;
use orm_split_tests::app;
use orm_split_tests::diesel_app;
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use orm_split_tests::served::{self, HEADER};
use reqwest::{Client, Method, Version};
use rstest::rstest;
use tokio::sync::oneshot;

const SECRET: &str = "a secret of at least thirty-two bytes";

/// One process: its address. It ends with the test.
#[expect(clippy::disallowed_methods, reason = "a server is a task")]
async fn process(database: &Database, by_header: bool) -> Result<String> {
    let keys = || TokenKeys::new(SECRET);
    let db = app::builder(database).token_keys(keys()?).connect().await?;
    let pool = diesel_app::builder(database)
        .token_keys(keys()?)
        .build()
        .await?;
    // of a process that has just started nobody knows yet how far the replicas are behind
    app::wait_until_replicas_serve(&db).await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let layer = SessionLayer::new(&db).and(&pool);
    let layer = match by_header {
        true => served::by_header(layer),
        false => layer,
    };
    let router = Router::new()
        .nest("/sea-orm", served::routes(db))
        .nest("/diesel", served::routes(pool))
        .layer(layer);
    let (listening, address) = oneshot::channel();
    let told = |address| assert!(listening.send(address).is_ok(), "nobody waits");
    drop(tokio::spawn(served::serve(router, told)));
    Ok(format!("http://{}", address.await?))
}

fn client(version: Version) -> Result<Client> {
    let client = Client::builder();
    Ok(match version {
        Version::HTTP_2 => client.http2_prior_knowledge(),
        _ => client.http1_only(),
    }
    .build()?)
}

/// The answer's text, and the token that came with it, if one did.
async fn send(
    client: &Client,
    version: Version,
    (method, url): (Method, String),
    token: Option<(&str, &str)>,
) -> Result<(String, Option<String>)> {
    let mut request = client.request(method, url);
    if let Some((name, value)) = token {
        request = request.header(name, value);
    }
    let answer = request.send().await?;
    ensure!(answer.version() == version, "{:?}", answer.version());
    let header = |name| answer.headers().get(name)?.to_str().ok();
    let cookie = header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let token = header(HEADER).or(cookie).map(str::to_owned);
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{status}: {text}");
    Ok((text, token))
}

/// Writes to one process and reads from the other, with the token and without. The stale reads of each.
async fn stale_reads(version: Version, by_header: bool) -> Result<(u32, u32)> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 2).await?;
    let (writer, reader) = (
        process(&database, by_header).await?,
        process(&database, by_header).await?,
    );
    let client = client(version)?;
    let name = if by_header { HEADER } else { "cookie" };
    let (mut with, mut without) = (0, 0);
    let orms = ["sea-orm", "diesel"];
    for (value, by) in (1..=20_i64).zip(orms.iter().cycle()) {
        let write = (Method::POST, format!("{writer}/{by}/{value}"));
        let (_, token) = send(&client, version, write, None).await?;
        let token = token.context("an answer to a write has a token")?;
        for orm in orms {
            let read = || (Method::GET, format!("{reader}/{orm}"));
            let (seen, _) = send(&client, version, read(), None).await?;
            without += u32::from(seen.parse::<i64>()? < value);
            let (seen, _) = send(&client, version, read(), Some((name, &token))).await?;
            with += u32::from(seen.parse::<i64>()? < value);
        }
    }
    Ok((with, without))
}

#[rstest]
#[case::by_cookie_over_http_1(Version::HTTP_11, false)]
#[case::by_header_over_http_1(Version::HTTP_11, true)]
#[case::by_cookie_over_http_2(Version::HTTP_2, false)]
#[case::by_header_over_http_2(Version::HTTP_2, true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_what_it_wrote_in_another_process(
    #[case] version: Version,
    #[case] by_header: bool,
) -> Result<()> {
    let (with, without) = stale_reads(version, by_header).await?;
    ensure!(without > 10, "{without} stale reads without a token");
    assert_eq!(with, 0);
    Ok(())
}

#[rstest]
#[case::over_http_1(Version::HTTP_11)]
#[case::over_http_2(Version::HTTP_2)]
#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_a_session_of_its_own_also_over_one_connection(
    #[case] version: Version,
) -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 2).await?;
    let address = process(&database, true).await?;
    let client = client(version)?;
    let mut missed = 0;
    for value in 1..=10_i64 {
        let write = (Method::POST, format!("{address}/sea-orm/{value}"));
        let (_, token) = send(&client, version, write, None).await?;
        let read = || (Method::GET, format!("{address}/sea-orm"));
        let (seen, _) = send(&client, version, read(), None).await?;
        missed += u32::from(seen.parse::<i64>()? < value);
        let token = token.context("a token")?;
        let (seen, _) = send(&client, version, read(), Some((HEADER, &token))).await?;
        assert_eq!(seen, value.to_string());
    }
    ensure!(
        missed > 2,
        "{missed} of 10 reads missed another request's write"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_https_no_script_and_this_site_alone_and_ends_with_its_token()
-> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 2).await?;
    let address = process(&database, false).await?;
    for orm in ["sea-orm", "diesel"] {
        let written = client(Version::HTTP_11)?.post(format!("{address}/{orm}/1"));
        let answer = written.send().await?.error_for_status()?;
        let cookie = answer.headers().get("set-cookie").context("a cookie")?;
        let mut parts: Vec<_> = cookie.to_str()?.split("; ").skip(1).collect();
        parts.sort_unstable();
        let guarded = [
            "HttpOnly",
            "Max-Age=300",
            "Path=/",
            "SameSite=Lax",
            "Secure",
        ];
        assert_eq!(parts, guarded, "{cookie:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_only_read_carry_no_token_and_bad_tokens_are_as_none() -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 2).await?;
    let address = process(&database, false).await?;
    let client = client(Version::HTTP_11)?;
    let bad = format!("orm_split_session={}", "x".repeat(4_000));
    for cookie in ["orm_split_session=", "orm_split_session=AQAA.B", &bad] {
        let read = (Method::GET, format!("{address}/sea-orm"));
        let sent = send(&client, Version::HTTP_11, read, Some(("cookie", cookie)));
        assert_eq!(sent.await?, ("0".to_owned(), None));
    }
    Ok(())
}
