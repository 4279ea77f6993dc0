//! A customer's device: a session in a channel, and the calls that a shop's front-end makes.

use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use omnimesh_proto::{
    carts::v1::{
        AddLineRequest, Cart, GetCartRequest, ListShippingMethodsRequest, PickupChoice, SetDeliveryRequest,
        ShippingChoice, cart_service_client::CartServiceClient, set_delivery_request::Choice,
        shipping_service_client::ShippingServiceClient,
    },
    common::v1::{Address, Channel, Contact, DeviceClass, contact},
    orders::v1::{
        AcceptRequest, ConfirmPickupRequest, GetPickupCodeRequest, GroupRef, ListOrdersRequest, MarkReadyRequest,
        Order, PackRequest, PaymentEventKind, PaymentMethod, PlaceOrderRequest, RecordPaymentRequest,
        fulfillment_service_client::FulfillmentServiceClient, order_service_client::OrderServiceClient,
        payment_service_client::PaymentServiceClient,
    },
    sessions::v1::{
        ClaimHandoffRequest, ClaimHandoffResponse, CompleteVerificationRequest, CreateHandoffRequest,
        CreateHandoffResponse, GetSessionRequest, HandoffScope, IdentifySessionRequest, Session, StartSessionRequest,
        StartVerificationRequest, WatchVerificationsRequest, claim_handoff_request::Proof as ClaimProof,
        handoff_service_client::HandoffServiceClient, identify_session_request::Proof,
        session_service_client::SessionServiceClient,
    },
};
use tonic::{Code, Response, Status};

use crate::{Client, Mesh, eventually, raw::Refusal};

/// The currency of the tests' carts.
pub const CURRENCY: &str = "TRY";

/// A UUID for `request_id`.
#[must_use]
pub fn request_id() -> String {
    uuid_v7(Clock::System.now()).to_string()
}

/// An e-mail address as a contact.
#[must_use]
pub fn email_contact(email: &str) -> Contact {
    Contact { value: Some(contact::Value::Email(email.to_owned())) }
}

/// A customer's device.
#[derive(Clone, Debug)]
pub struct Device {
    /// The connection, with the session's token.
    pub client: Client,
    /// The session as it was at the last change.
    pub session: Session,
    /// The token.
    pub token: String,
}

impl Device {
    /// Starts a guest's session on the customer's own device with the publishable key.
    pub async fn start(mesh: &Mesh, channel: Channel) -> Self {
        Self::start_at(mesh, channel, DeviceClass::Mobile, "").await
    }

    /// Starts a guest's session on a kiosk or tablet of a store.
    pub async fn start_shared(mesh: &Mesh, channel: Channel, store: &str) -> Self {
        Self::start_at(mesh, channel, DeviceClass::Shared, store).await
    }

    /// Starts a guest's session over a connection that many share, with the publishable key.
    ///
    /// # Errors
    /// As StartSession.
    pub async fn join(anybody: &Client, channel: Channel) -> Result<Self, Status> {
        let request = StartSessionRequest {
            channel: channel.into(),
            device_class: DeviceClass::Mobile.into(),
            locale: "tr-TR".into(),
            location_id: String::new(),
        };
        let started = SessionServiceClient::new(anybody.channel()).start_session(anybody.request(request)).await?;
        let started = started.into_inner();
        let client = anybody.with_credential(&started.token).unwrap();
        Ok(Self { client, session: started.session.expect("the session"), token: started.token })
    }

    async fn start_at(mesh: &Mesh, channel: Channel, device_class: DeviceClass, store: &str) -> Self {
        let request = StartSessionRequest {
            channel: channel.into(),
            device_class: device_class.into(),
            locale: "tr-TR".into(),
            location_id: store.to_owned(),
        };
        let client = mesh.client(&mesh.publishable_key()).await;
        let started = SessionServiceClient::new(client.channel()).start_session(client.request(request)).await;
        let started = started.expect("a session starts").into_inner();
        let client = client.with_credential(&started.token).unwrap();
        Self { client, session: started.session.expect("the session"), token: started.token }
    }

    /// Takes over what another device offers, on the customer's own device or as an associate in a store.
    ///
    /// # Errors
    /// As ClaimHandoff.
    pub async fn claim(
        claimer: &Client,
        proof: ClaimProof,
        channel: Channel,
        store: &str,
    ) -> Result<(Self, ClaimHandoffResponse), Refusal> {
        let device_class = if store.is_empty() { DeviceClass::Mobile } else { DeviceClass::Shared };
        let request = ClaimHandoffRequest {
            proof: Some(proof),
            channel: channel.into(),
            device_class: device_class.into(),
            locale: String::new(),
            location_id: store.to_owned(),
            request_id: request_id(),
        };
        let claimed = HandoffServiceClient::new(claimer.channel()).claim_handoff(claimer.request(request)).await?;
        let claimed = claimed.into_inner();
        let client = claimer.with_credential(&claimed.token).unwrap();
        let session = claimed.session.clone().expect("the session");
        Ok((Self { client, session, token: claimed.token.clone() }, claimed))
    }

    /// Offers the session to another device, or to an associate.
    pub async fn offer(&self, scope: HandoffScope) -> CreateHandoffResponse {
        let request = CreateHandoffRequest { scope: scope.into(), request_id: request_id() };
        self.handoffs().create_handoff(self.client.request(request)).await.expect("it is offered").into_inner()
    }

    /// The client of hand-overs.
    #[must_use]
    pub fn handoffs(&self) -> HandoffServiceClient<tonic::transport::Channel> {
        HandoffServiceClient::new(self.client.channel())
    }

    /// The session as it is now.
    ///
    /// # Errors
    /// As GetSession.
    pub async fn session_now(&self) -> Result<Session, Refusal> {
        let answer = self.sessions().get_session(self.client.request(GetSessionRequest {})).await?;
        Ok(answer.into_inner().session.expect("the session"))
    }

    /// The customer's orders, newest first.
    ///
    /// # Errors
    /// As ListOrders.
    pub async fn order_ids(&self) -> Result<Vec<String>, Refusal> {
        let listed = self.orders().list_orders(self.client.request(ListOrdersRequest::default())).await?;
        Ok(listed.into_inner().orders.into_iter().map(|order| order.order_id).collect())
    }

    /// The same device on new connections, after the mesh was started anew.
    pub async fn reconnect(&mut self, mesh: &Mesh) {
        self.client = mesh.client(&self.token).await;
    }

    /// The client of carts.
    #[must_use]
    pub fn carts(&self) -> CartServiceClient<tonic::transport::Channel> {
        CartServiceClient::new(self.client.channel())
    }

    /// The client of orders.
    #[must_use]
    pub fn orders(&self) -> OrderServiceClient<tonic::transport::Channel> {
        OrderServiceClient::new(self.client.channel())
    }

    /// The client of sessions.
    #[must_use]
    pub fn sessions(&self) -> SessionServiceClient<tonic::transport::Channel> {
        SessionServiceClient::new(self.client.channel())
    }

    /// Puts a quantity of a SKU into the cart.
    pub async fn add(&self, sku: &str, quantity: i64) -> Cart {
        let request = AddLineRequest {
            sku: sku.into(),
            quantity,
            currency_code: CURRENCY.into(),
            request_id: request_id(),
            ..AddLineRequest::default()
        };
        let added = self.carts().add_line(self.client.request(request)).await;
        added.expect("a line is added").into_inner().cart.expect("the cart")
    }

    /// The active cart.
    ///
    /// # Errors
    /// As GetCart.
    pub async fn cart(&self) -> Result<Cart, Status> {
        let answer = self.carts().get_cart(self.client.request(GetCartRequest::default())).await?;
        Ok(answer.into_inner().cart.expect("the cart"))
    }

    /// Proves an e-mail address and identifies the session by it. The token changes; gives the old one.
    pub async fn identify(&mut self, mesh: &Mesh, email: &str) -> String {
        let verification_id = self.verify(mesh, email).await;
        let proof = Proof::VerificationId(verification_id);
        self.identify_by(proof).await.expect("the session is identified")
    }

    /// Identifies the session by a proof. The token changes; gives the old one.
    ///
    /// # Errors
    /// As IdentifySession.
    pub async fn identify_by(&mut self, proof: Proof) -> Result<String, Refusal> {
        let request =
            IdentifySessionRequest { session_id: String::new(), proof: Some(proof), request_id: request_id() };
        let identified = self.sessions().identify_session(self.client.request(request)).await?.into_inner();
        self.client = self.client.with_credential(&identified.token).unwrap();
        self.session = identified.session.expect("the session");
        Ok(std::mem::replace(&mut self.token, identified.token))
    }

    /// Proves an e-mail address by the code that the back-end would send; the verification's id.
    pub async fn verify(&self, mesh: &Mesh, email: &str) -> String {
        let request = StartVerificationRequest { contact: Some(email_contact(email)) };
        let started = self.sessions().start_verification(self.client.request(request)).await;
        let verification_id = started.expect("a code is sent").into_inner().verification_id;
        let code = code_of(mesh, &verification_id).await;
        let request = CompleteVerificationRequest { verification_id: verification_id.clone(), code };
        self.sessions().complete_verification(self.client.request(request)).await.expect("the code is right");
        verification_id
    }

    /// Chooses how the goods of the active cart reach the customer.
    pub async fn deliver(&self, choice: Choice) -> Cart {
        let request = SetDeliveryRequest {
            cart_id: String::new(),
            expected_version: self.cart().await.unwrap().version,
            request_id: request_id(),
            choice: Some(choice),
        };
        let chosen = self.carts().set_delivery(self.client.request(request)).await;
        chosen.expect("the delivery is chosen").into_inner().cart.expect("the cart")
    }

    /// The request that places the order of a cart, paid online.
    #[must_use]
    pub fn order_of(cart: &Cart, email: &str) -> PlaceOrderRequest {
        PlaceOrderRequest {
            cart_id: cart.cart_id.clone(),
            cart_version: cart.version,
            expected_total: cart.totals.as_ref().and_then(|totals| totals.total.clone()),
            contact: Some(email_contact(email)),
            payment_method: PaymentMethod::Online.into(),
            request_id: request_id(),
        }
    }

    /// Places the order of a cart.
    ///
    /// # Errors
    /// As PlaceOrder.
    pub async fn place(&self, request: PlaceOrderRequest) -> Result<Response<Order>, Status> {
        let placed = self.orders().place_order(self.client.request(request)).await?;
        Ok(placed.map(|placed| placed.order.expect("the order")))
    }

    /// Places the order of a cart and waits until that cart is closed, which follows by event.
    pub async fn order(&self, request: PlaceOrderRequest) -> Order {
        let order = self.place(request).await.expect("the order is placed").into_inner();
        eventually("the cart is closed", async || {
            self.cart().await.is_err_and(|status| status.code() == Code::NotFound).then_some(())
        })
        .await;
        order
    }
}

/// The code that the retailer's back-end would send.
pub async fn code_of(mesh: &Mesh, verification_id: &str) -> String {
    let admin = mesh.admin().await;
    let watch = admin.request(WatchVerificationsRequest {});
    let mut sessions = SessionServiceClient::new(admin.channel());
    let mut codes = sessions.watch_verifications(watch).await.expect("codes are watched").into_inner();
    let found = async {
        loop {
            let sent = codes.message().await.expect("codes are watched").expect("codes are watched");
            if sent.verification_id == verification_id {
                return sent.code;
            }
        }
    };
    tokio::time::timeout(crate::PATIENCE, found).await.expect("the code comes")
}

/// Says that an order's whole total was captured.
pub(crate) fn captured(order: &Order) -> RecordPaymentRequest {
    RecordPaymentRequest {
        order_id: order.order_id.clone(),
        provider: "test".into(),
        provider_event_id: request_id(),
        kind: PaymentEventKind::Captured.into(),
        amount: order.totals.as_ref().and_then(|totals| totals.total.clone()),
        occur_time: None,
    }
}

/// Reports that an order's whole total was captured.
pub async fn pay(back_end: &Client, order: &Order) -> Order {
    let request = captured(order);
    let paid = PaymentServiceClient::new(back_end.channel()).record_payment(back_end.request(request)).await;
    paid.expect("the payment is recorded").into_inner().order.expect("the order")
}

/// A store makes the goods of an order ready and hands them over for the customer's code.
pub async fn collect(device: &Device, staff: &Client, order: &Order) -> Order {
    let group = || {
        let order_id = order.order_id.clone();
        Some(GroupRef { order_id, request_id: request_id(), ..GroupRef::default() })
    };
    let mut store = FulfillmentServiceClient::new(staff.channel());
    store.accept(staff.request(AcceptRequest { group: group() })).await.expect("the store accepts");
    let pack = PackRequest { group: group(), short_lines: Vec::new() };
    store.pack(staff.request(pack)).await.expect("the goods are packed");
    store.mark_ready(staff.request(MarkReadyRequest { group: group() })).await.expect("the goods are ready");
    let request = GetPickupCodeRequest { order_id: order.order_id.clone(), group_id: String::new() };
    let code = device.orders().get_pickup_code(device.client.request(request)).await.expect("there is a code");
    let confirm = ConfirmPickupRequest { group: group(), code: code.into_inner().code };
    let confirmed = store.confirm_pickup(staff.request(confirm)).await.expect("the goods are handed over");
    confirmed.into_inner().order.expect("the order")
}

/// Collected in a store.
#[must_use]
pub fn pickup(store: &str) -> Choice {
    Choice::Pickup(PickupChoice { location_id: store.to_owned() })
}

/// Sent to an address in Turkey, by the first method that goes there.
pub async fn shipping(device: &Device, address: Address) -> Choice {
    let request = ListShippingMethodsRequest { country_code: address.country_code.clone() };
    let mut methods = ShippingServiceClient::new(device.client.channel());
    let methods = methods.list_shipping_methods(device.client.request(request)).await.expect("methods are listed");
    let method = methods.into_inner().shipping_methods.into_iter().next().expect("a method for Turkey");
    Choice::Shipping(ShippingChoice { address: Some(address), shipping_method_id: method.shipping_method_id })
}

/// An address in Turkey.
#[must_use]
pub fn address() -> Address {
    Address {
        recipient: "Ayşe Yılmaz".into(),
        lines: vec!["Bağdat Caddesi 1".into()],
        city: "İstanbul".into(),
        postal_code: "34710".into(),
        country_code: "TR".into(),
        phone: "+905321112233".into(),
        ..Address::default()
    }
}
