//! What a call of a function is, by its name.
//!
//! A reviewed list says which names are reads; everything else is not, and what is known to write,
//! lock, notify or answer for one session is told apart only to explain itself better.

use super::names::Name;
use super::token::Kind;
use crate::intent::Cause;

/// What a call of a function means for the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It only reads.
    Read,
    /// It needs the primary.
    Primary(Cause),
}

/// How a function is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) kind: Kind,
    /// The text of the name, in its quotes.
    pub(super) name: &'a [u8],
    /// Written without quotes and without a schema, so that the grammar's own pseudo-functions
    /// (`coalesce`, `varchar(20)`) can be meant.
    pub(super) bare: bool,
    /// The bracket stands directly behind the name.
    pub(super) touches: bool,
    /// The one schema that qualifies the name.
    pub(super) schema: Option<(Kind, &'a [u8])>,
}

/// The function lists of a dialect; each sorted and in lower case.
#[derive(Debug)]
pub(super) struct Functions {
    /// Built-in functions that only read.
    pub(super) reads: &'static [&'static str],
    /// Where in `reads` each first letter starts.
    pub(super) index: Index,
    /// What looks like a function without being one: syntax, and types with modifiers.
    pub(super) syntax: &'static [&'static str],
    /// Functions known not to be reads.
    pub(super) others: &'static [&'static str],
    /// Beginnings of names that are known not to be reads.
    pub(super) other_prefixes: &'static [&'static str],
}

impl Functions {
    /// The verdict on a call.
    pub(super) fn verdict(&self, kind: Kind, text: &[u8], bare: bool) -> Verdict {
        let Some(name) = Name::new(kind, text) else {
            return Verdict::Primary(Cause::UnknownFunction);
        };
        let name = name.as_str();
        if contains(self.reads_like(name), name)
            || bare && kind == Kind::Word && contains(self.syntax, name)
        {
            return Verdict::Read;
        }
        if contains(self.others, name) || self.other_prefixes.iter().any(|p| name.starts_with(p)) {
            return Verdict::Primary(Cause::Function);
        }
        Verdict::Primary(Cause::UnknownFunction)
    }

    /// The reads with the first letter of this name.
    fn reads_like(&self, name: &str) -> &[&'static str] {
        let letter = name
            .bytes()
            .next()
            .map(|byte| usize::from(byte.wrapping_sub(b'a')));
        let range = letter.and_then(|letter| self.index.starts.get(letter..letter + 2));
        match range {
            Some(&[start, end]) => self.reads.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Where each letter starts in a sorted list.
#[derive(Debug)]
pub(super) struct Index {
    starts: [usize; 27],
}

impl Index {
    #[allow(clippy::indexing_slicing, reason = "runs only while compiling")]
    pub(super) const fn new(sorted: &[&str]) -> Self {
        let mut starts = [0; 27];
        let mut at = 0;
        while at < sorted.len() {
            let letter = (sorted[at].as_bytes()[0] - b'a') as usize;
            starts[letter + 1] = at + 1;
            at += 1;
        }
        // a letter without names starts where the letter before it ends
        let mut letter = 1;
        while letter < starts.len() {
            if starts[letter] < starts[letter - 1] {
                starts[letter] = starts[letter - 1];
            }
            letter += 1;
        }
        Self { starts }
    }
}

fn contains(sorted: &[&str], name: &str) -> bool {
    sorted.binary_search(&name).is_ok()
}
