//! Use cases over both databases.
