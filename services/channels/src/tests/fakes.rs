//! The order book and the marketplace.

use std::{collections::BTreeMap, pin::Pin};

use futures::{Stream, StreamExt as _, stream};
use omnimesh_kit::{clock::Timestamp, ids::uuid_v7};
use omnimesh_proto::{
    connectors::v1::{self as c, connector_service_server::ConnectorService, outcome},
    orders::v1::{self as o, order_service_server::OrderService},
};
use tonic::{Request, Response, Status, Streaming};

use super::world::{Log, Shared, booked};
use crate::domain::OrderId;

type Answer<T> = Result<Response<T>, Status>;
type Pages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Debug, Default)]
pub(super) struct Market {
    pub(super) orders: BTreeMap<String, c::ChannelOrder>,
    /// Writes that reached it.
    pub(super) log: Log,
    /// What it answers with to the next writes; then with Done.
    pub(super) answers: std::collections::VecDeque<Result<outcome::Result, Status>>,
    pub(super) pulls: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Marketplace(pub(super) Shared<Market>);

impl Marketplace {
    pub(super) fn show(&self, order: c::ChannelOrder) {
        self.0.get().orders.insert(order.native_id.clone(), order);
    }

    pub(super) fn order(&self, native_id: &str) -> c::ChannelOrder {
        self.0.get().orders[native_id].clone()
    }

    pub(super) fn answer(&self, answer: Result<outcome::Result, Status>) {
        self.0.get().answers.push_back(answer);
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.0.get().log.iter().cloned().collect()
    }

    fn write(&self, what: String) -> Result<Option<c::Outcome>, Status> {
        let mut market = self.0.get();
        market.log.push_back(what);
        let result = market.answers.pop_front().unwrap_or(Ok(outcome::Result::Done(outcome_done())))?;
        Ok(Some(c::Outcome { result: Some(result) }))
    }
}

fn outcome_done() -> outcome::Done {
    outcome::Done::default()
}

pub(super) fn error(kind: c::VendorErrorKind) -> outcome::Result {
    outcome::Result::Error(c::VendorError { kind: kind.into(), message: "no".to_owned(), ..c::VendorError::default() })
}

fn lines(lines: &[c::NativeLine]) -> String {
    lines.iter().map(|line| format!("{}x{}", line.quantity, line.native_id)).collect::<Vec<_>>().join(" ")
}

fn absent<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl ConnectorService for Marketplace {
    type PullOrdersStream = Pages<c::PullOrdersResponse>;
    type PullReturnsStream = Pages<c::PullReturnsResponse>;

    async fn describe(&self, _: Request<c::DescribeRequest>) -> Answer<c::DescribeResponse> {
        let field = |name: &str, secret| c::AccountField {
            name: name.to_owned(),
            required: true,
            secret,
            ..c::AccountField::default()
        };
        let account_fields = vec![field("seller_id", false), field("api_secret", true)];
        Ok(Response::new(c::DescribeResponse { account_fields, ..c::DescribeResponse::default() }))
    }

    async fn check(&self, _: Request<c::CheckRequest>) -> Answer<c::CheckResponse> {
        Ok(Response::new(c::CheckResponse { verdict: c::CheckVerdict::Ok.into(), error: None }))
    }

    /// Two a page, all of them each time: a pull overlaps the one before.
    async fn pull_orders(&self, _: Request<c::PullOrdersRequest>) -> Answer<Self::PullOrdersStream> {
        let mut market = self.0.get();
        market.pulls += 1;
        let number = market.pulls;
        let orders: Vec<_> = market.orders.values().cloned().collect();
        let chunks: Vec<_> = orders.chunks(2).map(<[_]>::to_vec).collect();
        let count = chunks.len().max(1);
        let page = move |(place, orders)| {
            Ok(c::PullOrdersResponse {
                orders,
                next_cursor: format!("{number}:{place}").into_bytes(),
                has_more: place + 1 < count,
                ..c::PullOrdersResponse::default()
            })
        };
        let chunks = if chunks.is_empty() { vec![Vec::new()] } else { chunks };
        Ok(Response::new(Box::pin(stream::iter(chunks.into_iter().enumerate().map(page)))))
    }

    async fn receive_webhook(&self, _: Request<c::ReceiveWebhookRequest>) -> Answer<c::ReceiveWebhookResponse> {
        absent()
    }

    async fn acknowledge_order(
        &self,
        request: Request<c::AcknowledgeOrderRequest>,
    ) -> Answer<c::AcknowledgeOrderResponse> {
        let request = request.into_inner();
        let outcome = self.write(format!("acknowledge {}", request.order.unwrap().native_id))?;
        Ok(Response::new(c::AcknowledgeOrderResponse { outcome }))
    }

    async fn push_shipment(&self, request: Request<c::PushShipmentRequest>) -> Answer<c::PushShipmentResponse> {
        let request = request.into_inner();
        let what = if request.partial { "split" } else { "ship" };
        let sent = lines(&request.lines);
        let outcome = self.write(format!("{what} {}: {sent}", request.order.unwrap().native_id))?;
        Ok(Response::new(c::PushShipmentResponse { outcome }))
    }

    async fn cancel_lines(&self, request: Request<c::CancelLinesRequest>) -> Answer<c::CancelLinesResponse> {
        let request = request.into_inner();
        let sent = lines(&request.lines);
        let outcome = self.write(format!("cancel {}: {sent}", request.order.unwrap().native_id))?;
        Ok(Response::new(c::CancelLinesResponse { outcome }))
    }

    async fn pull_returns(&self, _: Request<c::PullReturnsRequest>) -> Answer<Self::PullReturnsStream> {
        absent()
    }

    async fn approve_return(&self, _: Request<c::ApproveReturnRequest>) -> Answer<c::ApproveReturnResponse> {
        absent()
    }

    async fn reject_return(&self, _: Request<c::RejectReturnRequest>) -> Answer<c::RejectReturnResponse> {
        absent()
    }

    async fn refund(&self, _: Request<c::RefundRequest>) -> Answer<c::RefundResponse> {
        absent()
    }

    async fn push_stock(&self, _: Request<c::PushStockRequest>) -> Answer<c::PushStockResponse> {
        absent()
    }

    async fn push_price(&self, _: Request<c::PushPriceRequest>) -> Answer<c::PushPriceResponse> {
        absent()
    }

    async fn get_operation(&self, _: Request<c::GetOperationRequest>) -> Answer<c::GetOperationResponse> {
        let done = outcome::Result::Done(outcome_done());
        Ok(Response::new(c::GetOperationResponse { outcome: Some(c::Outcome { result: Some(done) }) }))
    }
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) orders: BTreeMap<String, o::Order>,
    /// The order of each document, and how often one came.
    pub(super) documents: BTreeMap<String, (String, o::ImportDocument)>,
    pub(super) imports: usize,
    pub(super) cancelled: Vec<String>,
    /// Why documents are refused; empty: they are not.
    pub(super) refusal: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct OrderBook(pub(super) Shared<Book>);

impl OrderBook {
    /// The order that a unit became.
    pub(super) fn order_of(&self, native_id: &str) -> String {
        self.0.get().documents[native_id].0.clone()
    }
}

#[tonic::async_trait]
impl OrderService for OrderBook {
    type ImportOrdersStream = Pages<o::ImportOrdersResponse>;
    type ExportOrdersStream = Pages<o::ExportOrdersResponse>;
    type WatchOrdersStream = Pages<o::WatchOrdersResponse>;

    async fn import_orders(
        &self,
        request: Request<Streaming<o::ImportOrdersRequest>>,
    ) -> Answer<Self::ImportOrdersStream> {
        let mut requests = request.into_inner();
        let mut answers = Vec::new();
        while let Some(request) = requests.next().await {
            let document = request?.document.unwrap();
            let mut book = self.0.get();
            book.imports += 1;
            let mut answer = o::ImportOrdersResponse {
                channel_order_id: document.channel_order_id.clone(),
                refusal: book.refusal.clone(),
                ..o::ImportOrdersResponse::default()
            };
            if !book.refusal.is_empty() {
                answer.set_outcome(o::ImportOutcome::Refused);
            } else if let Some((order_id, _)) = book.documents.get(&document.channel_order_id) {
                answer.order_id.clone_from(order_id);
                answer.set_outcome(o::ImportOutcome::Unchanged);
            } else {
                let order_id = OrderId(uuid_v7(Timestamp::from_micros(1_000_000))).to_string();
                book.orders.insert(order_id.clone(), booked(&order_id, &document));
                book.documents.insert(document.channel_order_id.clone(), (order_id.clone(), document));
                answer.order_id = order_id;
                answer.set_outcome(o::ImportOutcome::Created);
            }
            answers.push(Ok(answer));
        }
        Ok(Response::new(Box::pin(stream::iter(answers))))
    }

    async fn get_order(&self, request: Request<o::GetOrderRequest>) -> Answer<o::GetOrderResponse> {
        let Some(o::get_order_request::Key::OrderId(id)) = request.into_inner().key else {
            return Err(Status::invalid_argument("key"));
        };
        Ok(Response::new(o::GetOrderResponse { order: self.0.get().orders.get(&id).cloned() }))
    }

    async fn cancel_order(&self, request: Request<o::CancelOrderRequest>) -> Answer<o::CancelOrderResponse> {
        let id = request.into_inner().order_id;
        let mut book = self.0.get();
        book.cancelled.push(id.clone());
        let order = book.orders.get_mut(&id).unwrap();
        order.set_state(o::OrderState::Cancelled);
        Ok(Response::new(o::CancelOrderResponse { order: Some(order.clone()) }))
    }

    async fn place_order(&self, _: Request<o::PlaceOrderRequest>) -> Answer<o::PlaceOrderResponse> {
        absent()
    }

    async fn list_orders(&self, _: Request<o::ListOrdersRequest>) -> Answer<o::ListOrdersResponse> {
        absent()
    }

    async fn export_orders(&self, _: Request<o::ExportOrdersRequest>) -> Answer<Self::ExportOrdersStream> {
        absent()
    }

    async fn list_order_events(&self, _: Request<o::ListOrderEventsRequest>) -> Answer<o::ListOrderEventsResponse> {
        absent()
    }

    async fn watch_orders(&self, _: Request<o::WatchOrdersRequest>) -> Answer<Self::WatchOrdersStream> {
        absent()
    }

    async fn get_pickup_code(&self, _: Request<o::GetPickupCodeRequest>) -> Answer<o::GetPickupCodeResponse> {
        absent()
    }
}
