//! The schema search path of `ConnectOptions`, which has no getter.
//!
//! SeaORM sets it in sqlx's only hook for new connections, where a hook of the user's deletes it. So
//! it also goes into the start-up options of each connection. It is read from what `ConnectOptions`
//! prints of itself; should a later version print something else, SeaORM's own hook is what remains,
//! and a test of this file fails.

use std::iter::Peekable;
use std::str::Chars;

use sea_orm::ConnectOptions;

const FIELD: &str = "schema_search_path: Some(\"";

/// The search path as a value of PostgreSQL's setting, quoted as SeaORM does.
pub(crate) fn of(options: &ConnectOptions) -> Option<String> {
    let printed = format!("{options:?}");
    let path = field(&printed)?;
    if path.starts_with('"') {
        return Some(path);
    }
    let schemas = path.split(',').map(|schema| {
        if schema.starts_with('"') {
            schema.to_owned()
        } else {
            format!("\"{schema}\"")
        }
    });
    Some(schemas.collect::<Vec<_>>().join(","))
}

/// The field's value, found outside of the other fields' strings.
fn field(printed: &str) -> Option<String> {
    let mut rest = printed;
    while let Some(quote) = rest.find('"') {
        let (before, from_quote) = rest.split_at(quote + 1);
        let (value, after) = string(from_quote)?;
        if before.ends_with(FIELD) {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// A string as `Debug` prints it, after its opening quote, and what follows its closing one.
fn string(printed: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = printed.chars().peekable();
    loop {
        match characters.next()? {
            '"' => {
                let left: usize = characters.map(char::len_utf8).sum();
                return Some((value, printed.get(printed.len() - left..)?));
            }
            '\\' => value.push(escaped(&mut characters)?),
            plain => value.push(plain),
        }
    }
}

fn escaped(characters: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match characters.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'u' => {
            characters.next_if_eq(&'{')?;
            let digits: String = characters.take_while(|&c| c != '}').collect();
            char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(path: &str) -> Option<String> {
        // a user may put the name of the field anywhere
        let mut options = ConnectOptions::new("postgres://a:\"schema_search_path: Some(\"x@h/d");
        options.set_application_name("schema_search_path: Some(\"");
        options.set_schema_search_path(path);
        of(&options)
    }

    #[test]
    fn the_search_path_is_read_and_quoted_as_sea_orm_quotes_it() {
        let cases = [
            ("tenant", "\"tenant\""),
            ("tenant,public", "\"tenant\",\"public\""),
            ("\"Ten ant\", public", "\"Ten ant\", public"),
            ("a\\b", "\"a\\b\""),
            ("schéma\u{1}", "\"schéma\u{1}\""),
        ];
        for (path, quoted) in cases {
            assert_eq!(path_of(path).as_deref(), Some(quoted), "{path}");
        }
    }

    #[test]
    fn without_a_search_path_there_is_none() {
        assert_eq!(of(&ConnectOptions::new("postgres://h/d")), None);
    }
}
