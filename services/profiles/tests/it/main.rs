//! The profiles service behind the stack that guards it in the mesh, on both databases.

mod resolve;
mod timeline;
mod world;
