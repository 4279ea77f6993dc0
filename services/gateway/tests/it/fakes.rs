//! Services that do what the test asks of them.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use omnimesh_kit::call::Call;
use omnimesh_proto::{
    catalog::v1::{catalog_service_server::CatalogService, *},
    sessions::v1::{api_key_service_server::ApiKeyService, session_service_server::SessionService, *},
};
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The session that every handed-over one came from.
pub(crate) const SOURCE: &str = "session_01k0000000e008000000000000";

/// What the services saw and know.
#[derive(Clone, Default)]
pub(crate) struct Fakes {
    pub(crate) keys: Arc<Mutex<HashMap<Vec<u8>, ApiKey>>>,
    pub(crate) sessions: Arc<Mutex<HashMap<Vec<u8>, Session>>>,
    pub(crate) seen: Arc<Mutex<Vec<(MetadataMap, Call)>>>,
}

impl Fakes {
    fn see<T>(&self, request: &Request<T>) {
        let call = Call::of(request).unwrap();
        self.seen.lock().unwrap().push((request.metadata().clone(), call));
    }

    pub(crate) fn last_seen(&self) -> (MetadataMap, Call) {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// `fail:<code>` fails so, `panic` panics, `slow` never answers.
pub(crate) async fn act(word: &str) -> Result<(), Status> {
    if let Some(code) = word.strip_prefix("fail:") {
        let details =
            ErrorDetails::with_error_info("ILLEGAL_TRANSITION", "omnimesh", [("state".into(), "packed".into())]);
        return Err(Status::with_error_details(Code::from_i32(code.parse().unwrap()), "as asked: ğ", details));
    }
    match word {
        "panic" => panic!("as asked"),
        "slow" => std::future::pending().await,
        _ => Ok(()),
    }
}

fn absent<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl CatalogService for Fakes {
    type ImportProductsStream = Pin<Box<dyn Stream<Item = Result<ImportProductsResponse, Status>> + Send>>;

    async fn import_products(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Result<Response<Self::ImportProductsStream>, Status> {
        self.see(&request);
        let answers = request.into_inner().enumerate().then(|(index, message)| async move {
            let sku = message?.product.unwrap_or_default().sku;
            act(&sku).await?;
            Ok(ImportProductsResponse { index: i64::try_from(index).unwrap(), sku, ..Default::default() })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        self.see(&request);
        let sku = request.into_inner().sku;
        act(&sku).await?;
        let mut response = Response::new(GetProductResponse {
            product: Some(Product { sku, name: "Fes".into(), ..Default::default() }),
        });
        response.metadata_mut().insert("omnimesh-replayed", "true".parse().unwrap());
        Ok(response)
    }

    async fn list_products(&self, _: Request<ListProductsRequest>) -> Result<Response<ListProductsResponse>, Status> {
        absent()
    }
    async fn set_tax_rates(&self, _: Request<SetTaxRatesRequest>) -> Result<Response<SetTaxRatesResponse>, Status> {
        absent()
    }
    async fn list_tax_rates(&self, _: Request<ListTaxRatesRequest>) -> Result<Response<ListTaxRatesResponse>, Status> {
        absent()
    }
    async fn set_channel_settings(
        &self,
        _: Request<SetChannelSettingsRequest>,
    ) -> Result<Response<SetChannelSettingsResponse>, Status> {
        absent()
    }
    async fn list_channel_settings(
        &self,
        _: Request<ListChannelSettingsRequest>,
    ) -> Result<Response<ListChannelSettingsResponse>, Status> {
        absent()
    }
    async fn price_lines(&self, _: Request<PriceLinesRequest>) -> Result<Response<PriceLinesResponse>, Status> {
        absent()
    }
}

#[tonic::async_trait]
impl SessionService for Fakes {
    async fn start_session(
        &self,
        request: Request<StartSessionRequest>,
    ) -> Result<Response<StartSessionResponse>, Status> {
        self.see(&request);
        Ok(Response::new(StartSessionResponse { session: None, token: "a token".into() }))
    }

    async fn get_session(&self, request: Request<GetSessionRequest>) -> Result<Response<GetSessionResponse>, Status> {
        self.see(&request);
        let call = Call::of(&request).unwrap();
        let session = Session { session_id: call.identity().subject.clone(), ..Default::default() };
        Ok(Response::new(GetSessionResponse { session: Some(session) }))
    }

    type WatchVerificationsStream = Pin<Box<dyn Stream<Item = Result<WatchVerificationsResponse, Status>> + Send>>;

    /// Three codes, and then nothing for ever.
    async fn watch_verifications(
        &self,
        request: Request<WatchVerificationsRequest>,
    ) -> Result<Response<Self::WatchVerificationsStream>, Status> {
        self.see(&request);
        let mode = request.metadata().get("x-mode").map(|mode| mode.to_str().unwrap().to_owned());
        let codes = futures::stream::iter(0..3)
            .map(|code| Ok(WatchVerificationsResponse { code: code.to_string(), ..Default::default() }));
        let stream: Self::WatchVerificationsStream = match mode.as_deref() {
            Some("end") => Box::pin(codes),
            Some("fail") => {
                Box::pin(codes.chain(futures::stream::once(async { act("fail:9").await.map(|()| unreachable!()) })))
            }
            _ => Box::pin(codes.chain(futures::stream::pending())),
        };
        Ok(Response::new(stream))
    }

    async fn load_session(
        &self,
        request: Request<LoadSessionRequest>,
    ) -> Result<Response<LoadSessionResponse>, Status> {
        let request = request.into_inner();
        let session = self.sessions.lock().unwrap().get(&request.token_hash).cloned();
        // What was handed over is the cart it works on, of a guest.
        let linked = session.as_ref().filter(|session| session.level() == SessionLevel::Linked);
        let linked_cart_id = linked.map(|session| session.cart_id.clone()).unwrap_or_default();
        Ok(Response::new(LoadSessionResponse {
            session,
            linked_cart_id,
            linked_source_session_id: SOURCE.to_owned(),
            ..Default::default()
        }))
    }

    async fn start_verification(
        &self,
        request: Request<StartVerificationRequest>,
    ) -> Result<Response<StartVerificationResponse>, Status> {
        self.see(&request);
        tokio::time::sleep(Duration::ZERO).await;
        Ok(Response::new(StartVerificationResponse::default()))
    }
    async fn complete_verification(
        &self,
        _: Request<CompleteVerificationRequest>,
    ) -> Result<Response<CompleteVerificationResponse>, Status> {
        absent()
    }
    async fn identify_session(
        &self,
        _: Request<IdentifySessionRequest>,
    ) -> Result<Response<IdentifySessionResponse>, Status> {
        absent()
    }
    async fn end_session(&self, _: Request<EndSessionRequest>) -> Result<Response<EndSessionResponse>, Status> {
        absent()
    }
    async fn attach_cart(&self, _: Request<AttachCartRequest>) -> Result<Response<AttachCartResponse>, Status> {
        absent()
    }
    async fn check_verified_contact(
        &self,
        _: Request<CheckVerifiedContactRequest>,
    ) -> Result<Response<CheckVerifiedContactResponse>, Status> {
        absent()
    }
}

#[tonic::async_trait]
impl ApiKeyService for Fakes {
    async fn load_api_key(&self, request: Request<LoadApiKeyRequest>) -> Result<Response<LoadApiKeyResponse>, Status> {
        let request = request.into_inner();
        let api_key = self.keys.lock().unwrap().get(&request.secret_hash).cloned();
        Ok(Response::new(LoadApiKeyResponse { api_key: api_key.filter(|key| key.key_id == request.key_id) }))
    }

    async fn create_api_key(&self, _: Request<CreateApiKeyRequest>) -> Result<Response<CreateApiKeyResponse>, Status> {
        absent()
    }
    async fn list_api_keys(&self, _: Request<ListApiKeysRequest>) -> Result<Response<ListApiKeysResponse>, Status> {
        absent()
    }
    async fn revoke_api_key(&self, _: Request<RevokeApiKeyRequest>) -> Result<Response<RevokeApiKeyResponse>, Status> {
        absent()
    }
}
