//! What holds for every text that somebody may pass off as a token: shared by the tests and the fuzz target.
//!
//! Reads tokens on its own, from what is written of their form, so that it agrees with the library only where
//! both are right.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each program uses it in its own way"
)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that sets up nonsense fails"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use orm_split_core::{
    Options, Role, SessionKey, SessionToken, Splitter, TokenError, TokenKeys, TokenRefusal,
};
use sha2::Sha256;

use crate::fake::{World, asks};

/// The first signs, the first two are accepted.
pub const SECRETS: [&str; 3] = [
    "a secret of at least thirty-two bytes",
    "the one before it, for as long as its tokens live",
    "one that only a stranger knows, of the same length",
];
const ACCEPTED: usize = 2;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub fn options() -> Options {
    let keys = TokenKeys::new(SECRETS[0]).and_then(|keys| keys.accept(SECRETS[1]));
    let mut options = Options::default();
    options.token_keys = Some(keys.expect("long enough"));
    // the replica stays where it is, in virtual time for hours
    options.max_staleness = None;
    options
}

/// The fields of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    pub version: u8,
    /// In seconds since 1970.
    pub expires: u64,
    pub system: u64,
    pub timeline: u32,
    pub position: u64,
}

impl Fields {
    fn body(self) -> [u8; 29] {
        let mut body = [0; 29];
        body[0] = self.version;
        body[1..9].copy_from_slice(&self.expires.to_be_bytes());
        body[9..17].copy_from_slice(&self.system.to_be_bytes());
        body[17..21].copy_from_slice(&self.timeline.to_be_bytes());
        body[21..].copy_from_slice(&self.position.to_be_bytes());
        body
    }

    fn of(body: &[u8]) -> Self {
        let number = |range: std::ops::Range<usize>| {
            let digits = body[range].iter();
            digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        Self {
            version: body[0],
            expires: number(1..9),
            system: number(9..17),
            timeline: u32::try_from(number(17..21)).expect("four bytes"),
            position: number(21..29),
        }
    }

    /// The token of these fields, as whoever knows the secret makes it.
    pub fn signed(self, secret: &str) -> String {
        let body = self.body();
        let mut bytes = body.to_vec();
        bytes.extend(tag(secret, &body));
        text(&bytes)
    }
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

fn tag(secret: &str, body: &[u8]) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body);
    mac.finalize().into_bytes()[..16]
        .try_into()
        .expect("16 of 32")
}

fn text(bytes: &[u8]) -> String {
    let characters = bytes.chunks(3).flat_map(|three| {
        let bits = three
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[bits >> shift & 63]))
    });
    characters.collect()
}

/// The fields and the signature of a text, if it has the form of a token.
fn read(text: &str) -> Option<(Fields, Vec<u8>)> {
    if text.len() != 60 {
        return None;
    }
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for character in four {
            bits = bits << 6 | ALPHABET.iter().position(|known| known == character)?;
        }
        bytes.extend([16, 8, 0].map(|shift| u8::try_from(bits >> shift & 255).expect("a byte")));
    }
    let tag = bytes.split_off(29);
    Some((Fields::of(&bytes), tag))
}

/// The pieces of a text that would be accepted.
pub fn accepted(text: &str, position: u64) -> usize {
    let pieces = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let verdicts = pieces.map(|piece| verdict(piece, position));
    verdicts
        .filter(|verdict| !matches!(verdict, Some(Err(_))))
        .count()
}

/// What has to become of a text, on a cluster whose primary has come as far as `position`; `None` while its
/// time is ending just now.
fn verdict(text: &str, position: u64) -> Option<Result<Fields, TokenRefusal>> {
    let Some((fields, signature)) = read(text) else {
        return Some(Err(TokenRefusal::Malformed));
    };
    let mut accepted = SECRETS[..ACCEPTED].iter();
    let now = now();
    Some(match fields {
        _ if !accepted.any(|secret| tag(secret, &fields.body())[..] == signature[..]) => {
            Err(TokenRefusal::Forged)
        }
        Fields { version, .. } if version != 1 => Err(TokenRefusal::Malformed),
        Fields { expires, .. } if expires.abs_diff(now) < 2 => return None,
        Fields { expires, .. } if expires < now => Err(TokenRefusal::Expired),
        Fields { system, .. } if system != 1 => Err(TokenRefusal::OtherCluster),
        Fields { timeline, .. } if timeline != 1 => Err(TokenRefusal::OtherTimeline),
        Fields {
            position: ahead, ..
        } if ahead > position => Err(TokenRefusal::AheadOfPrimary),
        fields => Ok(fields),
    })
}

fn reads_from(splitter: &Splitter, session: SessionKey) -> Role {
    splitter.explain("SELECT 1", asks(session)).role
}

/// A session that is given `text` accepts it if, and only if, it was made with an accepted key, for this
/// history, and lives; then it reads nothing older, and else it is as before. The world's one replica stands
/// at 100. Whether it was accepted.
pub async fn check(world: &World, text: &str) -> bool {
    let position = world.primary().fake.lock().position;
    let splitter = &world.splitter;
    let session = SessionKey::made();
    let Some(expected) = verdict(text, position) else {
        return false;
    };
    let resumed = splitter.resume(session, text).await;
    let refused = expected.err().map(TokenError::Refused);
    assert_eq!(resumed.err(), refused, "{text:?}");
    let replica_has_it = expected.map_or(true, |fields| fields.position <= 100);
    if !replica_has_it {
        assert_eq!(reads_from(splitter, session), Role::Primary, "{text:?}");
    }
    if refused.is_some() {
        assert_eq!(reads_from(splitter, session), Role::Replica, "{text:?}");
    }
    splitter.end_session(session);
    refused.is_none()
}

/// `changed` came of a token by some change, and is no token any more.
pub async fn check_changed(world: &World, token: &str, changed: &str) {
    let accepted = check(world, changed).await;
    assert!(!accepted || changed == token, "{token:?} {changed:?}");
}

/// Ten megabytes are refused twenty times in less time than it takes to decode them once.
pub async fn check_long(world: &World, text: &str) {
    const LONG: usize = 10 << 20;
    let long = text.repeat(LONG.div_ceil(text.len().max(1)));
    let session = SessionKey::made();
    let started = SystemTime::now();
    for _ in 0..20 {
        let resumed = world.splitter.resume(session, &long).await;
        let malformed = TokenError::Refused(TokenRefusal::Malformed);
        assert_eq!(resumed, Err(malformed));
    }
    let took = started.elapsed().unwrap_or_default();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// A token of the library's holds its fields and nothing else, whatever nodes and users are called.
pub fn check_made(token: &SessionToken, position: u64) {
    let (fields, signature) = read(token.as_str()).expect("it has the form of a token");
    let expected = Fields {
        version: 1,
        expires: fields.expires,
        system: 1,
        timeline: 1,
        position,
    };
    assert_eq!(fields, expected);
    assert!(fields.expires.abs_diff(now() + 300) <= 2, "{fields:?}");
    assert_eq!(
        token.as_str(),
        fields.signed(SECRETS[0]),
        "nothing is left over"
    );
    assert_eq!(signature, tag(SECRETS[0], &fields.body()));
}
