//! Options of connections: those that change, those that a server refuses, and how many there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{HealthState, Role, SplitBuilder, SplitConnection};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{APP_PASSWORD, Cluster, Database, Delay, Node, shared};
use parking_lot::Mutex;
use sea_orm::{ConnectOptions, ConnectionTrait, Statement, TransactionTrait};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const LIMIT: Duration = Duration::from_secs(20);

/// A secret store.
#[derive(Default)]
struct Vault {
    password: Mutex<String>,
    is_sealed: AtomicBool,
    asked: AtomicUsize,
}

impl Vault {
    async fn password(&self) -> Result<String, std::io::Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.is_sealed.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("the vault is sealed"));
        }
        Ok(self.password.lock().clone())
    }
}

/// URLs without the password, which comes from the vault.
fn builder(database: &Database, vault: &Arc<Vault>) -> SplitBuilder {
    let without = |url: &str| {
        let mut options = ConnectOptions::new(url.replace(&format!(":{APP_PASSWORD}"), ""));
        options.acquire_timeout(Duration::from_secs(5));
        options
    };
    let vault = Arc::clone(vault);
    let replicas = database.replica_urls().iter();
    let builder = SplitConnection::builder().primary(without(database.primary_url()));
    replicas
        .fold(builder, |builder, url| builder.replica(without(url)))
        .postgres_options(move |options| {
            let vault = Arc::clone(&vault);
            async move {
                let password = vault.password().await?;
                Ok::<_, std::io::Error>(options.password(&password))
            }
        })
}

async fn value(db: &impl ConnectionTrait, sql: &str) -> Result<String> {
    let sql = Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    let row = db.query_one_raw(sql).await?.context("a row")?;
    Ok(row.try_get_by_index(0)?)
}

/// Ends the application's sessions on all nodes.
async fn end_sessions(cluster: &Cluster) -> Result<()> {
    for node in cluster.nodes() {
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
        node.sql(all).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_rotates_is_asked_for_and_no_statement_fails() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let vault: Arc<Vault> = Arc::default();
    APP_PASSWORD.clone_into(&mut vault.password.lock());
    let db = builder(&database, &vault).connect().await?;
    app::create_counters(&db, 3).await?;
    for round in 1..4 {
        let password = format!("n3w-passw0rd-{round}");
        let primary = cluster.primary();
        primary
            .sql(&format!("ALTER ROLE app PASSWORD '{password}'"))
            .await?;
        for replica in cluster.replicas() {
            replica.wait_caught_up(primary).await?;
        }
        *vault.password.lock() = password.clone();
        end_sessions(&cluster).await?;
        // a transaction, whose connection SeaORM opens; a write; and reads
        let transaction = db.begin().await?;
        value(&transaction, "SELECT 'x'").await?;
        transaction.commit().await?;
        db.execute_unprepared("UPDATE counter SET value = value + 1")
            .await?;
        let read = value(&db, "SELECT value::text FROM counter WHERE id = 1").await?;
        ensure!(read == round.to_string(), "{read}");
        app::wait_until_replicas_serve(&db).await?;
        let read = value(&db, "SELECT value::text FROM counter WHERE id = 1").await?;
        ensure!(read == round.to_string(), "{read}");
        for text in [format!("{db:?}"), format!("{:?}", db.status())] {
            ensure!(!text.contains(&password), "the password is in {text}");
        }
    }
    ensure!(vault.asked.load(Ordering::SeqCst) >= 9);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_closes_its_node_with_its_cause() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let vault: Arc<Vault> = Arc::default();
    APP_PASSWORD.clone_into(&mut vault.password.lock());
    let builder = || builder(&database, &vault).probe_reconnect(Duration::from_secs(1));
    let db = builder().connect().await?;
    app::wait_until_replicas_serve(&db).await?;
    value(&db.primary(), "SELECT 'x'").await?;
    vault.is_sealed.store(true, Ordering::SeqCst);
    let down = async {
        loop {
            let status = db.status();
            // the primary's idle connection goes on, so no read fails
            value(&db, "SELECT 'x'").await?;
            if let Some(node) = status.nodes.get(1)
                && node.health == HealthState::Down
            {
                return anyhow::Ok(node.last_error.clone());
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let cause = timeout(LIMIT, down).await??.context("a cause")?;
    ensure!(
        cause.contains("replica-1: the provider of connect options failed: the vault is sealed"),
        "{cause}"
    );
    let error = builder().connect().await.err().context("it connected")?;
    let text = format!("{error} {error:?}");
    ensure!(
        text.contains("primary: the provider of connect options failed: the vault is sealed"),
        "{text}"
    );
    ensure!(!text.contains(APP_PASSWORD), "the password is in {text}");

    vault.is_sealed.store(false, Ordering::SeqCst);
    app::wait_until_replicas_serve(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_provider_works_without_replicas_too() -> Result<()> {
    let cluster = Cluster::builder().replicas(0).start().await?;
    let database = cluster.create_database().await?;
    let vault: Arc<Vault> = Arc::default();
    APP_PASSWORD.clone_into(&mut vault.password.lock());
    let db = builder(&database, &vault).connect().await?;
    ensure!(value(&db, "SELECT 'x'").await? == "x");
    ensure!(value(&db.begin().await?, "SELECT 'x'").await? == "x");
    ensure!(db.explain("SELECT 1").role == Role::Primary);
    db.close().await?;
    Ok(())
}

/// A pooler in front of `server` that refuses start-up options, as PgBouncer did before 1.20.
async fn pooler(server: u16) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let serve = async move {
        while let Ok((client, _)) = listener.accept().await {
            #[expect(clippy::disallowed_methods, reason = "a server of the test's")]
            drop(tokio::spawn(pass_on(client, server)));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a server of the test's")]
    drop(tokio::spawn(serve));
    Ok(port)
}

/// What a client that was built with TLS sends first, in the place of a protocol version.
const ASKS_FOR_TLS: u32 = 80_877_103;

async fn first_message(client: &mut TcpStream) -> Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    let rest = u64::from(length).saturating_sub(4);
    client.take(rest).read_to_end(&mut message).await?;
    Ok(message)
}

async fn pass_on(mut client: TcpStream, server: u16) -> Result<()> {
    let mut start = first_message(&mut client).await?;
    if start.get(4..8) == Some(&ASKS_FOR_TLS.to_be_bytes()) {
        client.write_all(b"N").await?;
        start = first_message(&mut client).await?;
    }
    if start.windows(9).any(|bytes| bytes == b"\0options\0") {
        let fields = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
        let length = u32::try_from(fields.len() + 4)?;
        client.write_all(b"E").await?;
        client.write_all(&length.to_be_bytes()).await?;
        client.write_all(fields).await?;
        return Ok(());
    }
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    server.write_all(&start).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_refuses_start_up_options_costs_the_guard_and_status_says_so() -> Result<()> {
    let cluster = shared(Delay::None).await?;
    let database = cluster.create_database().await?;
    app::create_settings(cluster, &database).await?;
    let mut urls = Vec::new();
    for node in cluster.nodes().take(2) {
        let port = pooler(node.port()).await?;
        let url = node.url(database.name());
        let url = url.replace(&format!(":{}/", node.port()), &format!(":{port}/"));
        let mut options = ConnectOptions::new(url);
        options.set_schema_search_path("tenant");
        urls.push(options);
    }
    let replica = urls.pop().context("two")?;
    let db = SplitConnection::builder()
        .primary(urls.pop().context("two")?)
        .replica(replica)
        .connect()
        .await?;
    app::wait_until_replicas_serve(&db).await?;
    let all_told = async {
        while db.status().nodes.iter().any(|node| node.remark.is_none()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), all_told).await?;
    let status = db.status();
    let remarks: Vec<_> = status.nodes.iter().map(|n| n.remark.as_deref()).collect();
    let [Some(primary), Some(replica)] = remarks[..] else {
        unreachable!("{remarks:?}")
    };
    ensure!(primary.contains("without search_path: "), "{primary}");
    let both = "without search_path, default_transaction_read_only: ";
    ensure!(replica.contains(both), "{replica}");
    let sql = "SELECT string_agg(value, ' ' ORDER BY name) FROM public.settings";
    for _ in 0..3 {
        // SeaORM sets the search path in a hook of its own
        ensure!(value(&db, sql).await? == "off tenant");
        ensure!(value(&db.primary(), sql).await? == "off tenant");
    }
    ensure!(db.status().served_by_replicas() >= 3);
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn every_statement_of_mysql_belongs_to_the_primary_whatever_replicas_there_are() -> Result<()>
{
    let options = |port: u16| {
        let mut options = ConnectOptions::new(format!("mysql://app@127.0.0.1:{port}/app"));
        options
            .connect_lazy(true)
            .acquire_timeout(Duration::from_millis(300));
        options
    };
    let db = SplitConnection::builder()
        .primary(options(1))
        .replica(options(2))
        .connect()
        .await?;
    ensure!(db.get_database_backend() == sea_orm::DbBackend::MySql);
    for sql in [
        "SELECT 1",
        "SELECT * FROM cake",
        "INSERT INTO cake VALUES (1)",
    ] {
        ensure!(db.explain(sql).role == Role::Primary, "{sql}");
    }
    let status = db.status();
    let replica = status.nodes.get(1).context("the replica")?;
    let cause = replica.last_error.as_deref().context("a cause")?;
    ensure!(cause.contains("not followed yet"), "{cause}");
    let error = db.execute_unprepared("DELETE FROM cake").await;
    ensure!(error.is_err(), "no server listens on port 1");
    ensure!(db.get_mysql_connection_pool().size() == 0);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn min_connections_are_held_on_every_node_also_after_idle_ones_were_closed() -> Result<()> {
    let cluster = shared(Delay::None).await?;
    let database = cluster.create_database().await?;
    let prober = 1;
    let options = |url: &str| {
        let mut options = ConnectOptions::new(url);
        options.min_connections(3).max_connections(5);
        options.idle_timeout(Duration::from_millis(700));
        options
    };
    let builder = SplitConnection::builder().primary(options(database.primary_url()));
    let replicas = database.replica_urls().iter();
    let db = replicas
        .fold(builder, |builder, url| builder.replica(options(url)))
        .sample_intervals(Duration::from_millis(100), Duration::from_millis(5))
        .probe_reconnect(Duration::from_millis(200))
        .connect()
        .await?;
    let pids = async |node: &Node| {
        let pids = node.backend_pids_in(database.name(), "app").await?;
        anyhow::Ok(BTreeSet::from_iter(pids))
    };
    ensure!(db.get_postgres_connection_pool().size() >= 3);
    for node in cluster.nodes() {
        let filled_apart_from = async |closed: &BTreeSet<i32>| {
            loop {
                let held = pids(node).await?;
                if held.len() >= 3 + prober && held.is_disjoint(closed) {
                    return anyhow::Ok(held);
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let first = timeout(LIMIT, filled_apart_from(&BTreeSet::new())).await;
        let first = first.with_context(|| node.name().to_owned())??;
        let again = timeout(LIMIT, filled_apart_from(&first)).await;
        again.with_context(|| node.name().to_owned())??;
    }
    db.close().await?;
    Ok(())
}
