//! The contract of the mesh: every message, client and server, and the descriptors that carry the access rules.
//!
//! `omnimesh::<area>::v1` mirrors the protobuf packages `omnimesh.<area>.v1`.

#[expect(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the comments of the protobuf files are its documentation"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/omnimesh.rs"));
}

pub use generated::omnimesh::*;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// The encoded `google.protobuf.FileDescriptorSet` of the whole contract, imports and comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The contract's descriptors, decoded once.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // The bytes come from the build of this crate: a failure here is a broken build, not input.
    #[expect(clippy::expect_used, reason = "the build wrote these bytes")]
    DescriptorPool::decode(DESCRIPTORS).expect("the build's own descriptors decode")
});
