//! The keys that sign tokens, and those that are accepted.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::text::{self, Claims, TAG};
use super::{SessionToken, TokenRefusal};
use crate::config::ConfigError;

/// HMAC with SHA-256 (RFC 2104, FIPS 180-4), of which a token holds the first 128 bits.
type Signer = Hmac<Sha256>;

/// A shorter secret can be guessed.
const SHORTEST: usize = 32;

/// The keys of tokens: one signs, several are accepted, so that a secret can be replaced while tokens are
/// under way. All processes between which tokens travel need the same.
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::TokenKeys;
///
/// let keys = TokenKeys::new("a secret of at least thirty-two bytes")?
///     .accept("the one before it, for as long as its tokens live")?
///     .lifetime(Duration::from_secs(60));
/// # drop(keys);
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct TokenKeys {
    signs: Signer,
    accepted: Vec<Signer>,
    lifetime: Duration,
}

impl fmt::Debug for TokenKeys {
    /// Leaves out the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys")
            .field("accepted", &(self.accepted.len() + 1))
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Signs and accepts tokens with a secret of at least 32 bytes, which live for 5 minutes.
    ///
    /// # Errors
    /// The secret is shorter.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Ok(Self {
            signs: signer(secret.as_ref())?,
            accepted: Vec::new(),
            lifetime: Duration::from_secs(300),
        })
    }

    /// Accepts tokens that were signed with another secret, too.
    ///
    /// # Errors
    /// The secret has less than 32 bytes.
    pub fn accept(mut self, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.accepted.push(signer(secret.as_ref())?);
        Ok(self)
    }

    /// How long tokens live, by the clocks of the machines that sign and check them. Default 5 minutes: a
    /// replica that is further behind takes no reads anyway, unless `max_staleness` is larger.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    #[cfg(feature = "tower")]
    pub(crate) const fn lives(&self) -> Duration {
        self.lifetime
    }

    pub(crate) fn sign(&self, claims: Claims, now: SystemTime) -> SessionToken {
        let expires = seconds(now).saturating_add(self.lifetime.as_secs().max(1));
        let body = text::body_of(claims, expires);
        let mut signer = self.signs.clone();
        signer.update(&body);
        let mut tag = [0; TAG];
        let signed = signer.finalize().into_bytes();
        tag.iter_mut().zip(signed).for_each(|(to, from)| *to = from);
        SessionToken(text::encode(&body, &tag))
    }

    pub(crate) fn check(&self, token: &str, now: SystemTime) -> Result<Claims, TokenRefusal> {
        let (body, tag) = text::decode(token).ok_or(TokenRefusal::Malformed)?;
        let mut keys = std::iter::once(&self.signs).chain(&self.accepted);
        let is_signed = keys.any(|key| {
            let mut signer = key.clone();
            signer.update(&body);
            // takes as long wherever it differs
            signer.verify_truncated_left(&tag).is_ok()
        });
        if !is_signed {
            return Err(TokenRefusal::Forged);
        }
        // nothing of it is believed before here
        let (claims, expires) = text::claims_of(&body).ok_or(TokenRefusal::Malformed)?;
        if seconds(now) >= expires {
            return Err(TokenRefusal::Expired);
        }
        Ok(claims)
    }
}

fn signer(secret: &[u8]) -> Result<Signer, ConfigError> {
    let refused = || {
        let value = format!("a secret of {} bytes", secret.len());
        ConfigError::new("token_keys", value, format!("at least {SHORTEST} bytes"))
    };
    if secret.len() < SHORTEST {
        return Err(refused());
    }
    Signer::new_from_slice(secret).map_err(|_| refused())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::Lsn;

    const SECRET: &str = "a secret of at least thirty-two bytes";
    const OLDER: &str = "the one before it, for as long as its tokens live";

    fn keys() -> TokenKeys {
        TokenKeys::new(SECRET).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            system: 7_234_567,
            timeline: 3,
            position: Lsn(0x1_6000_0028),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_60_characters_that_may_stand_in_a_url() {
        let token = keys().sign(claims(), at(1_000));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert_eq!(token.as_str().len(), 60);
        assert!(token.as_str().chars().all(is_plain), "{token}");
    }

    #[test]
    fn it_lives_as_long_as_its_keys_say() {
        let keys = keys().lifetime(Duration::from_secs(60));
        let token = keys.sign(claims(), at(1_000));
        assert_eq!(keys.check(token.as_str(), at(1_059)), Ok(claims()));
        let after = keys.check(token.as_str(), at(1_060));
        assert_eq!(after, Err(TokenRefusal::Expired));
    }

    #[test]
    fn a_secret_is_replaced_while_tokens_are_under_way() {
        let older = TokenKeys::new(OLDER).unwrap();
        let both = keys().accept(OLDER).unwrap();
        let token = older.sign(claims(), at(1_000));
        assert_eq!(both.check(token.as_str(), at(1_001)), Ok(claims()));
        let refused = keys().check(token.as_str(), at(1_001));
        assert_eq!(refused, Err(TokenRefusal::Forged));
        let newer = both.sign(claims(), at(1_000));
        assert_eq!(keys().check(newer.as_str(), at(1_001)), Ok(claims()));
    }

    #[test]
    fn a_short_secret_is_refused_and_no_secret_is_printed() {
        let error = TokenKeys::new("hunter2").unwrap_err().to_string();
        assert!(error.contains("token_keys") && error.contains("at least 32"));
        assert!(!error.contains("hunter2"), "{error}");
        let printed = format!("{:?}", keys().accept(OLDER).unwrap());
        assert!(!printed.contains("secret of") && !printed.contains("before"));
    }

    #[test]
    fn ten_megabytes_are_refused_unread() {
        let long = "A".repeat(10 << 20);
        assert_eq!(keys().check(&long, at(1)), Err(TokenRefusal::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_what_is_read(system: u64, timeline: u32, position: u64, now in 0_u64..1 << 40) {
            let claims = Claims { system, timeline, position: Lsn(position) };
            let token = keys().sign(claims, at(now));
            prop_assert_eq!(keys().check(token.as_str(), at(now)), Ok(claims));
        }

        #[test]
        fn a_changed_character_is_refused(index in 0_usize..60, to in "[A-Za-z0-9_-]") {
            let token = keys().sign(claims(), at(1_000)).to_string();
            let mut changed = token.clone();
            changed.replace_range(index..=index, &to);
            let accepted = keys().check(&changed, at(1_001)).is_ok();
            prop_assert_eq!(accepted, changed == token);
        }

        #[test]
        fn no_text_is_a_token_and_none_panics(text in ".{0,80}", tail in "[A-Za-z0-9_-]{60}") {
            prop_assert!(keys().check(&text, at(1)).is_err());
            prop_assert!(keys().check(&tail, at(1)).is_err());
        }

        #[test]
        fn a_truncated_token_is_refused(length in 0_usize..60) {
            let token = keys().sign(claims(), at(1_000)).to_string();
            let refused = keys().check(&token[..length], at(1_001));
            prop_assert_eq!(refused, Err(TokenRefusal::Malformed));
        }
    }
}
