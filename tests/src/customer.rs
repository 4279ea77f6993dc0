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
        Order, PaymentEventKind, PaymentMethod, PlaceOrderRequest, RecordPaymentRequest,
        order_service_client::OrderServiceClient, payment_service_client::PaymentServiceClient,
    },
    sessions::v1::{
        CompleteVerificationRequest, IdentifySessionRequest, Session, StartSessionRequest, StartVerificationRequest,
        WatchVerificationsRequest, identify_session_request::Proof, session_service_client::SessionServiceClient,
    },
};
use tonic::{Code, Response, Status};

use crate::{Client, Mesh, eventually};

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
    /// Starts a guest's session with the publishable key.
    pub async fn start(mesh: &Mesh, channel: Channel) -> Self {
        let request = StartSessionRequest {
            channel: channel.into(),
            device_class: DeviceClass::Mobile.into(),
            locale: "tr-TR".into(),
            location_id: String::new(),
        };
        let client = mesh.client(&mesh.publishable_key()).await;
        let started = SessionServiceClient::new(client.channel()).start_session(client.request(request)).await;
        let started = started.expect("a session starts").into_inner();
        let client = client.with_credential(&started.token).unwrap();
        Self { client, session: started.session.expect("the session"), token: started.token }
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
        let request = IdentifySessionRequest {
            session_id: String::new(),
            proof: Some(Proof::VerificationId(verification_id)),
            request_id: request_id(),
        };
        let identified = self.sessions().identify_session(self.client.request(request)).await;
        let identified = identified.expect("the session is identified").into_inner();
        self.client = self.client.with_credential(&identified.token).unwrap();
        self.session = identified.session.expect("the session");
        std::mem::replace(&mut self.token, identified.token)
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

/// Reports that an order's whole total was captured.
pub async fn pay(back_end: &Client, order: &Order) -> Order {
    let request = RecordPaymentRequest {
        order_id: order.order_id.clone(),
        provider: "test".into(),
        provider_event_id: request_id(),
        kind: PaymentEventKind::Captured.into(),
        amount: order.totals.as_ref().and_then(|totals| totals.total.clone()),
        occur_time: None,
    };
    let paid = PaymentServiceClient::new(back_end.channel()).record_payment(back_end.request(request)).await;
    paid.expect("the payment is recorded").into_inner().order.expect("the order")
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
