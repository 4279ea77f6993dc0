//! The RPCs, each a line or two over the flow that it takes.

use http::{HeaderMap, HeaderName, HeaderValue};
use omnimesh_kit::{clock::Timestamp, error::Fault};
use omnimesh_proto::connectors::v1::{
    AcknowledgeOrderRequest, AcknowledgeOrderResponse, ApproveReturnRequest, ApproveReturnResponse, CancelLinesRequest,
    CancelLinesResponse, Capability, CheckRequest, CheckResponse, CheckVerdict, DescribeRequest, DescribeResponse,
    GetOperationRequest, GetOperationResponse, Lane, Outcome, PullOrdersRequest, PullOrdersResponse,
    PullReturnsRequest, PullReturnsResponse, PushPriceRequest, PushPriceResponse, PushShipmentRequest,
    PushShipmentResponse, PushStockRequest, PushStockResponse, ReceiveWebhookRequest, ReceiveWebhookResponse,
    RefundRequest, RefundResponse, RejectReturnRequest, RejectReturnResponse,
    connector_service_server::ConnectorService,
};
use tonic::{Request, Response, Status};

use super::{
    Connector, Select, absent,
    checks::Checked,
    deadline,
    pull::{self, Asked, Pages},
};
use crate::{Delivered, Operation, Vendor, client::Errand, flow};

impl<V: Vendor> Connector<V> {
    /// A write or its state. It goes on when the caller hangs up: what is cut in the middle would be in doubt.
    async fn act<O>(&self, request: Request<O::Input>, select: Select<V, O>) -> Result<Option<Outcome>, Status>
    where
        O: Operation<Output = Outcome>,
        O::Input: Checked,
    {
        let (deadline, inner) = (deadline(&request)?, self.inner.clone());
        let input = request.into_inner();
        // What the vendor does not have at all is said before what is wrong with the request.
        select(&inner.vendor).ok_or_else(|| absent(O::CAPABILITY))?;
        input.checked()?;
        let outcome = self.lifecycle.finish(async move { inner.run(&input, deadline, select).await }).await?;
        Ok(Some(outcome.unwrap_or_else(|failure| failure.to_outcome())))
    }
}

#[tonic::async_trait]
impl<V: Vendor> ConnectorService for Connector<V> {
    type PullOrdersStream = Pages<PullOrdersResponse>;
    type PullReturnsStream = Pages<PullReturnsResponse>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let manifest = self.inner.vendor.manifest();
        Ok(Response::new(DescribeResponse {
            vendor: manifest.vendor.to_owned(),
            api_version: manifest.api_version.to_owned(),
            capabilities: flow::capabilities(&self.inner.vendor),
            delivery: manifest.delivery.into(),
            account_fields: manifest.fields.clone(),
        }))
    }

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let (deadline, inner) = (deadline(&request)?, &self.inner);
        let account = &*inner.accounts.open(&inner.vendor, &request.into_inner().credentials_ref).await?;
        let result = match inner.vendor.check(&account.own) {
            Ok(request) => {
                let errand = Errand { seller: &account.seller, lane: Lane::Ship, deadline };
                let read = |reply: &crate::Reply| match reply.status.is_success() {
                    true => Ok(()),
                    false => Err(inner.vendor.failure(reply)),
                };
                inner.client.run(errand, &request, read).await
            }
            Err(failure) => Err(failure),
        };
        Ok(Response::new(match result {
            Ok(()) => CheckResponse { verdict: CheckVerdict::Ok.into(), error: None },
            Err(failure) => CheckResponse {
                verdict: inner.vendor.verdict(&account.own, &failure).into(),
                error: Some(inner.tell(account, failure).to_proto()),
            },
        }))
    }

    async fn pull_orders(
        &self,
        request: Request<PullOrdersRequest>,
    ) -> Result<Response<Self::PullOrdersStream>, Status> {
        let deadline = deadline(&request)?;
        let PullOrdersRequest { credentials_ref, cursor, start_time: start, max_pages, lane } = request.into_inner();
        let asked = Asked { credentials_ref, cursor, start, max_pages, lane };
        let pages =
            pull::pages::<V, flow::PullOrders, _, _>(&self.inner, asked, deadline, V::pull_orders, |page| match page {
                Ok(page) => PullOrdersResponse {
                    orders: page.items,
                    next_cursor: page.next_cursor,
                    has_more: page.has_more,
                    unreadable: page.unreadable,
                    error: None,
                },
                Err(failure) => PullOrdersResponse { error: Some(failure.to_proto()), ..PullOrdersResponse::default() },
            })
            .await?;
        Ok(Response::new(pages))
    }

    async fn pull_returns(
        &self,
        request: Request<PullReturnsRequest>,
    ) -> Result<Response<Self::PullReturnsStream>, Status> {
        let deadline = deadline(&request)?;
        let PullReturnsRequest { credentials_ref, cursor, start_time: start, max_pages, lane } = request.into_inner();
        let asked = Asked { credentials_ref, cursor, start, max_pages, lane };
        let pages =
            pull::pages::<V, flow::PullReturns, _, _>(
                &self.inner,
                asked,
                deadline,
                V::pull_returns,
                |page| match page {
                    Ok(page) => PullReturnsResponse {
                        returns: page.items,
                        next_cursor: page.next_cursor,
                        has_more: page.has_more,
                        unreadable: page.unreadable,
                        error: None,
                    },
                    Err(failure) => {
                        PullReturnsResponse { error: Some(failure.to_proto()), ..PullReturnsResponse::default() }
                    }
                },
            )
            .await?;
        Ok(Response::new(pages))
    }

    async fn receive_webhook(
        &self,
        request: Request<ReceiveWebhookRequest>,
    ) -> Result<Response<ReceiveWebhookResponse>, Status> {
        let inner = &self.inner;
        let webhook = inner.vendor.webhook().ok_or_else(|| absent(Capability::ReceiveWebhook))?;
        let request = request.into_inner();
        let account = inner.accounts.open(&inner.vendor, &request.credentials_ref).await?;
        let received = webhook.receive(&account.own, &delivered(request)?);
        Ok(Response::new(received.into_proto()))
    }

    async fn acknowledge_order(
        &self,
        request: Request<AcknowledgeOrderRequest>,
    ) -> Result<Response<AcknowledgeOrderResponse>, Status> {
        Ok(Response::new(AcknowledgeOrderResponse {
            outcome: self.act::<flow::AcknowledgeOrder>(request, V::acknowledge_order).await?,
        }))
    }

    async fn push_shipment(
        &self,
        request: Request<PushShipmentRequest>,
    ) -> Result<Response<PushShipmentResponse>, Status> {
        Ok(Response::new(PushShipmentResponse {
            outcome: self.act::<flow::PushShipment>(request, V::push_shipment).await?,
        }))
    }

    async fn cancel_lines(
        &self,
        request: Request<CancelLinesRequest>,
    ) -> Result<Response<CancelLinesResponse>, Status> {
        Ok(Response::new(CancelLinesResponse {
            outcome: self.act::<flow::CancelLines>(request, V::cancel_lines).await?,
        }))
    }

    async fn approve_return(
        &self,
        request: Request<ApproveReturnRequest>,
    ) -> Result<Response<ApproveReturnResponse>, Status> {
        Ok(Response::new(ApproveReturnResponse {
            outcome: self.act::<flow::ApproveReturn>(request, V::approve_return).await?,
        }))
    }

    async fn reject_return(
        &self,
        request: Request<RejectReturnRequest>,
    ) -> Result<Response<RejectReturnResponse>, Status> {
        Ok(Response::new(RejectReturnResponse {
            outcome: self.act::<flow::RejectReturn>(request, V::reject_return).await?,
        }))
    }

    async fn refund(&self, request: Request<RefundRequest>) -> Result<Response<RefundResponse>, Status> {
        Ok(Response::new(RefundResponse { outcome: self.act::<flow::Refund>(request, V::refund).await? }))
    }

    async fn push_stock(&self, request: Request<PushStockRequest>) -> Result<Response<PushStockResponse>, Status> {
        Ok(Response::new(PushStockResponse { outcome: self.act::<flow::PushStock>(request, V::push_stock).await? }))
    }

    async fn push_price(&self, request: Request<PushPriceRequest>) -> Result<Response<PushPriceResponse>, Status> {
        Ok(Response::new(PushPriceResponse { outcome: self.act::<flow::PushPrice>(request, V::push_price).await? }))
    }

    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<GetOperationResponse>, Status> {
        Ok(Response::new(GetOperationResponse {
            outcome: self.act::<flow::GetOperation>(request, V::get_operation).await?,
        }))
    }
}

fn delivered(request: ReceiveWebhookRequest) -> Result<Delivered, Fault> {
    let mut headers = HeaderMap::new();
    for header in request.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let value = HeaderValue::from_bytes(&header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Fault::invalid("headers", "names and values of HTTP headers are accepted"));
        };
        headers.append(name, value);
    }
    let received_at = request.receive_time.as_ref().and_then(Timestamp::from_proto);
    let received_at = received_at.ok_or_else(|| Fault::invalid("receive_time", "must be given"))?;
    Ok(Delivered { method: request.method, path: request.path, headers, body: request.body, received_at })
}
