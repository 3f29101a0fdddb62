//! The shop's tables, as `diesel print-schema` writes them.

diesel::table! {
    author (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    book (id) {
        id -> Integer,
        title -> Text,
        /// In cents.
        price -> Integer,
        /// Copies on the shelf.
        stock -> Integer,
        author_id -> Integer,
    }
}

diesel::table! {
    sale (id) {
        id -> Integer,
        copies -> Integer,
        /// In cents, at the price of the day.
        total -> Integer,
        book_id -> Integer,
    }
}

diesel::joinable!(book -> author (author_id));
diesel::joinable!(sale -> book (book_id));
diesel::allow_tables_to_appear_in_same_query!(author, book, sale);
