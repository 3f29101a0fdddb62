//! An operator who changes how many reads leave the primary while an application runs, through either ORM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{Hint, Mode, Role, Session, ShadowStatus, Status};
use rand::RngExt;
use tokio::time::{sleep, timeout};

use crate::application::{Application, Ran, Settings};
use crate::kit::postgres::{APP_ROLE, Cluster, Database, Delay, shared};

const USERS: i32 = 8;
/// Reads of a phase that ask for replicas.
const ASKED: u64 = 20;
/// Fewer statements than this in a phase are no load.
const LOAD: u64 = 50;

/// Which reads leave the primary in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    All,
    /// The rest stays, for this reason.
    Some(&'static str),
    /// But for those that ask for replicas.
    Asked(&'static str),
    None(&'static str),
}

/// What the operator does, in this order.
const PHASES: [(Mode, u8, Leave); 7] = [
    (Mode::Automatic, 100, Leave::All),
    (Mode::Shadow, 100, Leave::None("shadow")),
    (Mode::OptIn, 100, Leave::Asked("opt_in")),
    (Mode::Automatic, 0, Leave::Asked("share")),
    (Mode::Automatic, 50, Leave::Some("share")),
    (Mode::Shadow, 50, Leave::None("shadow")),
    (Mode::Automatic, 100, Leave::All),
];

/// Switches through all modes, and from no reads over half of them to all, under load: no statement fails,
/// everybody reads what it wrote and nothing older than it read, and the counters show each change.
///
/// # Errors
/// One of these does not hold.
#[expect(clippy::disallowed_methods, reason = "a user is a task")]
pub async fn modes_are_switched_under_load<A: Application>() -> Result<()> {
    let (_, _database, app) = start::<A>(Delay::Ms150).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let users = (1..=USERS).map(|id| tokio::spawn(user(app.clone(), id, Arc::clone(&is_over))));
    let users: Vec<_> = users.collect();
    let phases = async {
        for phase in PHASES {
            holds(&app, phase)
                .await
                .with_context(|| format!("{phase:?}"))?;
        }
        anyhow::Ok(())
    };
    let phases = phases.await;
    is_over.store(true, Ordering::Release);
    let mut reads = 0;
    for user in try_join_all(users).await? {
        reads += user?;
    }
    ensure!(reads > 1_000, "only {reads} reads: there was no load");
    phases?;
    app.close().await
}

async fn start<A: Application>(delay: Delay) -> Result<(&'static Cluster, Database, A)> {
    let cluster = shared(delay).await?;
    let database = cluster.create_database().await?;
    let app = A::connect(&Settings::of(&database)).await?;
    app.create_counters(USERS).await?;
    Ok((cluster, database, app))
}

/// Requests without end, each a session; yields how often it read.
async fn user<A: Application>(app: A, id: i32, is_over: Arc<AtomicBool>) -> Result<u32> {
    let (mut written, mut reads) = (0, 0);
    while !is_over.load(Ordering::Acquire) {
        let writes = rand::rng().random_ratio(1, 4);
        written += i64::from(writes);
        let request = async {
            let mut known = 0;
            if writes {
                app.write(id, written).await?;
                known = written;
            }
            for _ in 0..5 {
                let seen = app.read(id).await?;
                ensure!(seen >= known, "stale: {seen}, but {known} was known");
                known = seen;
            }
            anyhow::Ok(())
        };
        Session::new().scope(request).await?;
        reads += 5;
        sleep(Duration::from_millis(2)).await;
    }
    Ok(reads)
}

/// Whether reads leave the primary as they should in a phase.
async fn holds<A: Application>(app: &A, (mode, share, leave): (Mode, u8, Leave)) -> Result<()> {
    app.set_mode(mode);
    app.set_read_share(share)?;
    ensure!((app.status().mode, app.status().read_share) == (mode, share));
    what_was_under_way_has_ended(app, leave).await?;
    let before = app.status();
    for _ in 0..ASKED {
        let asked = Session::new().scope(app.read_asking(Hint::Replica, 0));
        ensure!(asked.await? == 0);
    }
    let enough = async {
        while Ran::between(&before, &app.status()).on_primary < LOAD * 4 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = timeout(Duration::from_secs(30), enough).await;
    waited.context("there was no load")?;
    let after = app.status();
    let ran = Ran::between(&before, &after);
    let counted = |reason| ran.reasons.get(reason).copied().unwrap_or_default();
    let kept = counted("opt_in") + counted("share") + counted("shadow");
    let (left, stayed) = (ran.on_replicas, |reason| {
        counted(reason) > LOAD && counted(reason) == kept
    });
    ensure!(
        match leave {
            Leave::All => left > LOAD && kept == 0,
            Leave::Some(reason) => left > LOAD && stayed(reason),
            Leave::Asked(reason) => left == ASKED && stayed(reason),
            Leave::None(reason) => left == 0 && stayed(reason),
        },
        "{ran:?}"
    );
    let judged = after.shadow.statements - before.shadow.statements;
    ensure!(
        (judged > LOAD) == (mode == Mode::Shadow),
        "{judged} were judged"
    );
    Ok(())
}

/// Statements that were routed before a switch end where they are.
async fn what_was_under_way_has_ended<A: Application>(app: &A, leave: Leave) -> Result<()> {
    let on_replicas = |status: Status| {
        let nodes = status
            .nodes
            .into_iter()
            .filter(|node| node.role == Role::Replica);
        nodes.map(|node| node.in_flight).sum::<u32>()
    };
    let ended = async {
        // one may have been routed and not be counted as in flight yet
        for _ in 0..20 {
            sleep(Duration::from_millis(10)).await;
            while !matches!(leave, Leave::All | Leave::Some(_)) && on_replicas(app.status()) > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let waited = timeout(Duration::from_secs(10), ended).await;
    waited.context("statements go on on replicas")
}

/// Shadow mode on replicas that lag by half a second: it opens no connection of theirs, and counts what they
/// would have missed and nothing else.
///
/// # Errors
/// One of these does not hold.
pub async fn shadow_mode_finds_what_replicas_would_have_missed<A: Application>() -> Result<()> {
    let (cluster, database, first) = start::<A>(Delay::Ms500).await?;
    first.close().await?;
    let mut settings = Settings::of(&database);
    settings.mode = Mode::Shadow;
    let app = A::connect(&settings).await?;
    knows_its_replicas(&app).await?;

    let read_at_once = || try_join_all((0..40).map(|_| app.read(0)));
    read_at_once().await?;
    let replica = cluster.replicas().first().context("a replica")?;
    let connections = async || replica.backend_pids_in(database.name(), APP_ROLE).await;
    // a prober's, while it is replaced both
    ensure!(
        connections().await?.len() <= 2,
        "{:?}",
        connections().await?
    );
    ensure!(
        app.status().shadow.hazards == 0,
        "{:?}",
        app.status().shadow
    );

    let before = app.status().shadow;
    for value in 1..=10 {
        let request = async {
            app.write(1, value).await?;
            app.read(1).await
        };
        ensure!(Session::new().scope(request).await? == value);
    }
    let seen = difference(&before, &app.status().shadow);
    ensure!(seen == (10, 10, 10), "at once: {seen:?}");

    let before = app.status().shadow;
    let patient = async {
        app.write(2, 1).await?;
        sleep(Duration::from_millis(2_500)).await;
        app.read(2).await
    };
    Session::new().scope(patient).await?;
    let (_, hazards, behind) = difference(&before, &app.status().shadow);
    ensure!(
        (hazards, behind) == (0, 0),
        "when they have it: {:?}",
        app.status()
    );

    app.set_mode(Mode::Automatic);
    read_at_once().await?;
    ensure!(
        connections().await?.len() > 2,
        "the control: {:?}",
        app.status()
    );
    app.close().await
}

/// Reads after writes, hazards, and reads for which no replica was fresh enough.
fn difference(before: &ShadowStatus, after: &ShadowStatus) -> (u64, u64, u64) {
    let behind = |shadow: &ShadowStatus| {
        let reasons =
            ["floor_not_met", "too_stale"].map(|reason| shadow.reasons.get(reason).copied());
        reasons.into_iter().flatten().sum::<u64>()
    };
    (
        after.reads_after_write - before.reads_after_write,
        after.hazards - before.hazards,
        behind(after) - behind(before),
    )
}

/// Waits until reads would leave the primary.
async fn knows_its_replicas<A: Application>(app: &A) -> Result<()> {
    let known = async {
        let would_leave = || {
            let would = app.explain("SELECT 1").would?;
            (would.role == Role::Replica).then_some(())
        };
        while would_leave().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = timeout(Duration::from_secs(10), known).await;
    waited.with_context(|| format!("{:?}", app.status()))
}
