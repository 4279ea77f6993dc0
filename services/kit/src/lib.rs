//! What every service of the mesh shares, and nothing about commerce.
//!
//! | question | module |
//! | --- | --- |
//! | who is calling, and may they? | [`auth`], [`call`] |
//! | how does a service answer an error? | [`error`], [`validate`] |
//! | what time is it, what id comes next, what does it cost? | [`clock`], [`ids`], [`money`] |
//! | what may be kept, shown and searched? | [`private`], [`secrets`], [`text`] |
//! | how is a list paged? | [`page`] |

pub mod auth;
pub mod call;
pub mod clock;
pub mod error;
pub mod ids;
pub mod lifecycle;
pub mod links;
pub mod money;
pub mod page;
pub mod private;
pub mod secrets;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod text;
pub mod validate;
