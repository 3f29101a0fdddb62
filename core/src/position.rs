//! A point in PostgreSQL's write history, made comparable.
//!
//! Decides how a printed position is read. Must never make a position larger than the server
//! meant: everything committed lies at or below it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A PostgreSQL log sequence number: a byte position in the write-ahead log.
///
/// ```
/// use orm_split_core::Lsn;
///
/// let lsn: Lsn = "1/A0".parse()?;
/// assert_eq!(lsn.to_string(), "1/A0");
/// assert!(lsn < "1/A1".parse()?);
/// # Ok::<(), orm_split_core::ParseLsnError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub(crate) u64);

/// The text is not a position of the form `16/B374D848`.
///
/// ```
/// use orm_split_core::Lsn;
///
/// let error = "yesterday".parse::<Lsn>().unwrap_err();
/// assert!(error.to_string().contains("yesterday"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position: expected two hexadecimal numbers like `16/B374D848`")]
pub struct ParseLsnError(String);

/// Size of a WAL page in every PostgreSQL that was not built specially (`wal_block_size`).
const PAGE: u64 = 8192;
/// Bytes of the header at the start of a page (`SizeOfXLogShortPHD`, PostgreSQL's `xlog_internal.h`).
const PAGE_HEADER: u64 = 24;
/// Bytes of the header at the start of a segment (`SizeOfXLogLongPHD`).
const SEGMENT_HEADER: u64 = 40;

impl Lsn {
    /// After every position.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The position with a page header that holds no record taken off.
    ///
    /// At a page boundary the primary prints its insert position *after* the header of the new
    /// page, while a replica that has replayed everything prints the position *before* it. Without
    /// this an idle replica looks 24 bytes behind (40 at the start of a segment) until the next
    /// record is written.
    ///
    /// `segment` is `wal_segment_size` in bytes; 0 means that it is not known, which leaves
    /// positions at the start of a segment as they are.
    #[must_use]
    pub fn normalised(self, segment: u64) -> Self {
        let in_page = self.0 % PAGE;
        let page = self.0 - in_page;
        let starts_segment = segment != 0 && page.is_multiple_of(segment);
        let header = if starts_segment {
            SEGMENT_HEADER
        } else {
            PAGE_HEADER
        };
        if in_page == header { Self(page) } else { self }
    }

    /// How many bytes of log lie between `earlier` and this position; zero if it is not earlier.
    #[must_use]
    pub fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseLsnError(text.chars().take(40).collect());
        let (high, low) = text.split_once('/').ok_or_else(refused)?;
        let part = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain
                .then(|| u32::from_str_radix(digits, 16).ok())
                .flatten()
        };
        let high = part(high).ok_or_else(refused)?;
        let low = part(low).ok_or_else(refused)?;
        Ok(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SEGMENT: u64 = 16 << 20;

    #[rstest]
    #[case::after_a_page_header("0/3002018", "0/3002000")]
    #[case::after_a_segment_header("0/3000028", "0/3000000")]
    #[case::a_record_of_24_bytes_at_a_segment_start("0/3000018", "0/3000018")]
    #[case::a_record_of_40_bytes_at_a_page_start("0/3002028", "0/3002028")]
    #[case::within_a_page("0/3002100", "0/3002100")]
    fn page_headers_are_taken_off(#[case] printed: Lsn, #[case] meant: Lsn) {
        assert_eq!(printed.normalised(SEGMENT), meant);
        assert_eq!(meant.normalised(SEGMENT), meant);
    }

    #[rstest]
    #[case("")]
    #[case("0")]
    #[case("0/")]
    #[case("/0")]
    #[case("0/+1")]
    #[case("0/1/2")]
    #[case("100000000/0")]
    #[case("0/G")]
    fn other_texts_are_refused(#[case] text: &str) {
        assert!(text.parse::<Lsn>().is_err());
    }
}
