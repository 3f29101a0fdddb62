//! Where tokens stand in requests and answers.
//!
//! Those of several databases stand in one value, with a point between them.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Of values that are longer nothing is looked at.
const LONGEST: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Carrier {
    pub(super) cookie: String,
    pub(super) secure: bool,
    pub(super) header: Option<HeaderName>,
}

impl Default for Carrier {
    fn default() -> Self {
        Self {
            cookie: "orm_split_session".to_owned(),
            secure: true,
            header: None,
        }
    }
}

impl Carrier {
    /// The tokens of a request; empty where there is none.
    pub(super) fn tokens(&self, request: &HeaderMap) -> Vec<String> {
        let value = match &self.header {
            Some(name) => request.get(name).and_then(text),
            None => self.cookie_of(request),
        };
        let value = value.unwrap_or_default();
        let tokens = value.split('.').filter(|token| !token.is_empty());
        tokens.map(str::to_owned).collect()
    }

    fn cookie_of<'r>(&self, request: &'r HeaderMap) -> Option<&'r str> {
        let mut cookies = request.get_all(COOKIE).iter().filter_map(|header| {
            let cookies = Cookie::split_parse(header.to_str().ok()?);
            let mut named = cookies
                .flatten()
                .filter(|cookie| cookie.name() == self.cookie);
            named.find_map(|cookie| cookie.value_raw())
        });
        cookies.find(|value| value.len() <= LONGEST)
    }

    /// The tokens of an answer.
    pub(super) fn carry(&self, tokens: &[String], lifetime: Duration, answer: &mut HeaderMap) {
        let value = tokens.join(".");
        let (name, value) = match &self.header {
            Some(name) => (name.clone(), value),
            None => (SET_COOKIE, self.set_cookie(value, lifetime)),
        };
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.append(name, value);
        }
    }

    fn set_cookie(&self, value: String, lifetime: Duration) -> String {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Cookie::build((self.cookie.as_str(), value))
            .path("/")
            .secure(self.secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(cookie::time::Duration::seconds(seconds))
            .to_string()
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|value| value.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(header: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others_and_goes_out_guarded() {
        let carrier = Carrier::default();
        let found = carrier.tokens(&request(COOKIE, "a=1; orm_split_session=x.y; b=2"));
        assert_eq!(found, ["x", "y"]);
        let mut answer = HeaderMap::new();
        let tokens = ["x".to_owned(), "y".to_owned()];
        carrier.carry(&tokens, Duration::from_secs(60), &mut answer);
        let cookie = answer.get(SET_COOKIE).unwrap().to_str().unwrap();
        for part in [
            "orm_split_session=x.y",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Max-Age=60",
            "Path=/",
        ] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
    }

    #[test]
    fn a_header_takes_the_place_of_the_cookie() {
        let name = HeaderName::from_static("x-session");
        let carrier = Carrier {
            header: Some(name.clone()),
            ..Carrier::default()
        };
        assert_eq!(carrier.tokens(&request(name.clone(), "x")), ["x"]);
        assert_eq!(
            carrier.tokens(&request(COOKIE, "orm_split_session=x")),
            Vec::<String>::new()
        );
        let mut answer = HeaderMap::new();
        carrier.carry(&["x".to_owned()], Duration::from_secs(60), &mut answer);
        assert_eq!(answer.get(name).unwrap(), "x");
        assert!(answer.get(SET_COOKIE).is_none());
    }

    #[test]
    fn values_that_are_too_long_or_no_text_are_nothing() {
        let carrier = Carrier::default();
        let long = format!("orm_split_session={}", "x".repeat(2_000));
        assert!(carrier.tokens(&request(COOKIE, &long)).is_empty());
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            HeaderValue::from_bytes(b"orm_split_session=\xff").unwrap(),
        );
        assert_eq!(carrier.tokens(&headers), Vec::<String>::new());
    }
}
