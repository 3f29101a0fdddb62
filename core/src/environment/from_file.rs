//! Settings out of files: by the user's own loader, through serde.
//!
//! A setting is written in a file as in a variable, and read by the same code; numbers, booleans and lists of
//! the file's own are understood as well. URLs and secrets are not looked at here: a loader shows the line
//! that it could not read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::values::{Value, shown};

pub(super) fn setting<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Value,
{
    deserializer.deserialize_any(Written(PhantomData))
}

struct Written<T>(PhantomData<T>);

impl<'de, T: Value> Visitor<'de> for Written<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::ACCEPTED)
    }

    /// As an empty variable, an empty text is not set.
    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let refused = || {
            let shown = shown::<T>(text);
            E::custom(format!("{shown} is not accepted; use {}", T::ACCEPTED))
        };
        T::parse(text).map(Some).ok_or_else(refused)
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Option<T>, E> {
        self.visit_str(&is.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        let refused = || A::Error::custom(format!("a list is not accepted; use {}", T::ACCEPTED));
        T::parse_list(list).map(Some).ok_or_else(refused)
    }
}
