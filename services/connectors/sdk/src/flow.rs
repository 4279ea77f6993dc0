//! The trait that a vendor implements. Each capability is a [`Flow`]: a pure step that builds the request and a pure step that
//! reads the reply. What a vendor can do is what it has a flow for, so it can't describe what it has not.

use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::connectors::v1::{
    AccountField, AcknowledgeOrderRequest, ApproveReturnRequest, CancelLinesRequest, Capability, CapabilityLimits,
    ChannelOrder, ChannelReturn, CheckVerdict, Delivery, GetOperationRequest, Idempotency, ItemOutcome, Lane, Outcome,
    PushPriceRequest, PushShipmentRequest, PushStockRequest, RefundRequest, RejectReturnRequest, UnreadableItem,
    outcome,
};

use crate::{Failure, Fields, Kind, Reply, Request, Webhook};

/// Something that a vendor may be able to do.
pub trait Operation: Send + Sync + 'static {
    /// What it is asked with.
    type Input: Send + Sync + 'static;
    /// What comes of it.
    type Output: Send + 'static;
    /// Its name in the contract.
    const CAPABILITY: Capability;
    /// How urgent it is.
    fn lane(input: &Self::Input) -> Lane;
    /// The account's credentials, by reference.
    fn credentials_ref(input: &Self::Input) -> &str;
    /// How many items it has, for the limit of a batch.
    fn items(_: &Self::Input) -> usize {
        1
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($input:ty) -> $output:ty, $lane:expr, $items:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Operation for $name {
            type Input = $input;
            type Output = $output;
            const CAPABILITY: Capability = Capability::$name;

            fn lane(input: &$input) -> Lane {
                let lane: fn(&$input) -> Lane = $lane;
                lane(input)
            }

            fn credentials_ref(input: &$input) -> &str {
                &input.credentials_ref
            }

            fn items(input: &$input) -> usize {
                let items: fn(&$input) -> usize = $items;
                items(input)
            }
        }
    )*};
}

operations! {
    /// Orders that changed since a cursor.
    PullOrders(Pull) -> Page<ChannelOrder>, |input| input.lane, |_| 1;
    /// Returns that changed since a cursor.
    PullReturns(Pull) -> Page<ChannelReturn>, |input| input.lane, |_| 1;
    /// The retailer took an order on.
    AcknowledgeOrder(AcknowledgeOrderRequest) -> Outcome, |_| Lane::Ship, |input| input.lines.len();
    /// An order ships.
    PushShipment(PushShipmentRequest) -> Outcome, |_| Lane::Ship, |input| input.lines.len();
    /// Lines can't be supplied.
    CancelLines(CancelLinesRequest) -> Outcome, |_| Lane::Ship, |input| input.lines.len();
    /// Pieces of a return are approved.
    ApproveReturn(ApproveReturnRequest) -> Outcome, |_| Lane::Ship, |input| input.item_native_ids.len();
    /// Pieces of a return are refused.
    RejectReturn(RejectReturnRequest) -> Outcome, |_| Lane::Ship, |input| input.item_native_ids.len();
    /// Money goes back.
    Refund(RefundRequest) -> Outcome, |_| Lane::Ship, |_| 1;
    /// How many may be sold.
    PushStock(PushStockRequest) -> Outcome, |_| Lane::Stock, |input| input.levels.len();
    /// Prices.
    PushPrice(PushPriceRequest) -> Outcome, |_| Lane::Price, |input| input.prices.len();
    /// How a write that was PENDING stands.
    GetOperation(GetOperationRequest) -> Outcome, |_| Lane::Stock, |_| 1;
}

/// What a pull is asked with.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The account's credentials, by reference.
    pub credentials_ref: String,
    /// From the last page kept; empty for the first pull.
    pub cursor: Vec<u8>,
    /// First pull: from when on.
    pub start: Option<Timestamp>,
    /// How urgent it is.
    pub lane: Lane,
}

/// A page of what was pulled.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What could be read.
    pub items: Vec<T>,
    /// What could not.
    pub unreadable: Vec<UnreadableItem>,
    /// What follows.
    pub next_cursor: Vec<u8>,
    /// Whether more is there already.
    pub has_more: bool,
}

/// What a flow is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items of one call at the most; 0 for no limit.
    pub max_batch: usize,
    /// The days that one request of a pull spans at the most; 0 for no limit.
    pub max_window_days: u16,
    /// Whether calls about one order or SKU have to come in order.
    pub ordered: bool,
    /// What protects a write from happening twice.
    pub idempotency: Idempotency,
}

impl Limits {
    /// A read without limits.
    pub const READ: Self =
        Self { max_batch: 0, max_window_days: 0, ordered: false, idempotency: Idempotency::Unspecified };

    /// The protobuf form.
    #[must_use]
    pub fn to_proto(self, capability: Capability) -> CapabilityLimits {
        CapabilityLimits {
            capability: capability.into(),
            max_batch: i32::try_from(self.max_batch).unwrap_or(i32::MAX),
            max_window_days: self.max_window_days.into(),
            ordered: self.ordered,
            idempotency: self.idempotency.into(),
        }
    }
}

/// How a vendor does an operation. Pure: time comes in, and nothing is asked.
pub trait Flow<O: Operation, A>: Send + Sync {
    /// What it is limited to.
    fn limits(&self) -> Limits;

    /// The request.
    ///
    /// # Errors
    /// INVALID if the vendor has no request for such an input.
    fn request(&self, account: &A, input: &O::Input, now: Timestamp) -> Result<Request, Failure>;

    /// What came of it, from a reply of success. Vendors report errors in these too. `now` is that of the request.
    ///
    /// # Errors
    /// What the vendor reports; VENDOR_BUG if the reply is not what is documented.
    fn reply(&self, account: &A, input: &O::Input, reply: &Reply, now: Timestamp) -> Result<O::Output, Failure>;

    /// What comes of a failure that the flow knows how to go on from, such as a vendor's cursor that has expired.
    fn recover(&self, _account: &A, _input: &O::Input, _failure: &Failure) -> Option<O::Output> {
        None
    }
}

/// What a vendor is.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its name: the target, and the section of the settings.
    pub vendor: &'static str,
    /// The vendor's version of its API.
    pub api_version: &'static str,
    /// How orders reach the mesh.
    pub delivery: Delivery,
    /// What an account needs.
    pub fields: Vec<AccountField>,
}

macro_rules! flows {
    ($($(#[$doc:meta])* $name:ident: $operation:ident;)*) => {
        /// A vendor.
        pub trait Vendor: Send + Sync + Sized + 'static {
            /// What its requests need of an account.
            type Account: Send + Sync + 'static;

            /// What it is.
            fn manifest(&self) -> &Manifest;

            /// An account of these fields, which are those of the manifest.
            ///
            /// # Errors
            /// The field that can't be used, and what would be accepted.
            fn account(&self, fields: &Fields) -> Result<Self::Account, (String, String)>;

            /// Whose budgets an account uses.
            fn seller(&self, account: &Self::Account) -> String;

            /// A read that changes nothing and needs the whole of the credentials.
            ///
            /// # Errors
            /// INVALID if there is no such request for the account.
            fn check(&self, account: &Self::Account) -> Result<Request, Failure>;

            /// What a failed check means.
            fn verdict(&self, _account: &Self::Account, failure: &Failure) -> CheckVerdict {
                match failure.kind {
                    Kind::Auth => CheckVerdict::AuthFailed,
                    Kind::Forbidden => CheckVerdict::ForbiddenScope,
                    _ => CheckVerdict::Unreachable,
                }
            }

            /// What a reply with a status that is no success means.
            fn failure(&self, reply: &Reply) -> Failure;

            /// Webhooks.
            fn webhook(&self) -> Option<&dyn Webhook<Self::Account>> {
                None
            }

            $(
                $(#[$doc])*
                fn $name(&self) -> Option<&dyn Flow<$operation, Self::Account>> {
                    None
                }
            )*
        }

        /// Every capability that a vendor has.
        pub(crate) fn capabilities<V: Vendor>(vendor: &V) -> Vec<CapabilityLimits> {
            let webhook = vendor.webhook().map(|_| Limits::READ.to_proto(Capability::ReceiveWebhook));
            let flows = [$(vendor.$name().map(|flow| flow.limits().to_proto($operation::CAPABILITY)),)*];
            webhook.into_iter().chain(flows.into_iter().flatten()).collect()
        }
    };
}

flows! {
    /// Pulls orders.
    pull_orders: PullOrders;
    /// Acknowledges orders.
    acknowledge_order: AcknowledgeOrder;
    /// Pushes shipments.
    push_shipment: PushShipment;
    /// Cancels lines.
    cancel_lines: CancelLines;
    /// Pulls returns.
    pull_returns: PullReturns;
    /// Approves returns.
    approve_return: ApproveReturn;
    /// Refuses returns.
    reject_return: RejectReturn;
    /// Gives money back.
    refund: Refund;
    /// Pushes stock.
    push_stock: PushStock;
    /// Pushes prices.
    push_price: PushPrice;
    /// Tells how a write stands.
    get_operation: GetOperation;
}

/// The outcome of a write that has its effect.
#[must_use]
pub fn done(native_refs: Vec<String>) -> Outcome {
    Outcome { result: Some(outcome::Result::Done(outcome::Done { native_refs })) }
}

/// The outcome of a write that the vendor works on.
#[must_use]
pub fn pending(operation_id: impl Into<String>) -> Outcome {
    Outcome { result: Some(outcome::Result::Pending(outcome::Pending { operation_id: operation_id.into() })) }
}

/// The outcome of a write with a result for each item: done if none failed.
#[must_use]
pub fn partial(items: Vec<(String, Option<Failure>)>) -> Outcome {
    if items.iter().all(|(_, failure)| failure.is_none()) {
        return done(Vec::new());
    }
    let item = |(item, failure): (String, Option<Failure>)| ItemOutcome { item, error: failure.map(|f| f.to_proto()) };
    Outcome {
        result: Some(outcome::Result::Partial(outcome::Partial { items: items.into_iter().map(item).collect() })),
    }
}
