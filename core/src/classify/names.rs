//! Names as the server compares them.
//!
//! An unquoted name is folded to lower case, a quoted one is taken literally, and `U&"…"` is
//! decoded, so that no spelling of `nextval` looks like something else. Never allocates: names
//! longer than a server keeps are no built-in names and are given up.

use super::token::Kind;

/// The longest name PostgreSQL keeps; built-in names are shorter on every dialect.
const LONGEST: usize = 63;

/// A name in its canonical spelling.
#[derive(Debug)]
pub(super) struct Name {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Name {
    /// The canonical name of an identifier token's text; `None` if it can be no built-in name.
    pub(super) fn new(kind: Kind, text: &[u8]) -> Option<Self> {
        let mut name = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        match kind {
            Kind::Word => {
                for &byte in text {
                    name.push(byte.to_ascii_lowercase())?;
                }
            }
            Kind::Quoted => name.push_all(inner(text, 1))?,
            Kind::Unicode => name.decode(inner(text, 3))?,
            _ => return None,
        }
        Some(name)
    }

    /// The canonical spelling.
    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }

    /// Doubled quotes stay doubled: no built-in name holds a quote, so they differ either way.
    fn push_all(&mut self, bytes: &[u8]) -> Option<()> {
        bytes.iter().try_for_each(|&byte| self.push(byte))
    }

    /// `\XXXX` and `\+XXXXXX`. What `UESCAPE` would change is not looked at: such a name is
    /// followed by a string, which the rules do not accept in front of a bracket.
    fn decode(&mut self, mut rest: &[u8]) -> Option<()> {
        while let Some((&first, tail)) = rest.split_first() {
            if first != b'\\' {
                self.push(first)?;
                rest = tail;
                continue;
            }
            let (digits, tail) = match tail.split_first()? {
                (b'\\', tail) => {
                    self.push(b'\\')?;
                    rest = tail;
                    continue;
                }
                (b'+', tail) => tail.split_at_checked(6)?,
                _ => tail.split_at_checked(4)?,
            };
            let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            let mut encoded = [0; 4];
            self.push_all(char::from_u32(code)?.encode_utf8(&mut encoded).as_bytes())?;
            rest = tail;
        }
        Some(())
    }
}

/// The text without its opening quote, which has `opening` bytes, and its closing one.
fn inner(text: &[u8], opening: usize) -> &[u8] {
    text.get(opening..text.len().saturating_sub(1))
        .unwrap_or_default()
}
