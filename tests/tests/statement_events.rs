//! Each statement is an event that says where it runs and why.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::Result;
use orm_split::sea_orm::SplitConnection;
use orm_split_tests::app::counter;
use parking_lot::Mutex;
use sea_orm::{ActiveValue::Set, ConnectOptions, EntityTrait, TransactionTrait};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// What an event says: node, role, reason, cause, and the first word of the statement.
type Line = [String; 5];

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Line>>>);

impl<S: tracing::Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "orm_split::statement" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().push(fields.0);
        }
    }
}

#[derive(Default)]
struct Fields(Line);

impl tracing::field::Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        assert!(!value.contains("4711"), "a value is shown: {value}");
        match field.name() {
            "node" => value.clone_into(&mut self.0[0]),
            "role" => value.clone_into(&mut self.0[1]),
            "reason" => value.clone_into(&mut self.0[2]),
            "cause" => value.clone_into(&mut self.0[3]),
            name => {
                assert_eq!(name, "sql");
                self.0[4] = value.split(' ').take(1).collect();
            }
        }
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        assert_eq!(field.name(), "message");
        assert_eq!(format!("{value:?}"), "runs");
    }
}

async fn bookkeeping(db: &SplitConnection) -> Result<()> {
    let schema = db.get_schema_builder().register(counter::Entity);
    schema.apply(db).await?;
    let row = counter::ActiveModel {
        id: Set(1),
        value: Set(4711),
    };
    // inserts alike whether SeaORM is built with RETURNING on SQLite or not
    counter::Entity::insert(row)
        .exec_without_returning(db)
        .await?;
    counter::Entity::find_by_id(1).one(db).await?;
    let transaction = db.begin().await?;
    let savepoint = transaction.begin().await?;
    counter::Entity::find_by_id(1).one(&savepoint).await?;
    savepoint.commit().await?;
    transaction.commit().await?;
    Ok(())
}

#[tokio::test]
async fn each_statement_shows_its_node_and_its_reason_but_no_value() -> Result<()> {
    let events = Events::default();
    let subscriber = tracing_subscriber::registry().with(events.clone());
    let _subscribed = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/events.db?mode=rwc", folder.path().display());
    let mut primary = ConnectOptions::new(&url);
    primary
        .max_connections(1)
        .map_sqlx_sqlite_opts(|options| options.pragma("journal_mode", "wal"));
    let db = SplitConnection::builder()
        .primary(primary)
        .replica(&url)
        .connect()
        .await?;
    bookkeeping(&db).await?;
    db.close().await?;
    let seen = events.0.lock().clone();
    let read = ["replica-1", "replica", "read", ""];
    let in_transaction = ["primary", "primary", "transaction", ""];
    let expected = [
        (["primary", "primary", "statement", "utility"], "CREATE"),
        (["primary", "primary", "statement", "write"], "INSERT"),
        (read, "SELECT"),
        (in_transaction, "BEGIN"),
        (in_transaction, "SAVEPOINT"),
        (in_transaction, "SELECT"),
        (in_transaction, "RELEASE"),
        (in_transaction, "COMMIT"),
    ];
    let expected = expected.map(|([a, b, c, d], word)| [a, b, c, d, word].map(str::to_owned));
    assert_eq!(seen, expected);
    Ok(())
}
