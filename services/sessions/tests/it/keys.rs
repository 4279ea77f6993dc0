//! API keys: made, shown once, listed, loaded by the gateway, revoked.

use std::time::Duration;

use omnimesh_kit::secrets::hash_token;
use omnimesh_proto::{
    access::v1::Audience,
    common::v1::Channel,
    sessions::v1::{
        ApiKey, ApiKeyKind, CreateApiKeyRequest, ListApiKeysRequest, LoadApiKeyRequest, RevokeApiKeyRequest,
    },
};

use crate::world::{World, key, reason, worlds};

fn admin() -> omnimesh_kit::call::Call {
    key(Audience::Admin, &[])
}

async fn load(world: &World, secret: &str) -> Option<ApiKey> {
    let key_id = secret.split('_').nth(1).unwrap().to_owned();
    let request = LoadApiKeyRequest { key_id, secret_hash: hash_token(secret).to_vec() };
    world.keys_from_gateway().load_api_key(request).await.unwrap().into_inner().api_key
}

#[tokio::test]
async fn a_key_lives_until_it_is_revoked_or_expires() {
    for world in worlds().await {
        let request = CreateApiKeyRequest {
            kind: ApiKeyKind::Secret.into(),
            display_name: "mailer".to_owned(),
            scopes: vec!["verifications.deliver".to_owned()],
            channels: vec![Channel::Web.into()],
            ttl: Some(prost_types::Duration { seconds: 100, nanos: 0 }),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let made = world.keys(&admin()).create_api_key(request.clone()).await.unwrap().into_inner();
        let (secret, made) = (made.secret, made.api_key.unwrap());
        let again = world.keys(&admin()).create_api_key(request.clone()).await.unwrap().into_inner();
        assert_eq!((again.secret.as_str(), again.api_key.as_ref()), ("", Some(&made)), "the secret is shown once");
        assert_eq!(load(&world, &secret).await.as_ref(), Some(&made));
        assert_eq!(load(&world, &format!("{secret}x")).await, None);
        assert_eq!(load(&world, "omk_nosuchkey_x").await, None);
        world.clock.advance(Duration::from_secs(100));
        assert_eq!(load(&world, &secret).await, None, "expired");

        let request = CreateApiKeyRequest { ttl: None, request_id: String::new(), ..request };
        let made = world.keys(&admin()).create_api_key(request).await.unwrap().into_inner();
        let key_id = made.api_key.unwrap().key_id;
        assert!(load(&world, &made.secret).await.is_some());
        let revoke = |key_id: &str| RevokeApiKeyRequest { key_id: key_id.to_owned(), request_id: String::new() };
        let revoked = world.keys(&admin()).revoke_api_key(revoke(&key_id)).await.unwrap().into_inner().api_key.unwrap();
        world.clock.advance(Duration::from_secs(1));
        let twice = world.keys(&admin()).revoke_api_key(revoke(&key_id)).await.unwrap().into_inner().api_key.unwrap();
        assert_eq!(revoked.revoke_time, twice.revoke_time);
        assert_eq!(load(&world, &made.secret).await, None, "revoked");
        assert_eq!(reason(world.keys(&admin()).revoke_api_key(revoke("nosuchkey")).await), "NOT_FOUND");
        let by_service = world.keys(&key(Audience::Service, &[])).revoke_api_key(revoke(&key_id)).await;
        assert_eq!(reason(by_service), "AUDIENCE_DENIED");
    }
}

#[tokio::test]
async fn keys_are_listed_newest_first_in_pages() {
    for world in worlds().await {
        for n in 0..5 {
            let spec = omnimesh_sessions::KeySpec::plain(ApiKeyKind::Admin, &format!("key {n}"));
            omnimesh_sessions::create_key(&world.db, spec).await.unwrap();
            // Pairs of the same moment: the id decides.
            world.clock.advance(Duration::from_secs(n % 2));
        }
        let mut names = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListApiKeysRequest { page_size: 2, page_token };
            let page = world.keys(&admin()).list_api_keys(request).await.unwrap().into_inner();
            names.extend(page.api_keys.into_iter().map(|key| key.display_name));
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
        assert_eq!(names.len(), 5);
        assert_eq!(names[0], "key 4");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 5, "each once");
        let forged = ListApiKeysRequest { page_size: 2, page_token: "AAAA".to_owned() };
        assert_eq!(reason(world.keys(&admin()).list_api_keys(forged).await), "INVALID_PAGE_TOKEN");
        let negative = ListApiKeysRequest { page_size: -1, page_token: String::new() };
        assert_eq!(reason(world.keys(&admin()).list_api_keys(negative).await), "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn the_first_start_makes_two_keys_once() {
    for world in worlds().await {
        let starts = (0..4).map(|_| omnimesh_sessions::bootstrap_keys(&world.db));
        let starts = futures::future::try_join_all(starts).await.unwrap();
        let [keys] = starts.into_iter().flatten().collect::<Vec<_>>().try_into().unwrap();
        assert!(!format!("{keys:?}").contains("omk_"));
        assert_eq!(load(&world, keys.admin.expose()).await.unwrap().kind(), ApiKeyKind::Admin);
        assert_eq!(load(&world, keys.publishable.expose()).await.unwrap().kind(), ApiKeyKind::Publishable);
    }
}
