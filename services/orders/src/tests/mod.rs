//! Use cases through the whole server stack, over both databases, with small servers in the place of the other services.

mod bad_input;
mod customers;
mod fakes;
mod fulfilling;
mod importing;
mod partners;
mod placing;
mod reading;
mod returning;
mod world;
