//! The suite that every connector passes, against its vendor's stand-in and through the contract: what is true of one vendor's
//! connector is true of all.
//!
//! A connector implements [`Stage`] for its stand-in and names both in `conformance!`.

#[expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
mod pulls;
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod secrets;
#[expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
mod webhooks;
mod world;
#[expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod writes;

pub use pulls::{
    cursors_resume_and_overlap, dedupe_keys_are_stable, large_ids_and_all_scripts_survive, unknown_values_survive,
};
pub use secrets::credentials_stay_between_connector_and_vendor;
pub use webhooks::webhooks_are_proved_and_repeat_with_the_same_key;
pub use world::World;
pub use writes::{
    a_write_without_an_answer_is_in_doubt, capabilities_are_honest, errors_inside_a_success_surface,
    what_the_vendor_refuses_for_its_pace_waits,
};

use axum::Router;
use omnimesh_proto::connectors::v1::{NativeLine, OrderRef, WebhookHeader};

use crate::sandbox::Faults;

/// An order at the stand-in.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The order. Its ids are above 2^53.
    pub order: OrderRef,
    /// Its lines.
    pub lines: Vec<NativeLine>,
    /// A text of it, with Turkish letters and an emoji.
    pub text: String,
}

/// A vendor's stand-in, as the suite plays with it.
pub trait Stage: Default + Send + Sync + 'static {
    /// Its paths, faults included.
    fn router(&self) -> Router;

    /// Its faults.
    fn faults(&self) -> &Faults;

    /// The fields of an account that works, for a stand-in at that address.
    fn fields(&self, url: &str) -> Vec<(&'static str, String)>;

    /// The fields among them that are secret, and what the secrets look like in headers.
    fn secrets(&self) -> Vec<String>;

    /// The name of a field that makes the vendor refuse the account when it is wrong.
    fn decisive_field(&self) -> &'static str;

    /// A new order, to be acknowledged.
    fn place(&self) -> Placed;

    /// Changes an order at the vendor.
    fn touch(&self, order: &OrderRef);

    /// A new order in a state and with fields that nobody knows. Its state.
    fn place_strange(&self) -> (OrderRef, String);

    /// How often an order was acknowledged, with effect.
    fn acknowledged(&self, order: &OrderRef) -> usize;

    /// A SKU or barcode that the vendor refuses in an answer of success.
    fn refused_item(&self) -> String;

    /// A webhook about an order, proved or not.
    fn webhook(&self, order: &OrderRef, proved: bool) -> (Vec<WebhookHeader>, Vec<u8>);
}

/// The suite as tests of a connector: `conformance!(TheStage, NAME, build)`.
#[macro_export]
macro_rules! conformance {
    (@tests $stage:ty, $name:expr, $build:path; $($test:ident)*) => {$(
        #[tokio::test]
        async fn $test() {
            let world = $crate::conformance::World::<$stage>::start($name, $build).await;
            $crate::conformance::$test(&world).await;
        }
    )*};
    ($stage:ty, $name:expr, $build:path) => {
        $crate::conformance!(@tests $stage, $name, $build;
            capabilities_are_honest
            cursors_resume_and_overlap
            dedupe_keys_are_stable
            unknown_values_survive
            large_ids_and_all_scripts_survive
            what_the_vendor_refuses_for_its_pace_waits
            a_write_without_an_answer_is_in_doubt
            errors_inside_a_success_surface
            webhooks_are_proved_and_repeat_with_the_same_key
            credentials_stay_between_connector_and_vendor);
    };
}
