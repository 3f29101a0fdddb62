//! Writes that bypass the library, on replicas that lag by half a second: told to a session, its reads see
//! them through whichever ORM.

use anyhow::{Result, ensure};
use orm_split::sea_orm::{Session, SplitConnection};
use orm_split_tests::app;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::{self, Pool};
use orm_split_tests::kit::postgres::{Cluster, Database, Delay, shared};
use rstest::rstest;

const ROUNDS: i64 = 10;

/// An application that reaches its database in three ways.
struct App {
    cluster: &'static Cluster,
    database: Database,
    db: SplitConnection,
    pool: Pool,
}

impl App {
    async fn start() -> Result<Self> {
        let cluster = shared(Delay::Ms500).await?;
        let database = cluster.create_database().await?;
        let settings = Settings::of(&database);
        let db = <SplitConnection as Application>::connect(&settings).await?;
        app::create_counters(&db, 2).await?;
        let pool = <Pool as Application>::connect(&settings).await?;
        diesel_app::wait_until_replicas_serve(&pool).await?;
        Ok(Self {
            cluster,
            database,
            db,
            pool,
        })
    }

    /// By a driver that knows nothing of the library.
    async fn write_past_both(&self, value: i64) -> Result<()> {
        let client = self.cluster.primary().app(self.database.name()).await?;
        let write = "UPDATE counter SET value = $1 WHERE id = 1";
        client.execute(write, &[&value]).await?;
        Ok(())
    }

    /// How many of the two ORMs see less.
    async fn missed(&self, value: i64) -> Result<i64> {
        let seen = [self.db.read(1).await?, self.pool.read(1).await?];
        Ok(seen.into_iter().map(|seen| i64::from(seen < value)).sum())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_by_another_driver_both_orms_see_if_the_session_is_told() -> Result<()> {
    let app = App::start().await?;
    let (mut untold, mut told) = (0, 0);
    for value in 1..=ROUNDS {
        let request = async {
            app.write_past_both(value).await?;
            untold += app.missed(value).await?;
            Session::current().wrote();
            told += app.missed(value).await?;
            anyhow::Ok(())
        };
        Session::new().scope(request).await?;
    }
    ensure!(untold > ROUNDS / 2, "{untold} of {} missed it", 2 * ROUNDS);
    assert_eq!(told, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn a_task_is_told_too_and_a_session_that_is_told_from_outside() -> Result<()> {
    let app = std::sync::Arc::new(App::start().await?);
    let of_task = std::sync::Arc::clone(&app);
    let task = async move {
        of_task.write_past_both(1).await?;
        Session::current().wrote();
        of_task.missed(1).await
    };
    assert_eq!(tokio::spawn(task).await??, 0);
    let session = Session::new();
    app.write_past_both(2).await?;
    session.wrote();
    assert_eq!(session.scope(app.missed(2)).await?, 0);
    Ok(())
}

#[rstest]
#[case::in_sea_orm(true)]
#[case::in_diesel(false)]
#[tokio::test(flavor = "multi_thread")]
async fn what_one_orm_wrote_the_other_sees_if_the_session_is_told(
    #[case] in_sea_orm: bool,
) -> Result<()> {
    let app = App::start().await?;
    let (mut untold, mut told) = (0, 0);
    for value in 1..=ROUNDS {
        let request = async {
            match in_sea_orm {
                true => app.db.write(1, value).await?,
                false => app.pool.write(1, value).await?,
            }
            untold += app.missed(value).await?;
            Session::current().wrote();
            told += app.missed(value).await?;
            anyhow::Ok(())
        };
        Session::new().scope(request).await?;
    }
    ensure!(untold > ROUNDS / 4, "{untold} of {ROUNDS} missed it");
    assert_eq!(told, 0);
    Ok(())
}
