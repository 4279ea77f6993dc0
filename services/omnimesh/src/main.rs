//! See [`omnimesh::cli`].

fn main() {}
