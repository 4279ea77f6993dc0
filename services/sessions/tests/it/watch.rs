//! Codes on their way to those who deliver them.

use omnimesh_proto::{access::v1::Audience, sessions::v1::WatchVerificationsRequest};

use crate::world::{anonymous, key, reason, worlds};

#[tokio::test]
async fn open_codes_come_first_then_new_ones() {
    for world in worlds().await {
        let guest = world.guest().await;
        let open = world.ask_code(&guest, "ada@shop.example").await.unwrap();
        world.prove(&guest, "done@shop.example").await;
        let refused =
            world.client(&key(Audience::Service, &[])).watch_verifications(WatchVerificationsRequest {}).await;
        assert_eq!(reason(refused), "SCOPE_MISSING");
        let refused = world.client(&anonymous(&[])).watch_verifications(WatchVerificationsRequest {}).await;
        assert_eq!(reason(refused), "AUDIENCE_DENIED");
        let mut client = world.client(&key(Audience::Service, &["verifications.deliver"]));
        let mut codes = client.watch_verifications(WatchVerificationsRequest {}).await.unwrap().into_inner();
        let first = codes.message().await.unwrap().unwrap();
        assert_eq!((&first.verification_id, first.locale.as_str()), (&open, "tr-TR"));
        assert!(first.code.len() == 6 && first.code.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(first.contact.is_some());
        let new = world.ask_code(&guest, "bob@shop.example").await.unwrap();
        let next = tokio::time::timeout(std::time::Duration::from_secs(10), codes.message()).await;
        assert_eq!(next.expect("the new code arrives").unwrap().unwrap().verification_id, new);
    }
}
