//! Tokens as text.
//!
//! 45 bytes in URL-safe base64 without padding (RFC 4648, section 5): version, time of expiry in seconds
//! since 1970, system identifier, timeline, position, all big-endian, and 128 bits of HMAC over them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::position::Lsn;

const VERSION: u8 = 1;
const BODY: usize = 29;
pub(super) const TAG: usize = 16;
/// Characters of a token: nothing longer is looked at.
const CHARACTERS: usize = (BODY + TAG) / 3 * 4;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) system: u64,
    pub(crate) timeline: u32,
    pub(crate) position: Lsn,
}

pub(super) fn body_of(claims: Claims, expires: u64) -> [u8; BODY] {
    let fields: [&[u8]; 5] = [
        &[VERSION],
        &expires.to_be_bytes(),
        &claims.system.to_be_bytes(),
        &claims.timeline.to_be_bytes(),
        &claims.position.0.to_be_bytes(),
    ];
    let mut body = [0; BODY];
    let bytes = fields.into_iter().flatten();
    body.iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    body
}

/// What the body says, and when that expires.
pub(super) fn claims_of(body: &[u8; BODY]) -> Option<(Claims, u64)> {
    let (version, rest) = body.split_first_chunk::<1>()?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (system, rest) = rest.split_first_chunk()?;
    let (timeline, rest) = rest.split_first_chunk()?;
    let (position, _) = rest.split_first_chunk()?;
    let claims = Claims {
        system: u64::from_be_bytes(*system),
        timeline: u32::from_be_bytes(*timeline),
        position: Lsn(u64::from_be_bytes(*position)),
    };
    (*version == [VERSION]).then_some((claims, u64::from_be_bytes(*expires)))
}

pub(super) fn encode(body: &[u8; BODY], tag: &[u8; TAG]) -> String {
    let bytes: Vec<u8> = body.iter().chain(tag).copied().collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(token: &str) -> Option<([u8; BODY], [u8; TAG])> {
    if token.len() != CHARACTERS {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, tag) = bytes.split_first_chunk()?;
    Some((*body, tag.try_into().ok()?))
}
