//! The tower layer under axum: two processes of one application, each with SeaORM and Diesel handlers, on
//! replicas that lag by half a second.

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::routing::{get, post};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use orm_split::sea_orm::tower::SessionLayer;
use orm_split::sea_orm::{SplitConnection, TokenKeys};
use orm_split_tests::app::{self, counter};
use orm_split_tests::diesel_app::{self, Pool, schema};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use reqwest::{Client, Method, Version};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use tokio::net::TcpListener;

const SECRET: &str = "a secret of at least thirty-two bytes";
const HEADER: &str = "x-session";

#[derive(Clone)]
struct App {
    db: SplitConnection,
    pool: Pool,
}

/// Any failure, as an answer.
struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}

async fn write_sea_orm(State(app): State<App>, Path(value): Path<i64>) -> Result<(), Failed> {
    let model = counter::ActiveModel {
        id: Set(1),
        value: Set(value),
    };
    model.update(&app.db).await?;
    Ok(())
}

async fn read_sea_orm(State(app): State<App>) -> Result<String, Failed> {
    let found = counter::Entity::find_by_id(1).one(&app.db).await?;
    Ok(found.context("the counter")?.value.to_string())
}

async fn write_diesel(State(app): State<App>, Path(value): Path<i64>) -> Result<(), Failed> {
    let mut conn = app.pool.get().await?;
    diesel::update(schema::counter::table.find(1))
        .set(schema::counter::value.eq(value))
        .execute(&mut conn)
        .await?;
    Ok(())
}

async fn read_diesel(State(app): State<App>) -> Result<String, Failed> {
    let mut conn = app.pool.get().await?;
    let value = schema::counter::table
        .find(1)
        .select(schema::counter::value);
    Ok(value.first::<i64>(&mut conn).await?.to_string())
}

/// One process: its address. It ends with the test.
#[expect(clippy::disallowed_methods, reason = "a server is a task")]
async fn process(database: &Database, by_header: bool) -> Result<String> {
    let keys = || TokenKeys::new(SECRET);
    let db = app::builder(database).token_keys(keys()?).connect().await?;
    let pool = diesel_app::builder(database)
        .token_keys(keys()?)
        .build()
        .await?;
    let layer = SessionLayer::new(&db).and(&pool);
    let layer = match by_header {
        true => layer.header(HeaderName::from_static(HEADER)),
        false => layer,
    };
    let router = Router::new()
        .route("/sea-orm", get(read_sea_orm))
        .route("/sea-orm/{value}", post(write_sea_orm))
        .route("/diesel", get(read_diesel))
        .route("/diesel/{value}", post(write_diesel))
        .layer(layer)
        .with_state(App { db, pool });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    drop(tokio::spawn(
        async move { axum::serve(listener, router).await },
    ));
    Ok(address)
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

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_what_it_wrote_in_another_process_by_cookie_over_http_1() -> Result<()> {
    let (with, without) = stale_reads(Version::HTTP_11, false).await?;
    ensure!(without > 10, "{without} stale reads without a token");
    assert_eq!(with, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_what_it_wrote_in_another_process_by_header_over_http_2() -> Result<()> {
    let (with, without) = stale_reads(Version::HTTP_2, true).await?;
    ensure!(without > 10, "{without} stale reads without a token");
    assert_eq!(with, 0);
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
