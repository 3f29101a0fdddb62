//! Hints in a comment at the very start of a statement: `/* orm_split: primary */`.
//!
//! Read only if the user has switched them on. A hint counts where nothing but blanks stands before
//! its comment and the comment holds nothing else, so that no text further inside, which may come
//! from elsewhere, is ever taken for one.

/// What a hint asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentHint {
    /// `/* orm_split: primary */`
    Primary,
    /// `/* orm_split: replica */`: the text is taken for a read.
    Replica,
}

/// The hint that a statement starts with.
pub(crate) fn comment_hint(sql: &str) -> Option<CommentHint> {
    let comment = sql.trim_ascii_start().strip_prefix("/*")?;
    let (text, _) = comment.split_once("*/")?;
    match text.trim_ascii().strip_prefix("orm_split:")?.trim_ascii() {
        "primary" => Some(CommentHint::Primary),
        "replica" => Some(CommentHint::Replica),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/* orm_split: primary */ SELECT 1", Some(CommentHint::Primary))]
    #[case("\n /*orm_split:primary*/SELECT 1", Some(CommentHint::Primary))]
    #[case("/* orm_split: replica */ SELECT f(1)", Some(CommentHint::Replica))]
    #[case("SELECT 1 /* orm_split: replica */", None)]
    #[case("-- x\n/* orm_split: replica */ SELECT 1", None)]
    #[case("/* x */ /* orm_split: replica */ SELECT 1", None)]
    #[case("/* orm_split: replica please */ SELECT 1", None)]
    #[case("/* orm_split: REPLICA */ SELECT 1", None)]
    #[case("/* /* orm_split: replica */ SELECT 1", None)]
    #[case("/* orm_split: replica", None)]
    #[case("'/* orm_split: replica */'", None)]
    #[case("", None)]
    fn a_hint_is_a_comment_of_its_own_at_the_very_start(
        #[case] sql: &str,
        #[case] expected: Option<CommentHint>,
    ) {
        assert_eq!(comment_hint(sql), expected);
    }
}
