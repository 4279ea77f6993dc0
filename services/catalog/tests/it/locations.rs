//! Where the stores are.

use std::time::Duration;

use omnimesh_catalog::demo::{ANKARA, ISTANBUL, IZMIR, WAREHOUSE};
use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    carts::v1::{Cart, CartLine},
    catalog::v1::{GetLocationRequest, ListLocationsRequest},
    common::v1::{Channel, Coordinates},
};

use crate::mesh::{Mesh, admin, customer, reason, stocked};

async fn list(mesh: &Mesh, request: ListLocationsRequest) -> Vec<String> {
    let found = mesh.locations(&customer(Channel::Web)).list_locations(request).await.unwrap().into_inner().locations;
    found.into_iter().map(|found| found.location.unwrap().location_id).collect()
}

#[tokio::test]
async fn the_nearest_comes_first_and_far_ones_not_at_all() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let taksim = Some(Coordinates { latitude: 41.0370, longitude: 28.9850 });
        let near = ListLocationsRequest { near: taksim, ..ListLocationsRequest::default() };
        let found = mesh.locations(&customer(Channel::Web)).list_locations(near.clone()).await.unwrap().into_inner();
        let found: Vec<_> = found
            .locations
            .into_iter()
            .map(|found| (found.location.unwrap().location_id, found.distance_meters))
            .collect();
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [ISTANBUL, WAREHOUSE]);
        assert!((6_000..7_500).contains(&found[0].1.unwrap()), "{found:?}");
        let wide = ListLocationsRequest { radius_meters: 1_000_000, offers_pickup: true, ..near };
        assert_eq!(list(&mesh, wide.clone()).await, [ISTANBUL, IZMIR, ANKARA]);

        // One after the other, by pages.
        let mut paged = ListLocationsRequest { page_size: 1, ..wide };
        let mut seen = Vec::new();
        loop {
            let page =
                mesh.locations(&customer(Channel::Web)).list_locations(paged.clone()).await.unwrap().into_inner();
            seen.extend(page.locations.into_iter().map(|found| found.location.unwrap().location_id));
            if page.next_page_token.is_empty() {
                break;
            }
            paged.page_token = page.next_page_token;
        }
        assert_eq!(seen, [ISTANBUL, IZMIR, ANKARA]);
    }
}

#[tokio::test]
async fn cities_are_found_in_any_writing_and_hours_follow_the_clock() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        for city in ["istanbul", "ISTANBUL", "İSTANBUL", "ıstanbul"] {
            assert_eq!(
                list(&mesh, ListLocationsRequest { city: city.to_owned(), ..Default::default() }).await,
                [ISTANBUL]
            );
        }
        // The test's clock begins on a Thursday at 15:00 in Istanbul; at 18:30 the warehouse is closed, at 23:00 all are.
        let open = || list(&mesh, ListLocationsRequest { open_now: true, ..Default::default() });
        assert_eq!(open().await, [ANKARA, WAREHOUSE, ISTANBUL, IZMIR]);
        mesh.db.clock.advance(Duration::from_secs(7 * 1_800));
        assert_eq!(open().await, [ANKARA, ISTANBUL, IZMIR]);
        mesh.db.clock.advance(Duration::from_secs(9 * 1_800));
        assert_eq!(open().await, Vec::<String>::new());
        let request = GetLocationRequest { location_id: IZMIR.to_owned() };
        let izmir = mesh.locations(&admin()).get_location(request).await.unwrap().into_inner().location.unwrap();
        assert_eq!((izmir.version, izmir.opening_hours.len(), izmir.address.unwrap().city.as_str()), (1, 7, "İzmir"));
    }
}

#[tokio::test]
async fn stock_for_my_cart_means_every_line_and_my_cart_only() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let line = |sku: &str, quantity| CartLine { sku: sku.to_owned(), quantity, ..CartLine::default() };
        let with = |lines: Vec<CartLine>| {
            *mesh.cart.lock().unwrap() =
                Cart { cart_id: "cart_1".to_owned(), channel: Channel::Web.into(), lines, ..Cart::default() };
        };
        let request = ListLocationsRequest { cart_id: "cart_1".to_owned(), offers_pickup: true, ..Default::default() };
        with(vec![line("TEA-RIZE-500", 12), line("GIFT-WRAP", 50)]);
        assert_eq!(list(&mesh, request.clone()).await, [ANKARA, ISTANBUL]);
        with(vec![line("TEA-RIZE-500", 8), line("COFFEE-250", 1), line("TEA-RIZE-500", 8)]);
        assert_eq!(list(&mesh, request.clone()).await, [ISTANBUL]);
        with(vec![line("KILIM-ANATOLIA", 1)]);
        assert_eq!(list(&mesh, request.clone()).await, [ISTANBUL]);
        let other = ListLocationsRequest { cart_id: "cart_2".to_owned(), ..request.clone() };
        let refused = mesh.locations(&customer(Channel::Web)).list_locations(other).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (tonic::Code::NotFound, "NOT_FOUND".to_owned()));
        let refused = mesh.locations(&admin()).list_locations(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::NotFound);
    }
}
