//! SQL texts as named constants, one for both databases or one for each.

/// One question to the database. `$1` placeholders work on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sql {
    /// The text for Postgres.
    pub postgres: &'static str,
    /// The text for SQLite.
    pub sqlite: &'static str,
}

impl Sql {
    /// One text for both databases.
    #[must_use]
    pub const fn portable(text: &'static str) -> Self {
        Self { postgres: text, sqlite: text }
    }
}

/// Declares SQL constants and `STATEMENTS`, the list of all of them, which a test prepares on both databases.
///
/// ```
/// omnimesh_kit::statements! {
///     /// One cart.
///     CART_BY_ID = "SELECT id, version, body FROM carts WHERE id = $1";
///     /// The next task that nobody works on.
///     CLAIM = {
///         postgres: "SELECT id FROM tasks ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
///         sqlite: "SELECT id FROM tasks ORDER BY id LIMIT 1"
///     };
/// }
/// assert_eq!(STATEMENTS.len(), 2);
/// ```
#[macro_export]
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $text:tt;)+) => {
        $($(#[$meta])* pub const $name: $crate::store::Sql = $crate::statements!(@sql $text);)+

        /// Every statement of this module, by name.
        pub const STATEMENTS: &[(&str, $crate::store::Sql)] = &[$((stringify!($name), $name)),+];
    };
    (@sql { postgres: $postgres:expr, sqlite: $sqlite:expr $(,)? }) => {
        $crate::store::Sql { postgres: $postgres, sqlite: $sqlite }
    };
    (@sql $text:expr) => { $crate::store::Sql::portable($text) };
}
