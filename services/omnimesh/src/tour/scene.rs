//! What the story is played with: a store, and goods that it has, out of the demo data.

use anyhow::{Context as _, Result, ensure};

/// The props of the story.
pub(crate) struct Scene {
    /// A store that hands orders over.
    pub(crate) store: String,
    /// Goods on its shelf.
    pub(crate) goods: Vec<String>,
    /// A shipping method of Turkey.
    pub(crate) shipping_method: String,
    /// The customer's address, new in every tour.
    pub(crate) email: String,
}

impl Scene {
    pub(crate) fn choose() -> Result<Self> {
        let locations = omnimesh_catalog::demo::locations();
        let store = locations.iter().find(|location| location.offers_pickup).context("the demo data has no store")?;
        let store = store.location_id.clone();
        let mut goods: Vec<_> = omnimesh_catalog::demo::stock()
            .into_iter()
            .filter(|level| level.location_id == store && level.on_hand >= 5)
            .map(|level| level.sku)
            .collect();
        goods.sort();
        ensure!(goods.len() >= 3, "the demo store has too few goods");
        let methods = omnimesh_carts::demo::shipping_methods();
        let method = methods.iter().find(|method| method.country_codes.iter().any(|code| code == "TR"));
        let shipping_method = method.context("the demo data ships nowhere in Turkey")?.shipping_method_id.clone();
        let email = format!("tour-{}@example.com", super::device::request_id());
        Ok(Self { store, goods, shipping_method, email })
    }

    /// One of the goods on the store's shelf.
    pub(crate) fn sku(&self, place: usize) -> Result<&str> {
        self.goods.get(place).map(String::as_str).context("the demo store has too few goods")
    }
}
