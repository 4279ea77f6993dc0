//! The edge of the mesh: authentication, limits, sessions and the routing of every RPC.
//!
//! One port speaks gRPC, gRPC-Web and Connect over HTTP/1.1 and HTTP/2. The gateway owns no data. It asks the sessions
//! service who holds a credential, checks the access rule of the contract, and passes the call on as that caller; gRPC
//! and gRPC-Web bodies are measured, never decoded, and Connect is turned by the contract's descriptors, so that a new RPC
//! needs no change here.
//!
//! | question | module |
//! | --- | --- |
//! | where does a request go? | `edge`, `protocol`, `plain` |
//! | who calls, and may they, so often? | `authenticate`, `admit`, `limits`, `client` |
//! | how is it passed on? | `forward`, `body`, `frames` |
//! | how does a browser or `curl` call? | `connect`, `grpc_web`, `cors` |
//! | what is there, and is it well? | `reflection`, `health` |
//! | how are sockets treated? | `serve`, `settings` |

mod admit;
mod authenticate;
mod body;
mod client;
mod connect;
mod cors;
mod edge;
mod forward;
mod frames;
mod gateway;
mod grpc_web;
mod health;
mod limits;
mod plain;
mod protocol;
mod reflection;
mod serve;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;

pub use gateway::{Deps, Error, Gateway};
pub use serve::TlsError;
pub use settings::GatewaySettings;

/// The target's name.
pub const NAME: &str = "gateway";
