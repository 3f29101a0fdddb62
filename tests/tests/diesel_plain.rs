//! A pool of one, without replicas: behaves exactly as a plain pool of diesel-async does.

use anyhow::Result;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Nullable, Text};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use orm_split::diesel::PoolOptions;
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{Counter, Pool};
use orm_split_tests::kit::postgres::{Delay, shared};

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_one_without_replicas_behaves_as_a_plain_pool_does() -> Result<()> {
    /// The same statements through either; what came of each.
    macro_rules! a_day {
        ($pool:expr) => {{
            let mut came = Vec::new();
            for round in 0..2 {
                let conn = &mut $pool
                    .get()
                    .await
                    .map_err(|error| anyhow::anyhow!("{error}"))?;
                let new = Counter {
                    id: round,
                    value: 1,
                };
                let insert = || diesel::insert_into(counter::table).values(new);
                came.push(format!("{:?}", insert().get_result::<Counter>(conn).await));
                came.push(format!("{:?}", insert().execute(conn).await));
                came.push(format!("{:?}", counter::table.load::<Counter>(conn).await));
                came.push(format!(
                    "{:?}",
                    counter::table.find(7).first::<Counter>(conn).await
                ));
                came.push(format!(
                    "{:?}",
                    diesel::sql_query("SELEC 1").execute(conn).await
                ));
                let nested = conn
                    .transaction::<usize, Error, _>(async |conn| {
                        let undone = conn
                            .transaction::<usize, Error, _>(async |conn| {
                                diesel::delete(counter::table).execute(conn).await?;
                                Err(Error::RollbackTransaction)
                            })
                            .await;
                        assert!(undone.is_err());
                        // the server aborts the transaction
                        diesel::sql_query("SELECT 1 / 0").execute(conn).await
                    })
                    .await;
                came.push(format!("{nested:?}"));
                // state stays with the connection, which is the same one for the next user
                let setting =
                    diesel::dsl::sql::<Nullable<Text>>("SELECT current_setting('app.day', true)");
                came.push(format!(
                    "{:?}",
                    setting.get_result::<Option<String>>(conn).await
                ));
                let set = format!("SET app.day TO '{round}'");
                came.push(format!("{:?}", conn.batch_execute(&set).await));
                conn.test_transaction::<_, Error, _>(async |conn| {
                    diesel::delete(counter::table).execute(conn).await
                })
                .await;
                came.push(format!(
                    "{:?}",
                    counter::table.count().get_result::<i64>(conn).await
                ));
            }
            anyhow::Ok(came)
        }};
    }
    let mut days = Vec::new();
    for is_ours in [false, true] {
        let database = shared(Delay::None).await?.create_database().await?;
        let url = database.primary_url();
        let ddl = "CREATE TABLE counter (id int PRIMARY KEY, value bigint NOT NULL)";
        let app = shared(Delay::None)
            .await?
            .primary()
            .app(database.name())
            .await?;
        app.batch_execute(ddl).await?;
        drop(app);
        let came = if is_ours {
            let mut one = PoolOptions::default();
            one.max_size = 1;
            let pool = Pool::builder()
                .primary(url)
                .primary_options(one)
                .build()
                .await?;
            let came = a_day!(pool)?;
            assert_eq!(pool.status().nodes.len(), 1);
            let open = pool.state().into_iter().map(|(_, state)| state.connections);
            (came, open.sum::<u32>())
        } else {
            let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(url);
            let pool = bb8::Pool::builder().max_size(1).build(manager).await?;
            let came = a_day!(pool)?;
            (came, pool.state().connections)
        };
        days.push(came);
    }
    let [plain, ours] = &days[..] else {
        anyhow::bail!("two days")
    };
    assert_eq!(ours, plain);
    assert!(plain.0.len() == 18 && plain.1 == 1, "{plain:?}");
    Ok(())
}
