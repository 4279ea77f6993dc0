//! The names of every attribute and metric, after the OpenTelemetry semantic conventions. Ids are attributes of spans,
//! never labels of metrics.

use tonic::Code;

/// The scope of the mesh's own instruments.
pub const METER: &str = "omnimesh";

/// `rpc.system.name`: always `grpc`.
pub const RPC_SYSTEM: &str = "rpc.system.name";
/// `rpc.method`: `omnimesh.carts.v1.CartService/AddLine`.
pub const RPC_METHOD: &str = "rpc.method";
/// `rpc.response.status_code`: the gRPC code's name.
pub const RPC_STATUS: &str = "rpc.response.status_code";
/// The service of the mesh that answers.
pub const TARGET: &str = "omnimesh.target";
/// The service of the mesh that calls; absent when the gateway forwards a client's call.
pub const CALLER: &str = "omnimesh.caller";
/// The sales channel.
pub const CHANNEL: &str = "omnimesh.channel";
/// The customer's session.
pub const SESSION_ID: &str = "session.id";
/// The customer's journey over days and channels.
pub const JOURNEY_ID: &str = "omnimesh.journey.id";
/// The type of an event.
pub const EVENT_TYPE: &str = "omnimesh.event.type";
/// The service that sent an event.
pub const EVENT_PRODUCER: &str = "omnimesh.event.producer";
/// The group that consumes an event.
pub const EVENT_GROUP: &str = "messaging.consumer.group.name";

/// `messaging.system`: always `omnimesh`, whatever carries the events.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// `messaging.operation.name`: `consume`.
pub const MESSAGING_OPERATION: &str = "messaging.operation.name";
/// `messaging.destination.name`: the service that sent an event.
pub const MESSAGING_DESTINATION: &str = "messaging.destination.name";
/// `messaging.destination.partition.id`: the partition of an event.
pub const MESSAGING_PARTITION: &str = "messaging.destination.partition.id";
/// `messaging.batch.message_count`: how many events a transaction set out with.
pub const BATCH_COUNT: &str = "messaging.batch.message_count";
/// An event's place in its partition.
pub const EVENT_POSITION: &str = "omnimesh.event.position";
/// What an event happened to.
pub const AGGREGATE_ID: &str = "omnimesh.aggregate.id";

/// The vendor that a connector calls: the connector's target.
pub const VENDOR: &str = "omnimesh.vendor";
/// How urgent a call of a vendor is.
pub const LANE: &str = "omnimesh.vendor.lane";
/// Which try of a call of a vendor it is, from 0.
pub const RESEND: &str = "http.request.resend_count";
/// `http.request.method`: `GET`.
pub const HTTP_METHOD: &str = "http.request.method";
/// `url.template`: the path without ids, which may be secret or personal.
pub const URL_TEMPLATE: &str = "url.template";
/// `server.address`: the vendor's host.
pub const SERVER_ADDRESS: &str = "server.address";
/// `http.response.status_code`: the status of the vendor's answer.
pub const HTTP_STATUS: &str = "http.response.status_code";

/// How long calls take at the server, in seconds.
pub const SERVER_DURATION: &str = "rpc.server.call.duration";
/// Calls that are being answered.
pub const SERVER_ACTIVE: &str = "rpc.server.active_requests";
/// How long calls to another process take, in seconds.
pub const CLIENT_DURATION: &str = "rpc.client.call.duration";
/// Calls that were sent again.
pub const CLIENT_RETRIES: &str = "omnimesh.rpc.client.retries";
/// How many calls a process handles at the same time at the most.
pub const CONCURRENCY_LIMIT: &str = "omnimesh.rpc.server.concurrency_limit";
/// Calls that were shed.
pub const SHED: &str = "omnimesh.rpc.server.shed";

/// Events that a service has yet to send on, by producer.
pub const OUTBOX_WAITING: &str = "omnimesh.outbox.waiting";
/// Events that a group has yet to take, by group and producer.
pub const INBOX_LAG: &str = "omnimesh.inbox.lag";
/// Events that a group keeps for a replay, by group and producer.
pub const INBOX_PARKED: &str = "omnimesh.inbox.parked";

/// Upper bounds of the duration histograms, in seconds.
pub const DURATION_BOUNDARIES: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The name of a gRPC code as the conventions spell it.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
