//! Whatever compiles on SeaORM's own types compiles on ours and means the same.
//!
//! Each area below is one file that is compiled twice: in [`plain`], where `Db` is a `DatabaseConnection`
//! to the primary, and in [`split`], where it is a `SplitConnection` whose two replicas lag by 150 ms.
//! Both must see the same; `cargo test --test same_on_both -- --nocapture` lists the areas with counts.
//!
//! The limit below is little more than what SeaORM's own futures need to compile; routed ones must do
//! with it. (The default is 128; without the feature `mysql` 72 would do.)

#![recursion_limit = "84"]
#![expect(
    clippy::duplicate_mod,
    reason = "one source against both types is the point"
)]

mod inherent;
mod migrator;
mod plain;
mod seen;
mod shop;
mod sizes;
mod spans;
mod split;

use anyhow::{Result, ensure};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::Delay;

use seen::Seen;

/// One test for each area: walks it on both types and compares what was seen.
macro_rules! same_on_both {
    ($($area:ident => $name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() -> Result<()> {
                let db = plain::connect(&app::empty_database(Delay::Ms150).await?).await?;
                let mut expected = Seen::default();
                is_send(plain::areas::$area::walk(&db, &mut expected)).await?;
                db.close().await?;
                let db = split::connect(&app::empty_database(Delay::Ms150).await?).await?;
                let mut seen = Seen::default();
                is_send(split::areas::$area::walk(&db, &mut seen)).await?;
                let on_replicas = db.status().served_by_replicas();
                db.close().await?;
                seen.must_equal(&expected, stringify!($area))?;
                let (results, area) = (seen.count(), stringify!($area));
                println!("{area}: {results} results the same, {on_replicas} reads on replicas");
                ensure!(on_replicas > 0, "nothing was routed");
                Ok(())
            }
        )+
    };
}

/// What an application may want to spawn.
fn is_send<F: Future<Output = Result<()>> + Send>(walk: F) -> F {
    walk
}

same_on_both! {
    crud => entities_are_written_and_read_alike,
    relations => relations_loaders_and_links_load_alike,
    nested => nested_models_save_and_load_alike,
    paging => pages_and_cursors_turn_alike,
    partial => partial_models_tuples_and_json_select_alike,
    raw => raw_sql_answers_alike,
    streams => streams_flow_alike,
    transactions => transactions_begin_and_end_alike,
    schema => schemas_are_applied_and_synced_alike,
    migrations => migrations_go_up_and_down_alike,
    rbac => restricted_users_may_the_same,
    metrics => callbacks_and_spans_report_the_same,
    mocks => mocks_log_the_same,
    handles => handles_behave_alike,
}
