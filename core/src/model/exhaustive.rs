//! Every order in which so many things can happen, in a small scope.
//!
//! States that differ in nothing but when things happened are one: only the order of instants counts, so
//! they are numbered anew before states are compared.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};

use super::judge::Violation;
use super::process::Process;
use super::protocol::Protocol;
use super::system::{Action, System};

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Explored {
    pub(super) states: u64,
    pub(super) steps: u64,
}

/// Looks at all that can come of `actions` in at most `depth` steps.
pub(super) struct Explorer<'a> {
    actions: &'a [Action],
    /// The states that were seen, and how many steps were left there.
    seen: HashMap<u64, u8>,
    explored: Explored,
    text: String,
    trace: Vec<Action>,
}

impl<'a> Explorer<'a> {
    pub(super) fn run<P: Protocol>(
        actions: &'a [Action],
        from: &System<P>,
        depth: u8,
    ) -> Result<Explored, (Vec<Action>, Violation)> {
        let mut explorer = Self {
            actions,
            seen: HashMap::new(),
            explored: Explored::default(),
            text: String::new(),
            trace: Vec::new(),
        };
        match explorer.go_on(from, depth) {
            Ok(()) => Ok(explorer.explored),
            Err(violation) => Err((explorer.trace, violation)),
        }
    }

    fn go_on<P: Protocol>(&mut self, from: &System<P>, left: u8) -> Result<(), Violation> {
        let fingerprint = self.fingerprint(from);
        let looked_at = self.seen.get(&fingerprint).copied();
        if looked_at.is_some_and(|before| before >= left) {
            return Ok(());
        }
        self.explored.states += u64::from(looked_at.is_none());
        self.seen.insert(fingerprint, left);
        if left == 0 {
            return Ok(());
        }
        for action in self.actions {
            let mut next = from.clone();
            self.trace.push(*action);
            if next.step(*action, false)? {
                self.explored.steps += 1;
                next.processes.iter_mut().for_each(Process::uncount);
                self.go_on(&next, left - 1)?;
            }
            self.trace.pop();
        }
        Ok(())
    }

    /// Of everything that is shown of a state, with instants by their rank.
    fn fingerprint<P: Protocol>(&mut self, system: &System<P>) -> u64 {
        const INSTANT: &str = "Moment(";
        self.text.clear();
        // writing to a string cannot fail
        write!(self.text, "{system:?}").unwrap_or_default();
        let number = |part: &str| {
            let end = part.find(')').unwrap_or(0);
            part.get(..end)
                .and_then(|digits| digits.parse::<u64>().ok())
        };
        let parts = self.text.split(INSTANT);
        let mut instants: Vec<u64> = parts.skip(1).filter_map(number).collect();
        instants.sort_unstable();
        instants.dedup();
        let mut hasher = DefaultHasher::new();
        for (index, part) in self.text.split(INSTANT).enumerate() {
            let instant = number(part).filter(|_| index > 0);
            // before every other instant stands none at all
            let rank = instant.map(|at| (at > 0, instants.binary_search(&at).unwrap_or(0)));
            if let Some((is_any, rank)) = rank {
                hasher.write_usize(if is_any { rank + 1 } else { 0 });
            }
            let rest = instant.and_then(|_| part.find(')')).unwrap_or(0);
            hasher.write(part.as_bytes().get(rest..).unwrap_or_default());
        }
        hasher.finish()
    }
}
