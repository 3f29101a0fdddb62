//! The same without the feature: nothing. Structs with braces, since they are made by `default()` as the others are.

use crate::clock::Clock;
use crate::error::Phase;
use crate::fault::Fault;
use crate::intent::Intent;
use crate::reason::Reason;
use crate::role::Role;

#[derive(Debug, Default)]
pub(crate) struct NodeMeters {}

#[derive(Debug, Default)]
pub(crate) struct Meters {}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch;

impl Stopwatch {
    #[inline]
    pub(crate) const fn start(_: &Clock) -> Self {
        Self
    }
}

impl NodeMeters {
    #[inline]
    pub(crate) const fn runs(&self, _: &str, _: Role, _: Reason) {}

    #[inline]
    pub(crate) const fn failed(&self, _: &str, _: Role, _: Phase, _: Fault) {}

    #[inline]
    pub(crate) const fn checked_out(&self, _: &str, _: Role, _: Stopwatch, _: &Clock) {}

    #[inline]
    pub(crate) const fn answered(&self, _: &str, _: Role, _: Stopwatch, _: &Clock) {}
}

impl Meters {
    #[inline]
    pub(crate) const fn decided(&self, _: Stopwatch, _: &Clock) {}

    #[inline]
    pub(crate) const fn ended(&self, _: Intent, _: bool, _: Stopwatch, _: &Clock) {}
}
