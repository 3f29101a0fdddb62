//! What is dropped half-way: each way of using a handle, with statements that end and others that do not.

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Integer;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager};
use futures_util::StreamExt;
use orm_split::diesel::SplitTransactionManager;
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{Conn, Counter};

/// What the dropped statements would take; whoever gets one of their connections waits that long.
const SLEEP: &str = "pg_sleep(60)";

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Read,
    SlowRead,
    Stream,
    Write,
    SlowWrite,
    InsertReturning,
    Script,
    Set,
    Transaction,
    SlowTransaction,
    Nested,
    LeftOpen,
    ReadOnly,
    SlowReadOnly,
    MovedReadOnly,
    RawTransaction,
    BeginOnHeld,
    OnRawPrimary,
    OnRawReplica,
}

/// All but those on raw connections.
pub(crate) const OPS: [Op; 17] = [
    Op::Read,
    Op::SlowRead,
    Op::Stream,
    Op::Write,
    Op::SlowWrite,
    Op::InsertReturning,
    Op::Script,
    Op::Set,
    Op::Transaction,
    Op::SlowTransaction,
    Op::Nested,
    Op::LeftOpen,
    Op::ReadOnly,
    Op::SlowReadOnly,
    Op::MovedReadOnly,
    Op::RawTransaction,
    Op::BeginOnHeld,
];

impl Op {
    /// Whether the handle is fit for the next statement. In a transaction it stays on its connection, as
    /// without us.
    pub(crate) fn leaves_its_handle_usable(self) -> bool {
        match self {
            Self::Read
            | Self::SlowRead
            | Self::Stream
            | Self::Write
            | Self::SlowWrite
            | Self::InsertReturning => true,
            Self::Script
            | Self::Set
            | Self::Transaction
            | Self::SlowTransaction
            | Self::Nested
            | Self::LeftOpen
            | Self::ReadOnly
            | Self::SlowReadOnly
            | Self::MovedReadOnly
            | Self::RawTransaction
            | Self::BeginOnHeld
            | Self::OnRawPrimary
            | Self::OnRawReplica => false,
        }
    }
}

pub(crate) async fn number(conn: &mut Conn, sql: &str) -> QueryResult<i32> {
    diesel::dsl::sql::<Integer>(sql).get_result(conn).await
}

async fn raise(conn: &mut Conn) -> QueryResult<usize> {
    let row = diesel::update(counter::table.find(1));
    row.set(counter::value.eq(counter::value + 1))
        .execute(conn)
        .await
}

pub(crate) async fn read(conn: &mut Conn, id: i32) -> QueryResult<Counter> {
    counter::table.find(id).first(conn).await
}

async fn say(conn: &mut Conn, sql: &str) -> QueryResult<usize> {
    diesel::sql_query(sql).execute(conn).await
}

pub(crate) async fn perform(conn: &mut Conn, op: Op) -> QueryResult<()> {
    match op {
        Op::Read => drop(read(conn, 1).await?),
        Op::SlowRead => drop(number(conn, &format!("SELECT 1000 FROM {SLEEP}")).await?),
        Op::Stream => {
            let rows = "SELECT n FROM generate_series(1, 100000) n";
            let rows = diesel::dsl::sql::<Integer>(rows);
            let rows = rows.load_stream::<i32>(conn).await?;
            rows.take(300).for_each(async |_| {}).await;
        }
        Op::Write => drop(raise(conn).await?),
        Op::SlowWrite => {
            let sql =
                format!("UPDATE counter SET value = 1000 WHERE id = 2 AND {SLEEP} IS NOT NULL");
            say(conn, &sql).await?;
        }
        Op::InsertReturning => {
            let sql = "INSERT INTO counter SELECT max(id) + 1, 0 FROM counter RETURNING id";
            number(conn, sql).await?;
        }
        Op::Script => conn.batch_execute("SELECT 1; SELECT 2").await?,
        Op::Set => {
            say(conn, "SET application_name TO 'set'").await?;
            read(conn, 1).await?;
        }
        Op::Transaction | Op::SlowTransaction | Op::Nested => in_a_transaction(conn, op).await?,
        Op::LeftOpen => {
            SplitTransactionManager::begin_transaction(conn).await?;
            raise(conn).await?;
        }
        Op::ReadOnly | Op::SlowReadOnly | Op::MovedReadOnly => read_only(conn, op).await?,
        Op::RawTransaction => {
            say(conn, "BEGIN").await?;
            raise(conn).await?;
            say(conn, "COMMIT").await?;
        }
        Op::BeginOnHeld => {
            say(conn, "SET application_name TO 'held'").await?;
            in_a_transaction(conn, Op::Transaction).await?;
        }
        Op::OnRawPrimary => {
            let raw = conn.primary().await?;
            raw.batch_execute(&format!("BEGIN; SELECT {SLEEP}")).await?;
        }
        Op::OnRawReplica => {
            let raw = conn.replica().await?;
            raw.batch_execute(&format!("SELECT {SLEEP}")).await?;
        }
    }
    Ok(())
}

async fn in_a_transaction(conn: &mut Conn, op: Op) -> QueryResult<()> {
    conn.transaction::<_, Error, _>(async move |conn| {
        raise(conn).await?;
        if op == Op::SlowTransaction {
            number(conn, &format!("SELECT 2000 FROM {SLEEP}")).await?;
        }
        if op == Op::Nested {
            let undone: QueryResult<()> = conn
                .transaction(async |conn| {
                    raise(conn).await?;
                    Err(Error::RollbackTransaction)
                })
                .await;
            drop(undone);
        }
        read(conn, 1).await.map(drop)
    })
    .await
}

async fn read_only(conn: &mut Conn, op: Op) -> QueryResult<()> {
    let mut builder = conn.build_transaction().read_only();
    builder
        .run(async move |conn| {
            read(conn, 1).await?;
            if op == Op::SlowReadOnly {
                number(conn, &format!("SELECT 3000 FROM {SLEEP}")).await?;
            }
            if op == Op::MovedReadOnly {
                // must not run on a replica
                drop(number(conn, "SELECT 1 WHERE txid_status(1) IS NULL").await);
            }
            read(conn, 2).await.map(drop)
        })
        .await
}
