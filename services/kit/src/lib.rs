//! What every service of the mesh shares, and nothing about commerce.
//!
//! | question | module |
//! | --- | --- |
//! | who is calling, and may they? | [`auth`], [`call`] |
//! | how does a service answer an error? | [`error`], [`validate`] |
//! | what time is it, what id comes next, what does it cost? | [`clock`], [`ids`], [`money`] |
//! | what may be kept, shown and searched? | [`private`], [`secrets`], [`text`] |
//! | how is a list paged? | [`page`] |
//! | what is set, and where? | [`config`] |
//! | which profiles are one customer, and who was erased? | [`customers`] |
//! | which session is it, and how often may it ask? | [`session`], [`ratelimit`] |
//! | where is it kept, and what if it is asked twice? | [`store`], [`idempotency`] |
//! | who else hears of it? | [`outbox`], [`inbox`], [`bus`], [`tail`], [`trace`] |
//! | how is a call answered, made, protected and traced? | [`server`], [`links`], [`tls`], [`telemetry`] |
//! | where does a test kill a process? | [`fault`] |
//! | what is a service built from, and when does it end? | [`service`], [`lifecycle`] |

pub mod auth;
pub mod bus;
pub mod call;
pub mod clock;
pub mod config;
pub mod contact;
pub mod customers;
pub mod error;
pub mod fault;
pub mod idempotency;
pub mod ids;
pub mod inbox;
pub mod lifecycle;
pub mod links;
pub mod locale;
pub mod money;
pub mod outbox;
pub mod page;
pub mod private;
pub mod ratelimit;
mod redis_connection;
pub mod secrets;
pub mod server;
pub mod service;
pub mod session;
pub mod store;
pub mod tail;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod tls;
pub mod trace;
pub mod validate;
