//! A session's floor on its way to another process, and back in.
//!
//! Decides which position stands for what a session has written and read, and from which instant on a
//! replica has what a token tells of. Costs no question on the way of a statement: at most one sample,
//! which all who wait share, when a token is made or one is ahead of what is known.

use std::pin::pin;
use std::time::SystemTime;

use crate::clock::Moment;
use crate::freshness::Freshness;
use crate::session::SessionKey;
use crate::shared::Shared;
use crate::splitter::Splitter;
use crate::token::{Claims, SessionToken, TokenError, TokenKeys, TokenRefusal};

/// Whether something is known by now.
pub(crate) enum Known<T> {
    Yes(T),
    /// The primary has to be sampled.
    NotYet,
}

impl Splitter {
    /// What these sessions have written and read, as text for another process.
    ///
    /// # Errors
    /// No keys are configured, or the primary's position is not known and could not be asked for within
    /// twice the probe deadline.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn token(
        &self,
        sessions: impl IntoIterator<Item = SessionKey>,
    ) -> Result<SessionToken, TokenError> {
        let shared = &self.shared;
        let keys = shared.token_keys()?;
        let floor = shared.sessions.highest(sessions);
        // what a raw handle may still write comes after the token
        let floor = floor.min(shared.clock.now());
        let floor = match shared.nobody_can_lag() {
            true => Moment::NEVER,
            false => floor,
        };
        let claims = shared
            .sampled(|freshness| claims_after(freshness, floor).map_or(Known::NotYet, Known::Yes));
        let claims = claims.await.ok_or(TokenError::NoPosition)?;
        Ok(keys.sign(claims, SystemTime::now()))
    }

    /// When the session has written last, as far as is remembered.
    #[cfg(feature = "tower")]
    pub(crate) fn wrote_at(&self, session: SessionKey) -> Moment {
        self.shared.sessions.wrote_at(session)
    }

    /// From now on the session has written what the token tells of. Where that cannot be found out because
    /// the primary does not answer, the session reads nothing older than what is written by now. Without
    /// replicas nobody lags, and nothing is looked at.
    ///
    /// # Errors
    /// No keys are configured, or the token is refused; the session is then as before.
    ///
    /// # Cancel safety
    /// The session is as before if the future is dropped.
    pub async fn resume(&self, session: SessionKey, token: &str) -> Result<(), TokenError> {
        let shared = &self.shared;
        if shared.topology().replicas().is_empty() {
            return Ok(());
        }
        let claims = shared.token_keys()?.check(token, SystemTime::now())?;
        let started = shared.clock.now();
        let judged = shared.sampled(|freshness| judge(freshness, claims, started));
        match judged.await {
            Some(Ok(floor)) => shared.sessions.wrote(session, floor),
            Some(Err(refusal)) => return Err(refusal.into()),
            None => self.wrote(session),
        }
        Ok(())
    }
}

/// What stands for everything up to a floor; `None` if no sample was taken after it.
pub(crate) fn claims_after(freshness: &Freshness, floor: Moment) -> Option<Claims> {
    let primary = freshness.primary()?;
    let position = match floor {
        Moment::NEVER => crate::Lsn::default(),
        floor => freshness.position_after(floor)?,
    };
    Some(Claims {
        system: primary.system,
        timeline: primary.timeline,
        position,
    })
}

/// The floor that a token asks for.
pub(crate) fn judge(
    freshness: &Freshness,
    claims: Claims,
    started: Moment,
) -> Known<Result<Moment, TokenRefusal>> {
    let Some(primary) = freshness.primary() else {
        return Known::NotYet;
    };
    if primary.system != claims.system {
        return Known::Yes(Err(TokenRefusal::OtherCluster));
    }
    if primary.timeline != claims.timeline {
        return Known::Yes(Err(TokenRefusal::OtherTimeline));
    }
    if claims.position == crate::Lsn::default() {
        return Known::Yes(Ok(Moment::NEVER));
    }
    match freshness.reached(claims.position) {
        Some(reached) => Known::Yes(Ok(reached.just_before())),
        None if freshness.is_sampled_after(started) => {
            Known::Yes(Err(TokenRefusal::AheadOfPrimary))
        }
        None => Known::NotYet,
    }
}

impl Shared {
    fn token_keys(&self) -> Result<&TokenKeys, TokenError> {
        self.options.token_keys.as_ref().ok_or(TokenError::NoKeys)
    }

    /// Whether every node reads what the primary writes.
    fn nobody_can_lag(&self) -> bool {
        let topology = self.topology();
        let mut replicas = topology.replicas().iter();
        replicas.all(|node| node.shares_storage())
    }

    /// Looks until it is known, asking for samples of the primary; `None` if that takes too long.
    async fn sampled<T>(&self, look: impl Fn(&Freshness) -> Known<T>) -> Option<T> {
        let limit = self.options.probe_deadline * 2;
        let until_known = async {
            loop {
                let mut learned = pin!(self.learned.notified());
                // before looking: what is learned in between must wake
                learned.as_mut().enable();
                match self.freshness(&look) {
                    Known::Yes(known) => return known,
                    Known::NotYet => {}
                }
                self.primary.probe_wanted.notify_one();
                learned.await;
            }
        };
        if self.topology().replicas().is_empty() {
            return None; // nothing is sampled
        }
        tokio::time::timeout(limit, until_known).await.ok()
    }
}
