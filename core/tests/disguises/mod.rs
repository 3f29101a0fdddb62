//! Other spellings of a statement that mean the same.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub fn rng() -> StdRng {
    StdRng::seed_from_u64(42)
}

pub fn pick<'a>(rng: &mut StdRng, from: &[&'a str]) -> &'a str {
    let at = rng.next_u32() as usize % from.len();
    from.get(at).copied().unwrap_or_default()
}

/// Blanks that mean nothing to either dialect.
fn blank(rng: &mut StdRng) -> &'static str {
    pick(
        rng,
        &[
            " ",
            "\n",
            "\t",
            "  ",
            "/**/",
            "/* SELECT ' */",
            "-- it's\n",
            "\r\n",
            " /* ; */ ",
        ],
    )
}

/// Other blanks and, where nothing is quoted, other case.
pub fn disguise(rng: &mut StdRng, sql: &str) -> String {
    if sql.contains(['\'', '"', '$', '\\', '/', '-', '[', '`', '#', '\r', '\n']) {
        return format!("{}{sql}", blank(rng));
    }
    let mut text = String::from(blank(rng));
    for character in sql.chars() {
        match character {
            ' ' => text.push_str(blank(rng)),
            '(' | ')' | ',' | ';' => {
                text.push_str(pick(rng, &["", " ", "/**/"]));
                text.push(character);
            }
            _ if rng.next_u32().is_multiple_of(2) => text.extend(character.to_uppercase()),
            _ => text.extend(character.to_lowercase()),
        }
    }
    text
}

/// Puts a statement where a query may stand.
pub fn embed(rng: &mut StdRng, sql: &str) -> String {
    let sql = sql.trim_end_matches([';', ' ']);
    // a row may end in a comment
    let inner = format!("({sql}\n)");
    match rng.next_u32() % 8 {
        0 => format!("WITH a AS (SELECT 1), x AS {inner} SELECT * FROM x"),
        1 => format!("WITH x(a, b) AS {inner} TABLE x"),
        2 => format!("SELECT * FROM {inner} s WHERE s.a = $1"),
        3 => format!("SELECT 'it''s', {inner}, lower('a') FROM t"),
        4 => format!("SELECT 1 UNION ALL {inner} ORDER BY 1"),
        5 => format!("SELECT a FROM t WHERE EXISTS {inner} LIMIT 1"),
        6 => format!("VALUES (1, {inner}), (2, NULL)"),
        _ => format!("EXPLAIN ANALYZE WITH RECURSIVE r(n) AS {inner} SELECT * FROM r, f"),
    }
}
