//! The sessions service behind the stack that guards it in the mesh, on both databases and both live stores.

mod keys;
mod safety;
mod sessions;
mod watch;
mod world;
