//! `omnimesh tour`: plays a customer's story over five channels against a running mesh, through the gateway, and prints each
//! step with its channel, ids and trace id. A step that does not come out as told is an error.

mod device;
mod scene;
mod store;
mod story;

use std::io::Write;

use anyhow::Result;

use crate::{client::Client, demo};
use device::Teller;
use scene::Scene;

/// Plays the story. `admin` loads the demo data, reads the codes that a back-end would send, and acts for the store.
///
/// # Errors
/// If the mesh refuses a step, or answers otherwise than the story tells.
pub async fn play(admin: &Client, out: &mut impl Write) -> Result<()> {
    let mut teller = Teller::new(out);
    demo::load(admin).await?;
    let scene = Scene::choose()?;
    let customer = story::cart_across_channels(admin, &scene, &mut teller).await?;
    story::pickup(admin, &scene, &customer, &mut teller).await?;
    story::timeline(&customer, &mut teller).await?;
    story::shipment(admin, &scene, &customer, &mut teller).await?;
    story::cancellation(admin, &scene, &customer, &mut teller).await?;
    teller.end()
}
