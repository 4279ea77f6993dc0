//! Who is calling and what they may do.

mod identity;
pub mod oidc;
mod rules;
mod token;

pub use identity::{Caller, Identity, LinkedScope, SessionIdentity, SessionLevel};
pub use rules::{RpcRule, decide, rule, rules};
pub(crate) use token::InProcess;
pub use token::{IDENTITY_HEADER, TokenKey};
