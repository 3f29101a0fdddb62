//! What the quick look is there for, and what it must leave to the rules.

use super::chunk::{Chunk, before};
use super::cursor::continues_word;
use super::skim::is_read;

#[test]
fn what_an_orm_writes_is_recognised() {
    let statements = [
        r#"SELECT "cake"."id", "cake"."name" FROM "cake" LEFT JOIN "bakery" ON "cake"."bakery_id" = "bakery"."id" WHERE "cake"."id" = $1 ORDER BY "cake"."name" ASC LIMIT $2"#,
        r#"SELECT COUNT(*) AS num_items FROM (SELECT "cake"."id" FROM "cake") AS "sub_query""#,
        r#"SELECT "a"."b" AS "A_b" FROM "a" WHERE "a"."b" IN ($1, $2) AND ("c" = 'it''s' OR "d" <> -1);"#,
        "select u.id, coalesce(sum(o.total)::numeric, 0) from users u where u.tags = ARRAY[$1]",
        "WITH x AS (SELECT 1) SELECT * FROM x WHERE EXISTS (SELECT 1 FROM y) ; ",
    ];
    for sql in statements {
        assert!(is_read(sql.as_bytes()), "{sql}");
    }
}

#[test]
fn what_takes_more_than_a_look_is_given_up() {
    let statements = [
        "",
        " ",
        ";",
        "INSERT INTO t VALUES (1)",
        "SELECT 1; SELECT 2",
        "SELECT 1)",
        "SELECT (1",
        "SELECT 'a",
        "SELECT \"a",
        "SELECT '\\' FROM t",
        "SELECT 1 -- FOR UPDATE",
        "SELECT /* ' */ 1",
        "SELECT $$ ' $$",
        "SELECT E'a'",
        "SELECT u&\"a\"",
        "SELECT a FROM t FOR UPDATE",
        "SELECT a INTO t",
        "SELECT 1e5INTO t",
        "SELECT current_user",
        "SELECT nextval('a')",
        "SELECT \"lower\"(a)",
        "SELECT s.lower(a)",
        "SELECT a FROM pg_temp.t",
        "SELECT a FROM \"pg_temp_3\".t",
    ];
    for sql in statements {
        assert!(!is_read(sql.as_bytes()), "{sql}");
    }
}

#[test]
fn brackets_are_followed_as_deep_as_the_rules_follow_them() {
    let nested = |depth: usize| format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(is_read(nested(256).as_bytes()));
    assert!(!is_read(nested(257).as_bytes()));
}

#[test]
fn eight_bytes_at_once_are_read_as_one_by_one() {
    for byte in 0..=u8::MAX {
        for at in 0..8 {
            let mut bytes = *b"aZzAqQyB";
            bytes[at] = byte;
            let letters = bytes.iter().position(|byte| !byte.is_ascii_alphabetic());
            let ends = letters.filter(|&end| !continues_word(bytes[end]));
            let expected = ends.map(|end| {
                let mut key = [0; 8];
                key[..end].copy_from_slice(&bytes[..end].to_ascii_lowercase());
                (end, u64::from_le_bytes(key))
            });
            let word = Chunk::at(&bytes, 0).and_then(Chunk::word);
            assert_eq!(word, expected, "{bytes:?}");
        }
    }
}

#[test]
fn quotes_are_found_wherever_they_stand() {
    // the neighbours of a quote are what eight bytes at once could mistake for it
    for filler in [b'!', b'#', 0xa2, 0x21, 0x23, 0, 0xff] {
        for length in 0..40 {
            let mut bytes = vec![filler; length];
            assert_eq!(before(&bytes, b'"', b'"'), length);
            for at in (0..length).rev() {
                bytes[at] = b'"';
                assert_eq!(before(&bytes, b'"', b'"'), at);
                assert_eq!(before(&bytes, b'\'', b'"'), at);
            }
        }
    }
}
