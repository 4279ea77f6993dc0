//! Counting, and who sees what.

use omnimesh_catalog::demo::{ANKARA, ISTANBUL, IZMIR, WAREHOUSE};
use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    catalog::v1::{AdjustStockRequest, GetAvailabilityRequest, SetStockRequest},
    common::v1::Channel,
};
use tonic::Code;

use crate::mesh::{admin, customer, line, reason, staff, stocked};

#[tokio::test]
async fn counts_are_set_and_adjusted_once_per_request() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let request = AdjustStockRequest {
            sku: "KILIM-ANATOLIA".to_owned(),
            location_id: IZMIR.to_owned(),
            delta: 4,
            reason: "delivery".to_owned(),
            request_id: uuid::Uuid::from_u128(1).to_string(),
        };
        for _ in 0..2 {
            let level = mesh.stock(&admin()).adjust_stock(request.clone()).await.unwrap().into_inner().level.unwrap();
            assert_eq!((level.on_hand, level.available, level.version), (4, 4, 1));
        }
        let other = AdjustStockRequest { delta: 5, ..request.clone() };
        assert_eq!(reason(&mesh.stock(&admin()).adjust_stock(other).await.unwrap_err()), "REQUEST_ID_REUSED");
        mesh.adjust(&admin(), "KILIM-ANATOLIA", IZMIR, -4).await.unwrap();
        let short = mesh.adjust(&admin(), "KILIM-ANATOLIA", IZMIR, -1).await.unwrap_err();
        assert_eq!((short.code(), reason(&short)), (Code::FailedPrecondition, "OUT_OF_STOCK".to_owned()));
        assert_eq!(mesh.parts("KILIM-ANATOLIA", IZMIR).await, (0, 0, 0, 0));
        let last = mesh.events().await.pop().unwrap();
        assert_eq!(last, ("omnimesh.catalog.v1.StockChanged".to_owned(), format!("stock:KILIM-ANATOLIA:{IZMIR}"), 2));
    }
}

#[tokio::test]
async fn a_count_below_what_is_promised_leaves_nothing_available() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        mesh.reserve("order_1", &[line("1", "KILIM-ANATOLIA", 3, ISTANBUL)]).await.unwrap();
        mesh.set("KILIM-ANATOLIA", ISTANBUL, 1).await;
        assert_eq!(mesh.parts("KILIM-ANATOLIA", ISTANBUL).await, (1, 3, 0, 0));
        // Safety stays unless it is given.
        assert_eq!(mesh.level("CEZVE-COPPER", ANKARA).await.safety, 2);
        mesh.set("CEZVE-COPPER", ANKARA, 5).await;
        let level = mesh.level("CEZVE-COPPER", ANKARA).await;
        assert_eq!((level.safety, level.available), (2, 3));
    }
}

#[tokio::test]
async fn staff_count_in_their_own_stores() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let ankara = staff(&[ANKARA]);
        mesh.adjust(&ankara, "TEA-RIZE-500", ANKARA, 1).await.unwrap();
        let denied = mesh.adjust(&ankara, "TEA-RIZE-500", IZMIR, 1).await.unwrap_err();
        assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, "STORE_DENIED".to_owned()));
        let request = SetStockRequest {
            sku: "TEA-RIZE-500".to_owned(),
            location_id: IZMIR.to_owned(),
            on_hand: 1,
            ..SetStockRequest::default()
        };
        let denied = mesh.stock(&ankara).set_stock(request).await.unwrap_err();
        assert_eq!(reason(&denied), "STORE_DENIED");
        mesh.adjust(&staff(&["*"]), "TEA-RIZE-500", IZMIR, 1).await.unwrap();
        let denied = mesh.adjust(&customer(Channel::Web), "TEA-RIZE-500", IZMIR, 1).await.unwrap_err();
        assert_eq!(reason(&denied), "AUDIENCE_DENIED");
    }
}

#[tokio::test]
async fn customers_see_their_channel_only_and_no_parts() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let request = GetAvailabilityRequest {
            skus: vec!["TEA-RIZE-500".to_owned(), "GIFT-WRAP".to_owned(), "nothing".to_owned()],
            // A customer who asks for another channel gets their own.
            channel: Channel::Marketplace.into(),
            location_ids: Vec::new(),
        };
        let seen = mesh.stock(&customer(Channel::Web)).get_availability(request.clone()).await.unwrap().into_inner();
        let tea = &seen.availabilities[0];
        assert_eq!(tea.available, 250);
        let levels: Vec<_> =
            tea.levels.iter().map(|level| (level.location_id.as_str(), level.available, level.on_hand)).collect();
        assert_eq!(levels, [(ANKARA, 15, 0), (ISTANBUL, 25, 0), (IZMIR, 10, 0)]);
        assert!(!seen.availabilities[1].stock_counted && seen.availabilities[1].available > 0);
        assert_eq!((seen.availabilities[2].available, seen.availabilities[2].stock_counted), (0, true));

        let one_store = omnimesh_proto::catalog::v1::SetChannelSettingsRequest {
            settings: Some(omnimesh_proto::catalog::v1::ChannelSettings {
                channel: Channel::Marketplace.into(),
                prices_include_tax: true,
                location_ids: vec![IZMIR.to_owned()],
            }),
            ..Default::default()
        };
        mesh.catalog(&admin()).set_channel_settings(one_store).await.unwrap();
        let seen = mesh.stock(&admin()).get_availability(request.clone()).await.unwrap().into_inner();
        assert_eq!(seen.availabilities[0].available, 10);
        assert_eq!(seen.availabilities[0].levels[0].on_hand, 10);
        let seen = mesh.stock(&customer(Channel::Web)).get_availability(request).await.unwrap().into_inner();
        assert_eq!(seen.availabilities[0].available, 250);
        assert_eq!(mesh.parts("TEA-RIZE-500", WAREHOUSE).await, (200, 0, 0, 200));
    }
}
