//! What a read must see, told from what is true and what its session can know.
//!
//! Never asks the protocol.

use super::process::Statement;
use super::world::{Prefix, World};

/// A guarantee that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation(pub(super) String);

pub(super) type Step = Result<bool, Violation>;

/// Keeps the longest of each history.
pub(super) fn remember(known: &mut Vec<Prefix>, new: Prefix) {
    match known.iter_mut().find(|known| known.history == new.history) {
        Some(known) => known.length = known.length.max(new.length),
        None => known.push(new),
    }
}

/// What a read must see: of what its session wrote and read, that which survives and stands on every
/// history that the process took for the primary's meanwhile; of what its tokens told, all that survives,
/// unless the process has moved to a later history that lacks it.
pub(super) fn judge<M>(
    world: &World,
    statement: &Statement<M>,
    observed: &[usize],
    saw: Prefix,
) -> Result<(), Violation> {
    let surviving = world.surviving();
    let shared = |after: Option<usize>| {
        let after = after.map(|history| world.rank(history));
        let observed = observed
            .iter()
            .filter(|history| Some(world.rank(**history)) > after);
        let shared = observed.map(|history| world.common(World::all_of(*history), surviving));
        shared.min().unwrap_or(u64::MAX)
    };
    let longest = |known: &[Prefix], after: fn(&Prefix) -> Option<usize>| {
        let lengths = known.iter().map(|known| {
            let length = world.common(*known, surviving);
            length.min(shared(after(known)))
        });
        lengths.max().unwrap_or(0)
    };
    let own = longest(&statement.knows.own, |_| None);
    let told = longest(&statement.knows.told, |token| Some(token.history));
    let within_bound = statement.within_bound.min(shared(None));
    let saw = world.common(saw, surviving);
    let promises = [
        (own, "what it had written or read"),
        (told, "what a token had told it of"),
        (within_bound, "what the bound promises"),
    ];
    for (promised, what) in promises {
        if saw < promised {
            let node = statement.node;
            let text = format!("node {node} shows {saw} of {promised}: {what}");
            return Err(Violation(text));
        }
    }
    Ok(())
}
