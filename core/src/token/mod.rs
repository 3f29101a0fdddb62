//! Tokens: a session's floor, to be carried to another process.
//!
//! Decides which tokens are accepted. A token says where the primary's history was, never who or where a
//! server is; it is authenticated and expires. One that is not accepted is refused with a reason: it
//! makes no floor, so nobody can pin a reader to the primary with it.

mod keys;
mod text;

use std::fmt;

pub use keys::TokenKeys;
pub(crate) use text::Claims;

/// A session's floor as text: 60 characters that may stand in a URL, a header or a cookie.
///
/// ```
/// use orm_split_core::SessionToken;
///
/// fn header(token: &SessionToken) -> (&'static str, &str) {
///     ("x-session", token.as_str())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SessionToken {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a token was not accepted. The session is then as new.
///
/// ```
/// use orm_split_core::TokenRefusal;
///
/// assert_eq!(TokenRefusal::Expired.to_string(), "the token has expired");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// It is no token, or one of a later version of the library.
    #[error("the text is no token")]
    Malformed,
    /// None of the accepted keys signed it.
    #[error("the token was not signed with an accepted key")]
    Forged,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is from a database of another cluster.
    #[error("the token is from another cluster")]
    OtherCluster,
    /// It is from before a promotion, or after one that is not seen here yet.
    #[error("the token is from another timeline")]
    OtherTimeline,
    /// The primary has not come as far: it is on another history.
    #[error("the token is ahead of the primary")]
    AheadOfPrimary,
}

/// Why there is no token.
///
/// ```
/// use orm_split_core::TokenError;
///
/// assert_eq!(TokenError::NoKeys.to_string(), "no token keys are configured");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The builder was given no keys, see `token_keys`.
    #[error("no token keys are configured")]
    NoKeys,
    /// Nothing is known of the primary's position: there are no replicas, it is down, or it has none.
    #[error("the primary's position is not known")]
    NoPosition,
    /// A token that was given is not accepted.
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
}
