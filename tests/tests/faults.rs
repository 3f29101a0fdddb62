//! Replicas that fail behind a network, under an open-loop load of reads on real servers. Each test prints what
//! it measured beside what it should reach; where a target is in units of time, what is asserted leaves room
//! for a machine that is busy.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what a reader wants to see"
)]

use std::time::Duration;

use anyhow::{Result, ensure};
use orm_split::sea_orm::SplitConnection;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::faults::{
    Network, Noticed, a_replica_that_fails_fast_costs_no_error, one_of_two_replicas,
};
use orm_split_tests::kit::proxy::{Fault, Way};
use rstest::rstest;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// What a busy machine may add.
const ROOM: Duration = Duration::from_millis(1_500);

fn nothing(_: &mut Settings) {}

/// Finds out in less than a second and a half that a node is silent.
fn hasty(settings: &mut Settings) {
    (settings.probe_deadline, settings.sample_slow) = (250 * MS, 250 * MS);
}

fn none_failed(noticed: &Noticed) -> Result<()> {
    let failures = noticed.during.failures();
    ensure!(failures.is_empty(), "{failures:?}");
    ensure!(noticed.during.count() > 90, "there was no load");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn t5_a_replica_that_fails_fast_and_answers_probes_costs_no_error() -> Result<()> {
    let seaorm = a_replica_that_fails_fast_costs_no_error::<SplitConnection>();
    println!("T5, SeaORM: {}", seaorm.await?);
    let diesel = a_replica_that_fails_fast_costs_no_error::<Pool>();
    println!("T5, Diesel: {}", diesel.await?);
    Ok(())
}

async fn leaves_soon<A: Application>(what: &str, fault: Fault) -> Result<()> {
    let noticed = one_of_two_replicas::<A>(fault, 2 * SECOND, nothing).await?;
    println!("{}", noticed.line(what));
    none_failed(&noticed)?;
    // checkout_deadline and a tenth; measured: far below
    let added = noticed.added();
    ensure!(added <= 1_100 * MS + ROOM, "T7: {added:?}");
    // 600 ms
    let left = noticed.left_after;
    ensure!(
        left.is_some_and(|after| after <= 600 * MS + ROOM),
        "T8: {left:?}"
    );
    Ok(())
}

#[rstest]
#[case::refused(Fault::Refuse)]
#[case::reset(Fault::Reset)]
#[tokio::test(flavor = "multi_thread")]
async fn t7_t8_no_read_fails_when_a_replica_refuses_or_resets_connections_and_it_leaves_at_once(
    #[case] fault: Fault,
) -> Result<()> {
    let what = |orm| format!("T7, T8, {fault:?}, {orm}");
    leaves_soon::<SplitConnection>(&what("SeaORM"), fault.clone()).await?;
    leaves_soon::<Pool>(&what("Diesel"), fault.clone()).await
}

async fn falls_silent<A: Application>(what: &str, fault: Fault) -> Result<()> {
    let noticed = one_of_two_replicas::<A>(fault, 6 * SECOND, nothing).await?;
    println!("{}", noticed.line(what));
    none_failed(&noticed)?;
    // 4 s; whoever was sent there before is moved as soon as the replica has left
    let left = noticed.left_after;
    ensure!(
        left.is_some_and(|after| after <= 4 * SECOND + ROOM),
        "T8: {left:?}"
    );
    ensure!(
        noticed.added() <= left.unwrap_or_default() + SECOND + ROOM,
        "T7"
    );
    Ok(())
}

#[rstest]
#[case::black_hole(Fault::BlackHole)]
#[case::one_way(Fault::Stall(Way::ToClient))]
#[tokio::test(flavor = "multi_thread")]
async fn t7_t8_no_read_fails_when_a_replica_falls_silent_and_it_leaves_within_four_seconds(
    #[case] fault: Fault,
) -> Result<()> {
    let what = |orm| format!("T7, T8, {fault:?}, {orm}");
    falls_silent::<SplitConnection>(&what("SeaORM"), fault.clone()).await?;
    falls_silent::<Pool>(&what("Diesel"), fault.clone()).await
}

async fn falls_silent_but_is_probed_often<A: Application>(what: &str) -> Result<()> {
    let noticed = one_of_two_replicas::<A>(Fault::BlackHole, 3 * SECOND, hasty).await?;
    println!("{}", noticed.line(what));
    none_failed(&noticed)?;
    ensure!(noticed.added() <= 1_100 * MS + ROOM, "T7");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_reads_in_a_black_hole_are_moved_as_soon_as_probes_tell_which_may_be_a_second()
-> Result<()> {
    falls_silent_but_is_probed_often::<SplitConnection>("T7, hasty probes, SeaORM").await?;
    falls_silent_but_is_probed_often::<Pool>("T7, hasty probes, Diesel").await
}

async fn is_hardly_noticed<A: Application>(what: &str, fault: Fault) -> Result<()> {
    let noticed = one_of_two_replicas::<A>(fault, 3 * SECOND, nothing).await?;
    println!("{}", noticed.line(what));
    none_failed(&noticed)
}

#[rstest]
#[case::cut_in_a_row(Fault::CutAfter(100))]
#[case::cut_late(Fault::CutAfter(3_000))]
#[case::flapping(Fault::Flap { up: 120 * MS, down: 180 * MS })]
#[case::deaf(Fault::Stall(Way::ToServer))]
#[case::slow(Fault::Delay(30 * MS))]
#[tokio::test(flavor = "multi_thread")]
async fn t7_no_read_fails_when_answers_are_cut_or_late_or_a_replica_comes_and_goes(
    #[case] fault: Fault,
) -> Result<()> {
    let what = |orm| format!("T7, {fault:?}, {orm}");
    is_hardly_noticed::<SplitConnection>(&what("SeaORM"), fault.clone()).await?;
    is_hardly_noticed::<Pool>(&what("Diesel"), fault.clone()).await
}

/// The load can fail: without a second replica and without the primary there is nobody left.
#[tokio::test(flavor = "multi_thread")]
async fn reads_do_fail_when_no_node_is_left() -> Result<()> {
    let network = Network::start(1).await?;
    let mut settings = network.settings()?;
    settings.primary_wait = SECOND;
    let app: SplitConnection = network.application(&settings).await?;
    network.first()?.befall(Fault::Refuse).await?;
    network.primary.befall(Fault::Refuse).await?;
    let requests = orm_split_tests::load::open_loop(50, SECOND, |_| {
        let app = app.clone();
        async move { app.read(1).await.map(drop) }
    });
    let requests = requests.await?;
    assert_eq!(requests.failures().len(), requests.count());
    network.first()?.heal().await?;
    network.primary.heal().await?;
    Application::close(&app).await
}
