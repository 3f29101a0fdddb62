//! The words that rules ask about, found without allocation and without a loop over the list.
//!
//! A word's role here is only what it *can* be. Whether it is the keyword or somebody's column
//! is decided from its neighbours, in [`query`](super::query).

/// What an unquoted word can mean to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    /// No keyword the rules know.
    None,
    /// `AS`: the next word is a name.
    As,
    /// Reserved, and what follows in brackets is an expression or query, never arguments.
    Opens,
    /// As `Opens`; a table may follow.
    From,
    /// As `Opens`; a grouping element may follow.
    Distinct,
    /// As `Opens`; `ON (…)` behind it is followed by an expression.
    On,
    /// As `Opens`.
    Not,
    /// As `Opens`; ends a `WITH` list or a `GROUP BY` list.
    Clause,
    /// As `Clause`; makes the statement a query.
    Select,
    /// As `Clause`; makes the statement a query.
    Values,
    /// Makes the statement a query, but takes no brackets.
    Table,
    /// Starts a list of common table expressions.
    With,
    /// `RECURSIVE`
    Recursive,
    /// `MATERIALIZED`
    Materialized,
    /// `ORDER`: as `Clause`, and `BY` may follow.
    Order,
    /// `GROUP`: `BY` or, after `WITHIN`, a bracket may follow.
    Group,
    /// `PARTITION`: `BY` may follow.
    Partition,
    /// `BY`
    By,
    /// `ROLLUP`, `CUBE`
    Rollup,
    /// `GROUPING`
    Grouping,
    /// `SETS`
    Sets,
    /// `OVER`, `FILTER`, `REPEATABLE`: keywords behind a closing bracket.
    AfterCall,
    /// Keywords that take brackets behind an operand.
    Infix,
    /// `JOIN`
    Join,
    /// `LEFT`, `INNER` …: `JOIN` may follow.
    JoinSide,
    /// Precedes an expression, so what follows in brackets may be a call's arguments.
    Leads,
    /// `FETCH`: as `Clause`.
    Fetch,
    /// `FIRST`, `NEXT`
    FirstNext,
    /// `ORDINALITY`
    Ordinality,
    /// `OPERATOR`
    Operator,
    /// `TABLESAMPLE`
    Tablesample,
    /// `BERNOULLI`, `SYSTEM`
    SampleMethod,
    /// `CHARACTER`, `CHAR`, `BIT`, `NCHAR`: `VARYING` may follow.
    Character,
    /// `VARYING`
    Varying,
    /// `INTERVAL`: `SECOND` may follow.
    Interval,
    /// `TO`: as `Opens`; `SECOND` may follow.
    To,
    /// `SECOND`
    Second,
    /// `TIME`: `ZONE` may follow.
    Time,
    /// `ZONE`
    Zone,
    /// `FOR`: as `Clause`; a lock may follow.
    For,
    /// `SHARE`, `NO`, `KEY`: a lock behind `FOR`.
    LockStrength,
    /// `LOCK`: a lock wherever it stands.
    Lock,
    /// `VALUE`: takes a number from a sequence, if `FOR` follows.
    Value,
    /// `UPDATE`: a lock behind `FOR`, else a write.
    Update,
    /// `INSERT`, `DELETE`, `MERGE`
    Modify,
    /// `INTO`
    Into,
    /// `TEMP`, `TEMPORARY`, `LOCAL`, `GLOBAL`: a temporary table behind `INTO`.
    Temporary,
    /// `CURRENT_USER` and its like: calls without brackets that answer for the session.
    SessionValue,
}

impl Keyword {
    /// Whether a query can start with it.
    #[inline]
    pub(super) const fn starts_query(self) -> bool {
        matches!(self, Self::Select | Self::Values | Self::Table | Self::With)
    }

    /// Whether a bracket behind it never holds arguments, whatever stands before it.
    #[inline]
    pub(super) const fn opens(self) -> bool {
        matches!(
            self,
            Self::As
                | Self::Opens
                | Self::From
                | Self::On
                | Self::Not
                | Self::Distinct
                | Self::Group
                | Self::To
                | Self::Clause
                | Self::Select
                | Self::Values
        )
    }
}

const SLOTS: usize = 512;
const LONGEST: usize = 16;

/// A hash table of keywords, built when the program is compiled.
#[derive(Debug)]
pub(super) struct KeywordTable {
    slots: [(u128, Keyword); SLOTS],
    /// For each length, the first letters of the keywords that long: most names end here.
    firsts: [u32; LONGEST + 1],
}

impl KeywordTable {
    #[allow(clippy::indexing_slicing, reason = "runs only while compiling")]
    pub(super) const fn new(groups: &[(Keyword, &[&str])]) -> Self {
        let mut slots = [(0, Keyword::None); SLOTS];
        let mut firsts = [0; LONGEST + 1];
        let mut group = 0;
        while group < groups.len() {
            let (keyword, words) = groups[group];
            let mut word = 0;
            while word < words.len() {
                let key = pack(words[word].as_bytes());
                let mut slot = slot_of(key);
                while slots[slot].0 != 0 {
                    slot = (slot + 1) % SLOTS;
                }
                slots[slot] = (key, keyword);
                let bytes = words[word].as_bytes();
                firsts[bytes.len()] |= letter(bytes[0]);
                word += 1;
            }
            group += 1;
        }
        Self { slots, firsts }
    }

    /// The role of the word between two positions of a text, in whatever case it is written.
    #[inline]
    pub(super) fn find(&self, sql: &[u8], start: usize, end: usize) -> Keyword {
        let length = end - start;
        let (Some(first), Some(&firsts)) = (sql.get(start), self.firsts.get(length)) else {
            return Keyword::None;
        };
        if firsts & letter(*first) == 0 {
            return Keyword::None;
        }
        // read 16 bytes at once and cut them, unless the text ends before
        let key = match sql.get(start..).and_then(<[u8]>::first_chunk::<LONGEST>) {
            Some(bytes) => fold(u128::from_le_bytes(*bytes), length),
            None => pack(sql.get(start..end).unwrap_or_default()),
        };
        self.role(key)
    }

    /// The role of the word with this key.
    #[inline(always)]
    pub(super) fn role(&self, key: u128) -> Keyword {
        let mut slot = slot_of(key);
        loop {
            match self.slots.get(slot) {
                Some(&(found, keyword)) if found == key => return keyword,
                Some(&(0, _)) | None => return Keyword::None,
                Some(_) => slot = (slot + 1) % SLOTS,
            }
        }
    }
}

/// One bit for a letter, equal in both cases. Other bytes may share a letter's bit.
#[inline]
const fn letter(byte: u8) -> u32 {
    1 << (byte & 0x1f)
}

/// Bit 5 of each byte: set, it folds ASCII letters to lower case.
const FOLD: u128 = u128::from_le_bytes([0x20; LONGEST]);

/// A word of at most 16 bytes as one number, equal for all spellings in ASCII case.
///
/// Setting bit 5 folds letters and changes no other byte of an identifier into one that another
/// identifier could hold: `_` becomes 0x7f, which no identifier contains.
#[inline]
#[allow(
    clippy::indexing_slicing,
    reason = "const; the index is below the length checked"
)]
const fn pack(word: &[u8]) -> u128 {
    let mut bytes = [0; LONGEST];
    let mut at = 0;
    while at < word.len() && at < LONGEST {
        bytes[at] = word[at];
        at += 1;
    }
    fold(u128::from_le_bytes(bytes), word.len())
}

/// The key of the first `length` bytes, which are 1 to 16.
#[inline]
const fn fold(bytes: u128, length: usize) -> u128 {
    (bytes | FOLD) & (u128::MAX >> (8 * (LONGEST - length)))
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "a hash may drop bits")]
const fn slot_of(key: u128) -> usize {
    let folded = (key as u64) ^ ((key >> 64) as u64).rotate_left(29);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize % SLOTS
}
