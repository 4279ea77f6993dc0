//! A connector in front of its vendor's stand-in, called as channels calls it: over the contract, through the whole stack.

use std::{sync::Arc, time::Duration};

use omnimesh_kit::{
    auth::TokenKey,
    call::Call,
    clock::Clock,
    config::{self, Settings, Sources},
    lifecycle::Lifecycle,
    links::{Addresses, BoundLink, Links},
    secrets::Secrets,
    server::{Server, ServerSettings},
};
use omnimesh_proto::connectors::v1::{
    AcknowledgeOrderRequest, ChannelOrder, Outcome, PullOrdersRequest, PullOrdersResponse,
    connector_service_client::ConnectorServiceClient,
};
use tonic::service::Routes;

use super::{Placed, Stage};
use crate::ConnectorDeps;

/// The account that works, and the one whose credentials are wrong.
pub(super) const ACCOUNT: &str = "main";
pub(super) const WRONG: &str = "wrong";
/// What nobody's credentials are.
pub(super) const GUESS: &str = "guessed-by-somebody";
const PATIENCE: Duration = Duration::from_secs(20);

/// A connector and its stand-in.
pub struct World<S> {
    /// The stand-in.
    pub stage: S,
    links: Links,
    name: &'static str,
    // What runs in it ends with the test's runtime.
    _lifecycle: Lifecycle,
}

impl<S: Stage> World<S> {
    /// Starts both.
    ///
    /// # Panics
    /// If one does not start.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn start(name: &'static str, build: fn(ConnectorDeps) -> Result<Routes, config::Error>) -> Self {
        let (stage, lifecycle) = (S::default(), Lifecycle::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = stage.router();
        lifecycle.spawn("stand-in", async move {
            axum::serve(listener, router).await.ok();
        });

        let variable = |account: &str, field: &str, value: &str| {
            let name = format!("OMNIMESH_{name}__ACCOUNTS__{account}__{field}").to_ascii_uppercase();
            // As a text, whatever it looks like.
            (name, format!("\"{value}\""))
        };
        let mut variables = Vec::new();
        for (field, value) in stage.fields(&url) {
            variables.push(variable(ACCOUNT, field, &value));
            let guess = if field == stage.decisive_field() { GUESS } else { &value };
            variables.push(variable(WRONG, field, guess));
        }
        let sources = Sources { variables, known_connectors: vec![name.to_owned()], ..Sources::default() };
        let settings = Arc::new(Settings::load(&sources).expect("settings"));
        let clock = Clock::System;
        let keys = TokenKey::new(&Secrets::from_root([7; 32]), clock.clone());
        let links = Links::new(keys.clone(), Addresses::new(), lifecycle.clone());
        let routes = build(ConnectorDeps { settings, clock, lifecycle: lifecycle.clone(), links: links.of(name) });
        let server = Server::new(ServerSettings::default(), keys, lifecycle.clone());
        links.register_local(server.stack(name, routes.expect("the connector is built")));
        Self { stage, links: links.of("channels"), name, _lifecycle: lifecycle }
    }

    /// The connector, as channels calls it.
    pub fn connector(&self) -> ConnectorServiceClient<BoundLink> {
        self.connector_within(PATIENCE)
    }

    /// The connector, as a caller in a hurry calls it.
    pub fn connector_within(&self, patience: Duration) -> ConnectorServiceClient<BoundLink> {
        ConnectorServiceClient::new(self.links.to(self.name, &Call::system("channels")).within(patience))
    }

    /// The pages of a pull from a cursor on.
    ///
    /// # Panics
    /// If the connector refuses.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn pull(&self, cursor: Vec<u8>, max_pages: i32) -> Vec<PullOrdersResponse> {
        let request = PullOrdersRequest {
            credentials_ref: ACCOUNT.to_owned(),
            cursor,
            max_pages,
            ..PullOrdersRequest::default()
        };
        let mut stream = self.connector().pull_orders(request).await.expect("a stream").into_inner();
        let mut pages = Vec::new();
        while let Some(page) = stream.message().await.expect("a page") {
            pages.push(page);
        }
        pages
    }

    /// The orders of a pull from a cursor on, and the cursor after it.
    ///
    /// # Panics
    /// If the vendor reports an error.
    pub async fn pull_all(&self, cursor: Vec<u8>) -> (Vec<ChannelOrder>, Vec<u8>) {
        let pages = self.pull(cursor, 0).await;
        assert!(pages.iter().all(|page| page.error.is_none() && page.unreadable.is_empty()), "{pages:?}");
        let cursor = pages.last().map(|page| page.next_cursor.clone()).unwrap_or_default();
        (pages.into_iter().flat_map(|page| page.orders).collect(), cursor)
    }

    /// The acknowledgement of an order.
    pub fn acknowledgement(&self, placed: &Placed) -> AcknowledgeOrderRequest {
        AcknowledgeOrderRequest {
            credentials_ref: ACCOUNT.to_owned(),
            idempotency_key: format!("acknowledge-{}", placed.order.native_id),
            order: Some(placed.order.clone()),
            lines: placed.lines.clone(),
        }
    }

    /// What became of an acknowledgement by a caller with so much patience.
    ///
    /// # Panics
    /// If the connector refuses.
    #[expect(clippy::expect_used, reason = "a test fails by panicking")]
    pub async fn acknowledge(&self, placed: &Placed, patience: Duration) -> Outcome {
        let request = self.acknowledgement(placed);
        let reply = self.connector_within(patience).acknowledge_order(request).await.expect("an outcome");
        reply.into_inner().outcome.expect("an outcome")
    }

    /// How many requests came since so many.
    pub fn requests_since(&self, before: usize) -> usize {
        self.stage.faults().asked().len() - before
    }
}
