//! Accounts: their credentials are for their own connector only, and nothing else shows them.

use std::collections::BTreeMap;

use omnimesh_kit::testing::BACKENDS;
use omnimesh_proto::{
    channels::v1::{
        AccountState, CheckAccountRequest, CreateAccountRequest, ListAccountsRequest, ListDeadLettersRequest,
        OpenCredentialsRequest, PauseAccountRequest, ReplayDeadLetterRequest, ResumeAccountRequest,
        RotateCredentialsRequest,
    },
    connectors::v1::CheckVerdict,
};
use tonic::Code;

use super::world::{SECRET, VENDOR, world};
use crate::domain::AccountId;

fn fields(secret: &str) -> BTreeMap<String, String> {
    [("seller_id", "2738"), ("api_secret", secret)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn credentials_open_for_their_own_connector_only() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let id = world.account.account_id.clone();
        let open = |version| OpenCredentialsRequest { credentials_ref: format!("{id}:{version}") };
        let opened = world.as_connector(VENDOR).open_credentials(open(1)).await.unwrap().into_inner();
        assert_eq!(opened.fields, fields(SECRET));
        let denied = world.channels().open_credentials(open(1)).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        for other in ["orders", "channels"] {
            let denied = world.as_connector(other).open_credentials(open(1)).await.unwrap_err();
            assert_eq!(denied.code(), Code::PermissionDenied, "{other}");
        }
        for unknown in ["", "main", "chan_01k00000000000000000000000:1", &id] {
            let request = OpenCredentialsRequest { credentials_ref: unknown.to_owned() };
            let missing = world.as_connector(VENDOR).open_credentials(request).await.unwrap_err();
            assert_eq!(missing.code(), Code::NotFound, "{unknown}");
        }

        let sealed = |account: crate::domain::account::Account| account.credentials;
        let account: AccountId = id.parse().unwrap();
        let mut conn = world.db.read().await.unwrap();
        let before = sealed(crate::store::accounts::by_id(&mut conn, account).await.unwrap().unwrap());
        drop(conn);
        assert!(!before.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
        let request = RotateCredentialsRequest {
            account_id: id.clone(),
            fields: fields("another-secret"),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        let rotated = world.channels().rotate_credentials(request.clone()).await.unwrap().into_inner().account.unwrap();
        assert_eq!(rotated.credentials_version, 2);
        let again = world.channels().rotate_credentials(request).await.unwrap().into_inner().account.unwrap();
        assert_eq!(again.credentials_version, 2, "a repeated request has one effect");
        let opened = world.as_connector(VENDOR).open_credentials(open(2)).await.unwrap().into_inner();
        assert_eq!(opened.fields, fields("another-secret"));
    }
}

#[tokio::test]
async fn what_is_no_account_is_refused_without_its_secrets() {
    let world = world(BACKENDS[0]).await;
    let create = |vendor: &str, name: &str, fields: BTreeMap<String, String>| CreateAccountRequest {
        vendor: vendor.to_owned(),
        display_name: name.to_owned(),
        fields,
        request_id: String::new(),
    };
    let mut unknown = fields(SECRET);
    unknown.insert(SECRET.to_owned(), SECRET.to_owned());
    let mut long = fields(SECRET);
    long.insert("seller_id".to_owned(), "9".repeat(10_001));
    let wrong = [
        create("orders", "x", fields(SECRET)),
        create("", "x", fields(SECRET)),
        create(VENDOR, "", fields(SECRET)),
        create(VENDOR, "x", BTreeMap::new()),
        create(VENDOR, "x", fields("")),
        create(VENDOR, "x", unknown),
        create(VENDOR, "x", long),
    ];
    for request in wrong {
        let refused = world.channels().create_account(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{request:?}");
        assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
        assert!(!String::from_utf8_lossy(refused.details()).contains(SECRET));
    }
    let listed = world.channels().list_accounts(ListAccountsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.accounts.len(), 1, "none of them came to be");
}

#[tokio::test]
async fn accounts_are_listed_page_by_page_checked_and_paused() {
    for backend in BACKENDS {
        let world = world(backend).await;
        for name in ["Second", "Third"] {
            world.db.clock.advance(std::time::Duration::from_millis(1));
            let request = CreateAccountRequest {
                vendor: VENDOR.to_owned(),
                display_name: name.to_owned(),
                fields: fields(SECRET),
                request_id: uuid::Uuid::new_v4().to_string(),
            };
            let created = world.channels().create_account(request.clone()).await.unwrap().into_inner();
            let again = world.channels().create_account(request).await.unwrap().into_inner();
            assert_eq!(created, again);
        }
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListAccountsRequest { page_size: 2, page_token };
            let page = world.channels().list_accounts(request).await.unwrap().into_inner();
            names.extend(page.accounts.into_iter().map(|account| account.display_name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(names, ["Our shop", "Second", "Third"]);

        let account_id = world.account.account_id.clone();
        let check = CheckAccountRequest { account_id: account_id.clone() };
        assert_eq!(world.channels().check_account(check).await.unwrap().into_inner().verdict(), CheckVerdict::Ok);
        let pause = PauseAccountRequest { account_id: account_id.clone() };
        let paused = world.channels().pause_account(pause).await.unwrap().into_inner().account.unwrap();
        assert_eq!(paused.state(), AccountState::Paused);
        world.pass(100).await;
        assert_eq!(world.seen().await.sync.unwrap().pull_time, None, "a paused account is not pulled");
        let resume = ResumeAccountRequest { account_id: account_id.clone() };
        world.channels().resume_account(resume).await.unwrap();
        world.pass(0).await;
        assert!(world.seen().await.sync.unwrap().pull_time.is_some());
    }
}

#[tokio::test]
async fn ids_of_nothing_are_not_found_and_others_refused() {
    let world = world(BACKENDS[0]).await;
    let mut channels = world.channels();
    let no_account = "chan_01k00000000000000000000000".to_owned();
    let missing = [
        channels.check_account(CheckAccountRequest { account_id: no_account.clone() }).await.map(drop),
        channels.pause_account(PauseAccountRequest { account_id: no_account.clone() }).await.map(drop),
        channels.resume_account(ResumeAccountRequest { account_id: no_account }).await.map(drop),
        channels
            .replay_dead_letter(ReplayDeadLetterRequest {
                dead_letter_id: "dead_01k00000000000000000000000".to_owned(),
            })
            .await
            .map(drop),
    ];
    for answer in missing {
        assert_eq!(answer.unwrap_err().code(), Code::NotFound);
    }
    let junk = ListDeadLettersRequest { account_id: "junk".to_owned(), ..ListDeadLettersRequest::default() };
    assert_eq!(channels.list_dead_letters(junk).await.unwrap_err().code(), Code::InvalidArgument);
}
