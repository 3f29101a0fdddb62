//! The shared routing cases, sent to real servers through either ORM in each way in which applications
//! send text.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::timeout;

use crate::application::{Application, Ran, Way};
use crate::cases::Case;

/// A case as it ran in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its line in the file of cases.
    pub line: usize,
    /// How it was sent.
    pub way: Way,
    /// Where it ran, and why.
    pub ran: Ran,
}

/// Longer than any statement may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends each case in each way, in a session of its own, and checks where it ran. What it did there, and
/// whether it failed, is no matter.
///
/// # Errors
/// One ran elsewhere than it has to, or for another reason than its row says.
#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
pub async fn send_all<A: Application>(app: &A, cases: &[Case]) -> Result<Vec<Sent>> {
    let mut all = Vec::new();
    for case in cases {
        for way in Way::ALL {
            let (app, case) = (app.clone(), case.clone());
            let in_a_task = tokio::spawn(async move { send(&app, way, &case).await });
            all.push(in_a_task.await??);
        }
    }
    Ok(all)
}

async fn send<A: Application>(app: &A, way: Way, case: &Case) -> Result<Sent> {
    let shown = || format!("line {}, {way:?}: {}", case.line, case.sql);
    if way == Way::ALL[0] {
        // before it has ever run: what a replica refuses is remembered
        let route = app.explain(&case.sql);
        let told = match route.reason.cause() {
            Some(cause) => format!("primary:{}", cause.as_str()),
            None => route.reason.as_str().to_owned(),
        };
        ensure!(told == case.expected, "{}: explained as {told}", shown());
    }
    let before = app.status();
    drop(timeout(PATIENCE, app.send(way, &case.sql)).await);
    let ran = Ran::between(&before, &app.status());
    let first = ran
        .first_role()
        .with_context(|| format!("{} was sent nowhere", shown()))?;
    // a replica that refused it may pass it on, but only what was called a read gets there
    ensure!(
        first == A::belongs(way, case.role),
        "{} ran on {first:?}",
        shown()
    );
    let line = case.line;
    Ok(Sent { line, way, ran })
}

/// Checks that both adapters did the same with each case: the same nodes, for the same reasons.
///
/// # Errors
/// The first case with which they did not.
pub fn agree<A: Application, B: Application>(one: &[Sent], other: &[Sent]) -> Result<()> {
    ensure!(
        one.len() == other.len(),
        "{} and {} were sent",
        one.len(),
        other.len()
    );
    for (one, other) in one.iter().zip(other) {
        use orm_split::sea_orm::Role::Replica;
        // a way in which one of them sends to the primary whatever the text says
        let is_alike = A::belongs(one.way, Replica) == B::belongs(one.way, Replica);
        ensure!(
            !is_alike || one == other,
            "the adapters differ: {one:?} and {other:?}"
        );
    }
    Ok(())
}
