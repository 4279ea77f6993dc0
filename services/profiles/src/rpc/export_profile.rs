//! ExportProfile: everything held about a customer, part by part. Pages are read one by one: no connection is held while the
//! receiver takes its time.

use std::collections::{HashSet, VecDeque};

use futures::stream;
use omnimesh_kit::{call::Call, clock::Timestamp, customers, error::Fault, ids::ProfileId};
use omnimesh_proto::{
    carts::v1::{GetCartRequest, cart_service_client::CartServiceClient},
    orders::v1::{
        ExportOrdersRequest, ExportOrdersResponse, GetOrderRequest, ListReturnsRequest, Order, OrderFilter,
        get_order_request::Key, order_service_client::OrderServiceClient, return_service_client::ReturnServiceClient,
    },
    profiles::v1::{ExportProfileRequest, ExportProfileResponse, Profile, export_profile_response::Part},
};
use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use tonic::{Code, Response, Streaming};
use uuid::Uuid;

use super::{App, Exported, customer};
use crate::{
    error::Error,
    identity::fold,
    store::{assertions, consents, timeline, uuids, view},
};

/// Parts that are read at once.
const PAGE: i64 = 200;

pub(super) async fn run(app: &App, call: Call, request: ExportProfileRequest) -> Result<Response<Exported>, Error> {
    let mut conn = app.db.read().await?;
    let root = customer(&mut conn, &call, &request.profile_id).await?;
    let profile = fold::with_splits(&mut conn, root, call.session().is_some()).await?;
    let profile = profile.ok_or_else(|| Fault::not_found("profile", root.to_string()))?;
    let members = customers::members(&mut conn, root).await?;
    drop(conn);
    let export = Export { app: app.clone(), members, step: Step::Profile(Box::new(profile)), ready: VecDeque::new() };
    let parts = stream::try_unfold(export, |mut export| async move {
        let part = export.next().await?;
        Ok(part.map(|part| (ExportProfileResponse { part: Some(part) }, export)))
    });
    Ok(Response::new(Box::pin(parts)))
}

/// Where an export stands.
enum Step {
    Profile(Box<Profile>),
    Assertions(Uuid),
    Consents(Timestamp, Uuid),
    Interactions(Timestamp, Uuid),
    /// The orders of the members from that one on, each with its returns; those that were sent.
    Orders(usize, Option<Box<Streaming<ExportOrdersResponse>>>, HashSet<String>),
    /// Orders that only their session makes the customer's.
    Guests(VecDeque<String>),
    Carts(VecDeque<String>),
    End,
}

struct Export {
    app: App,
    members: Vec<ProfileId>,
    step: Step,
    ready: VecDeque<Part>,
}

impl Export {
    async fn next(&mut self) -> Result<Option<Part>, Error> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            let step = std::mem::replace(&mut self.step, Step::End);
            self.step = match step {
                Step::End => return Ok(None),
                step => self.read(step).await?,
            };
        }
    }

    /// Reads on: parts become ready, and the step that follows is given.
    async fn read(&mut self, step: Step) -> Result<Step, Error> {
        let newest = (Timestamp::from_micros(i64::MAX), Uuid::max());
        Ok(match step {
            Step::Profile(profile) => {
                self.ready.push_back(Part::Profile(*profile));
                Step::Assertions(Uuid::nil())
            }
            Step::Assertions(after) => {
                let mut conn = self.app.db.read().await?;
                let page = assertions::of(&mut conn, uuids(&self.members), after, PAGE).await?;
                let last = page.last().map(|(id, _)| *id);
                self.ready.extend(page.into_iter().map(|(_, assertion)| Part::Assertion(assertion)));
                last.map_or(Step::Consents(newest.0, newest.1), Step::Assertions)
            }
            Step::Consents(at, id) => {
                let mut conn = self.app.db.read().await?;
                let page = consents::of_profiles(&mut conn, &self.members, None, (at, id), PAGE).await?;
                let last = page.last().map(|(at, id, _)| Step::Consents(*at, id.0));
                self.ready.extend(page.into_iter().map(|(.., consent)| Part::Consent(consent)));
                last.unwrap_or(Step::Interactions(newest.0, newest.1))
            }
            Step::Interactions(at, id) => {
                let mut conn = self.app.db.read().await?;
                let all = timeline::Filter::all();
                let page = timeline::interactions(&mut conn, &self.members, &all, (at, id), PAGE).await?;
                let last = page.last().map(|(at, id, _)| Step::Interactions(*at, id.0));
                self.ready.extend(page.into_iter().map(|(.., interaction)| Part::Interaction(interaction)));
                last.unwrap_or(Step::Orders(0, None, HashSet::new()))
            }
            Step::Orders(member, reading, sent) => self.orders(member, reading, sent).await?,
            Step::Guests(mut left) => match left.pop_front() {
                Some(order_id) => {
                    self.guests(order_id).await?;
                    Step::Guests(left)
                }
                None => {
                    let mut conn = self.app.db.read().await?;
                    Step::Carts(view::cart_ids(&mut conn, &self.members).await?.into())
                }
            },
            Step::Carts(mut left) => match left.pop_front() {
                Some(cart_id) => {
                    self.cart(cart_id).await?;
                    Step::Carts(left)
                }
                None => Step::End,
            },
            Step::End => Step::End,
        })
    }

    /// One more order. Every member is asked for: what was filed under it, and what counts as its customer's, is one order book's
    /// to know.
    async fn orders(
        &mut self,
        member: usize,
        reading: Option<Box<Streaming<ExportOrdersResponse>>>,
        mut sent: HashSet<String>,
    ) -> Result<Step, Error> {
        let Some(profile) = self.members.get(member) else {
            let mut conn = self.app.db.read().await?;
            let known = view::order_ids(&mut conn, &self.members).await?;
            return Ok(Step::Guests(known.into_iter().filter(|id| !sent.contains(id)).collect()));
        };
        let mut reading = match reading {
            Some(reading) => reading,
            None => {
                let filter = Some(OrderFilter { profile_id: profile.to_string(), ..OrderFilter::default() });
                let mut orders = OrderServiceClient::new(self.app.links.to("orders", &Call::system(crate::NAME)));
                let reply = orders.export_orders(ExportOrdersRequest { filter }).await.map_err(Fault::upstream)?;
                Box::new(reply.into_inner())
            }
        };
        match reading.message().await.map_err(Fault::upstream)? {
            Some(ExportOrdersResponse { order: Some(order) }) => {
                if sent.insert(order.order_id.clone()) {
                    self.order(&order).await?;
                }
                Ok(Step::Orders(member, Some(reading), sent))
            }
            Some(ExportOrdersResponse { order: None }) => Ok(Step::Orders(member, Some(reading), sent)),
            None => Ok(Step::Orders(member + 1, None, sent)),
        }
    }

    /// An order that a guest placed who turned out to be the customer, if it is still there.
    async fn guests(&mut self, order_id: String) -> Result<(), Error> {
        let mut orders = OrderServiceClient::new(self.app.links.to("orders", &Call::system(crate::NAME)));
        match orders.get_order(GetOrderRequest { key: Some(Key::OrderId(order_id)) }).await {
            Ok(reply) => match reply.into_inner().order {
                Some(order) => self.order(&order).await,
                None => Ok(()),
            },
            Err(status) if status.code() == Code::NotFound => Ok(()),
            Err(status) => Err(Fault::upstream(status).into()),
        }
    }

    /// An order, and what came back of it.
    async fn order(&mut self, order: &Order) -> Result<(), Error> {
        self.ready.push_back(Part::OrderJson(json(order)?));
        if order.groups.is_empty() {
            // Nothing of it was ever to be handed over.
            return Ok(());
        }
        let mut request = ListReturnsRequest { order_id: order.order_id.clone(), page_size: 100, ..Default::default() };
        loop {
            let mut returns = ReturnServiceClient::new(self.app.links.to("orders", &Call::system(crate::NAME)));
            let page = returns.list_returns(request.clone()).await.map_err(Fault::upstream)?.into_inner();
            for found in &page.returns {
                self.ready.push_back(Part::ReturnJson(json(found)?));
            }
            if page.next_page_token.is_empty() {
                return Ok(());
            }
            request.page_token = page.next_page_token;
        }
    }

    /// A cart, if it is still there.
    async fn cart(&mut self, cart_id: String) -> Result<(), Error> {
        let mut carts = CartServiceClient::new(self.app.links.to("carts", &Call::system(crate::NAME)));
        match carts.get_cart(GetCartRequest { cart_id }).await {
            Ok(reply) => {
                if let Some(cart) = reply.into_inner().cart {
                    self.ready.push_back(Part::CartJson(json(&cart)?));
                }
                Ok(())
            }
            Err(status) if status.code() == Code::NotFound => Ok(()),
            Err(status) => Err(Fault::upstream(status).into()),
        }
    }
}

/// A message in protobuf's JSON form, by the contract's own descriptors.
fn json<T: Message + Name>(message: &T) -> Result<String, Fault> {
    let name = T::full_name();
    let kind = omnimesh_proto::POOL.get_message_by_name(&name);
    let kind = kind.ok_or_else(|| Fault::internal(format!("{name} is not in the contract")))?;
    let message = DynamicMessage::decode(kind, message.encode_to_vec().as_slice()).map_err(Fault::internal)?;
    serde_json::to_string(&message).map_err(Fault::internal)
}
