//! `omnimesh tour`: plays a customer's story over five channels against a running mesh, through the gateway, and prints each
//! step with its channel, ids and trace id. A step that does not come out as told is an error.
//!
//! The store acts with a key of its own, made for the tour and revoked at its end: where associates have OIDC tokens, here a
//! till would have one.

pub(crate) mod device;
pub(crate) mod scene;
mod store;
mod story;

use std::io::Write;

use anyhow::Result;

use crate::{client::Client, demo};
use device::Teller;
use scene::Scene;
use store::Store;

pub(crate) use story::ship;

/// Plays the story. `admin` loads the demo data, reads the codes that a back-end would send, and acts for the store.
///
/// # Errors
/// If the mesh refuses a step, or answers otherwise than the story tells.
pub async fn play(admin: &Client, out: &mut impl Write) -> Result<()> {
    let mut teller = Teller::new(out);
    demo::load(admin).await?;
    let store = Store::open(admin).await?;
    let told = tell(admin, &store, &mut teller).await;
    store.close(admin).await?;
    told?;
    teller.end()
}

async fn tell(admin: &Client, store: &Store, teller: &mut Teller<'_, impl Write>) -> Result<()> {
    let scene = Scene::choose()?;
    let customer = story::cart_across_channels(admin, &scene, teller).await?;
    story::pickup(store, &scene, &customer, teller).await?;
    story::timeline(&customer, teller).await?;
    story::shipment(store, &scene, &customer, teller).await?;
    story::cancellation(admin, &scene, &customer, teller).await
}
