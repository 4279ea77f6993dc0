//! Partners: they count at the locations of their own account, and see their own channel's stock and prices.

use omnimesh_catalog::demo::{ANKARA, IZMIR};
use omnimesh_kit::{call::Call, testing::BACKENDS};
use omnimesh_proto::{
    catalog::v1::{
        AdjustStockRequest, GetAvailabilityRequest, GetLocationRequest, GetProductRequest, ListLocationsRequest,
        ListProductsRequest, Location, Price, Product, SetStockRequest, StockLevel,
    },
    common::v1::Channel,
};
use tonic::{Code, Status};

use crate::mesh::{Mesh, admin, customer, lira, partner, reason, staff, stocked};

const SKU: &str = "TEA-RIZE-500";

/// The demo's catalog, with a location of each of two partners.
async fn with_partners(backend: omnimesh_kit::testing::Backend) -> Mesh {
    let mesh = stocked(backend).await;
    for account in ["acme", "zenith"] {
        let location = Location {
            location_id: format!("{account}-depot"),
            account_id: account.to_owned(),
            offers_pickup: false,
            ..omnimesh_catalog::demo::locations().remove(0)
        };
        mesh.upsert(location).await;
    }
    mesh
}

async fn adjust(mesh: &Mesh, call: &Call, location: &str, delta: i64) -> Result<StockLevel, Status> {
    let request = AdjustStockRequest {
        sku: SKU.to_owned(),
        location_id: location.to_owned(),
        delta,
        reason: "delivery".to_owned(),
        request_id: uuid::Uuid::from_u128(7).to_string(),
    };
    Ok(mesh.stock(call).adjust_stock(request).await?.into_inner().level.unwrap())
}

#[tokio::test]
async fn partners_count_at_their_own_locations_only() {
    for backend in BACKENDS {
        let mesh = with_partners(backend).await;
        for (account, other, delta) in [("acme", "zenith", 5), ("zenith", "acme", 9)] {
            let call = partner(account);
            // Another's and the retailer's are as unknown as one that does not exist.
            let foreign = format!("{other}-depot");
            for location in [foreign.as_str(), IZMIR, "moon"] {
                let refused = adjust(&mesh, &call, location, 3).await.unwrap_err();
                assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "NOT_FOUND"), "{location}");
                let set = SetStockRequest {
                    sku: SKU.into(),
                    location_id: location.to_owned(),
                    on_hand: 1,
                    ..Default::default()
                };
                assert_eq!(mesh.stock(&call).set_stock(set).await.unwrap_err().code(), Code::NotFound, "{location}");
            }
            // The same request id at both partners is two requests.
            let depot = format!("{account}-depot");
            for _ in 0..2 {
                assert_eq!(adjust(&mesh, &call, &depot, delta).await.unwrap().on_hand, delta);
            }
        }
        let mut nobody = partner("");
        for account in [Some(String::new()), None] {
            nobody.caller.identity.account = account;
            assert_eq!(adjust(&mesh, &nobody, ANKARA, 1).await.unwrap_err().code(), Code::NotFound);
        }
        let mut unscoped = partner("acme");
        unscoped.caller.identity.scopes.clear();
        let refused = adjust(&mesh, &unscoped, "acme-depot", 1).await.unwrap_err();
        assert_eq!(reason(&refused), "SCOPE_MISSING");
        assert_eq!(mesh.level(SKU, "acme-depot").await.on_hand, 5);
        assert_eq!(mesh.level(SKU, "zenith-depot").await.on_hand, 9);
    }
}

#[tokio::test]
async fn partners_see_the_parts_of_their_own_stock_only() {
    for backend in BACKENDS {
        let mesh = with_partners(backend).await;
        adjust(&mesh, &partner("acme"), "acme-depot", 5).await.unwrap();
        adjust(&mesh, &partner("zenith"), "zenith-depot", 9_000).await.unwrap();
        let request = GetAvailabilityRequest {
            skus: vec![SKU.to_owned()],
            channel: Channel::Web.into(),
            ..GetAvailabilityRequest::default()
        };
        let found = mesh.stock(&partner("acme")).get_availability(request.clone()).await.unwrap().into_inner();
        let found = &found.availabilities[0];
        assert!((5..9_000).contains(&found.available), "{found:?}");
        let own: Vec<_> = found.levels.iter().filter(|level| level.on_hand > 0).collect();
        assert_eq!(own.len(), 1, "{found:?}");
        assert_eq!((own[0].location_id.as_str(), own[0].on_hand), ("acme-depot", 5));
        assert!(found.levels.iter().all(|level| level.location_id != "zenith-depot"), "{found:?}");
        let named = GetAvailabilityRequest { location_ids: vec!["zenith-depot".to_owned()], ..request };
        let found = mesh.stock(&partner("acme")).get_availability(named).await.unwrap().into_inner();
        assert_eq!((found.availabilities[0].available, found.availabilities[0].levels.len()), (0, 0));
    }
}

#[tokio::test]
async fn partners_see_general_prices_and_their_channels() {
    for backend in BACKENDS {
        let mesh = with_partners(backend).await;
        let price =
            |channel: Channel, units| Price { amount: lira(units), channel: channel.into(), ..Price::default() };
        let product = Product {
            sku: "PRICED".to_owned(),
            name: "Priced".to_owned(),
            prices: vec![price(Channel::Unspecified, 10), price(Channel::Partner, 8), price(Channel::Marketplace, 9)],
            ..Product::default()
        };
        mesh.import(vec![product]).await;
        let shown = async |call: &Call| {
            let one = GetProductRequest { sku: "PRICED".to_owned() };
            let one = mesh.catalog(call).get_product(one).await.unwrap().into_inner().product.unwrap();
            let all = ListProductsRequest { skus: vec!["PRICED".to_owned()], ..ListProductsRequest::default() };
            let all = mesh.catalog(call).list_products(all).await.unwrap().into_inner().products;
            assert_eq!(all, [one.clone()]);
            let mut channels: Vec<_> = one.prices.iter().map(Price::channel).collect();
            channels.sort();
            channels
        };
        assert_eq!(shown(&partner("acme")).await, [Channel::Unspecified, Channel::Partner]);
        let mut of_none = partner("acme");
        of_none.caller.identity.channel = Channel::Unspecified.into();
        assert_eq!(shown(&of_none).await, [Channel::Unspecified]);
        assert_eq!(shown(&admin()).await.len(), 3);
    }
}

#[tokio::test]
async fn whose_a_location_is_stays_with_the_retailer() {
    for backend in BACKENDS {
        let mesh = with_partners(backend).await;
        for (call, expected) in [(admin(), "acme"), (staff(&["*"]), "acme"), (customer(Channel::Web), "")] {
            let request = GetLocationRequest { location_id: "acme-depot".to_owned() };
            let one = mesh.locations(&call).get_location(request).await.unwrap().into_inner().location.unwrap();
            assert_eq!(one.account_id, expected);
            let found = mesh.locations(&call).list_locations(ListLocationsRequest::default()).await.unwrap();
            let found = found.into_inner().locations.into_iter().filter_map(|found| found.location);
            let own = found.into_iter().find(|location| location.location_id == "acme-depot").unwrap();
            assert_eq!(own.account_id, expected);
        }
    }
}
