//! A small catalog for the first start.
