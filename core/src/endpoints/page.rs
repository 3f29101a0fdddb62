//! The status page: one file, whose script polls `status.json` beside it.
//!
//! Decides what the browser may do: run this script, apply this style, ask where the page comes from.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page.html");

/// Names the one script and the one style by their hashes, so that no other runs, whatever gets into the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |tag| BASE64_STANDARD.encode(Sha256::digest(inner(tag)));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    )
});

/// What stands between the tags of the page's one element `tag`.
fn inner(tag: &str) -> &'static str {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let inner = PAGE.split_once(&open).map(|(_, rest)| rest);
    inner
        .and_then(|rest| rest.split_once(&close))
        .map_or("", |(inner, _)| inner)
}

pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style_and_asks_for_nothing_from_elsewhere() {
        for tag in ["script", "style"] {
            assert!(!inner(tag).is_empty(), "{tag}");
            assert_eq!(PAGE.matches(&format!("<{tag}")).count(), 1, "{tag}");
        }
        for foreign in [
            "http:",
            "https:",
            "//",
            "src=",
            "style=",
            "onclick",
            "innerHTML",
            "@import",
        ] {
            let found = PAGE.lines().find(|line| {
                let line = line.replace("http://www.w3.org/2000/svg", "");
                line.contains(foreign)
            });
            assert_eq!(found, None, "{foreign}");
        }
    }
}
