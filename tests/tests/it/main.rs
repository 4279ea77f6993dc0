//! Scenarios over the running mesh.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod access;
mod bad_input;
mod bench;
mod command_line;
mod drain;
mod erasure;
mod fuzz_corpus;
mod hostile;
mod idempotency;
mod identity;
mod import;
mod internal;
mod kills;
mod marketplace;
mod one_customer;
mod overload;
mod partners;
mod races;
mod revoked;
mod sessions;
mod story;
mod structure;
mod takeover;
mod traces;
mod wrong_merges;

/// One test per way to run the mesh: `in_every_mode!(a_story_goes_as_told)` calls `a_story_goes_as_told(mode)`.
macro_rules! in_every_mode {
    ($scenario:ident) => {
        mod $scenario {
            use omnimesh_tests::Mode;

            #[tokio::test]
            async fn in_one_process_with_embedded_stores() {
                super::$scenario(Mode::Embedded).await;
            }

            #[tokio::test]
            async fn in_one_process_on_postgres_and_redis() {
                super::$scenario(Mode::Stores).await;
            }

            #[tokio::test]
            async fn in_one_process_per_target() {
                super::$scenario(Mode::Split).await;
            }
        }
    };
}
use in_every_mode;

/// Stores, the warehouse and goods of the demo data.
mod demo {
    pub(crate) const ISTANBUL: &str = "istanbul-kadikoy";
    pub(crate) const ANKARA: &str = "ankara-kizilay";
    pub(crate) const TEA: &str = "TEA-RIZE-500";
    pub(crate) const GLASSES: &str = "TEA-GLASS-6";
    pub(crate) const COFFEE: &str = "COFFEE-250";
    pub(crate) const TEAPOT: &str = "TEAPOT-2L";
    pub(crate) const LOKUM: &str = "LOKUM-500";
    pub(crate) const TOWEL: &str = "TOWEL-PESHTEMAL";
    pub(crate) const SOAP: &str = "SOAP-OLIVE-4";
}
