//! Random traces, made shorter when they break something.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::judge::Violation;
use super::mood::Mood;
use super::process::Counts;
use super::protocol::Protocol;
use super::system::{Action, Scope, System};

/// An action, and whether it happens in the same instant as the one before.
pub(super) type Trace = Vec<(Action, bool)>;

/// What was run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ran {
    pub(super) traces: u64,
    pub(super) steps: u64,
    pub(super) counts: Counts,
    pub(super) stricter: u64,
    pub(super) looser: u64,
}

/// Runs one trace; the violation, if it ends with one.
pub(super) fn replay<P: Protocol>(scope: Scope, protocol: &P, trace: &Trace) -> Option<Violation> {
    let mut system = System::new(scope, protocol);
    if let Err(violation) = system.settle() {
        return Some(violation);
    }
    let mut steps = trace.iter();
    steps.find_map(|(action, ties)| system.step(*action, *ties).err())
}

/// Runs so many random traces from one seed; the first that breaks a guarantee, made as short as leaving
/// out single actions makes it.
pub(super) fn search<P: Protocol>(
    scope: Scope,
    protocol: &P,
    seed: u64,
    traces: u64,
    length: usize,
) -> Result<Ran, (Trace, Violation)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut ran = Ran::default();
    let mut settled = System::new(scope, protocol);
    let settling = settled.settle();
    settling.map_err(|violation| (Vec::new(), violation))?;
    for _ in 0..traces {
        ran.traces += 1;
        let mut system = settled.clone();
        let mut trace = Vec::with_capacity(length);
        let mut mood = Mood::draw(scope, &mut rng);
        for _ in 0..length {
            let step = mood.step(&mut rng);
            match system.step(step.0, step.1) {
                Ok(false) => {}
                Ok(true) => {
                    ran.steps += 1;
                    trace.push(step);
                }
                Err(_) => {
                    trace.push(step);
                    return Err(shorten(scope, protocol, trace));
                }
            }
        }
        for process in &system.processes {
            let (of, counts) = (&mut ran.counts, process.counts);
            of.reads += counts.reads;
            of.on_replicas += counts.on_replicas;
            of.refused_tokens += counts.refused_tokens;
            of.taken_tokens += counts.taken_tokens;
            let (stricter, looser) = process.protocol.differences();
            ran.stricter += stricter;
            ran.looser += looser;
        }
    }
    Ok(ran)
}

fn shorten<P: Protocol>(scope: Scope, protocol: &P, mut trace: Trace) -> (Trace, Violation) {
    let breaks = |trace: &Trace| replay(scope, protocol, trace);
    let mut index = trace.len();
    while index > 0 {
        index -= 1;
        let mut shorter = trace.clone();
        shorter.remove(index);
        if breaks(&shorter).is_some() {
            trace = shorter;
            index = trace.len();
        }
    }
    for index in 0..trace.len() {
        let mut plainer = trace.clone();
        plainer[index].1 = false;
        if breaks(&plainer).is_some() {
            trace = plainer;
        }
    }
    let violation = breaks(&trace).unwrap_or(Violation("it does not break twice".to_owned()));
    (trace, violation)
}
