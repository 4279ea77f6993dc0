//! A customer's device in the story: a channel, a session, and the calls it makes. And the one who tells what happened.

use std::{fmt::Display, io::Write};

use anyhow::{Context as _, Result, ensure};
use omnimesh_kit::{clock::Clock, ids::uuid_v7};
use omnimesh_proto::{
    carts::v1::{AddLineRequest, Cart, cart_service_client::CartServiceClient},
    common::v1::{Channel, Contact, DeviceClass, contact},
    sessions::v1::{
        CompleteVerificationRequest, IdentifySessionRequest, Session, SessionLevel, StartSessionRequest,
        StartVerificationRequest, WatchVerificationsRequest, identify_session_request::Proof,
        session_service_client::SessionServiceClient,
    },
};
use tonic::Response;

use crate::client::Client;

/// A UUID for `request_id`.
pub(crate) fn request_id() -> String {
    uuid_v7(Clock::System.now()).to_string()
}

/// A device with a session.
pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) session: Session,
    channel: &'static str,
}

impl Device {
    /// Starts a session.
    pub(crate) async fn start<W: Write>(
        admin: &Client,
        channel: Channel,
        device: DeviceClass,
        teller: &mut Teller<'_, W>,
    ) -> Result<Self> {
        let request = StartSessionRequest {
            channel: channel.into(),
            device_class: device.into(),
            locale: "tr-TR".into(),
            location_id: String::new(),
        };
        let response = SessionServiceClient::new(admin.channel()).start_session(admin.request(request)).await?;
        let name = match channel {
            Channel::App => "app",
            Channel::Store => "store",
            _ => "web",
        };
        let session = response.get_ref().session.clone().context("a session without a session")?;
        teller.step(name, "a guest starts", &session.session_id, &response)?;
        let client = admin.with_credential(&response.get_ref().token)?;
        Ok(Self { client, session, channel: name })
    }

    /// Puts a quantity of a SKU into the cart.
    pub(crate) async fn add<W: Write>(&self, sku: &str, quantity: i64, teller: &mut Teller<'_, W>) -> Result<Cart> {
        let request = AddLineRequest {
            sku: sku.into(),
            quantity,
            currency_code: "TRY".into(),
            request_id: request_id(),
            ..AddLineRequest::default()
        };
        let response = CartServiceClient::new(self.client.channel()).add_line(self.client.request(request)).await?;
        let cart = response.get_ref().cart.clone().context("an answer without the cart")?;
        teller.step(self.channel, format!("puts {quantity} x {sku} into the cart"), &cart.cart_id, &response)?;
        Ok(cart)
    }

    /// Proves an e-mail address by its code and identifies the session by it. The token changes.
    pub(crate) async fn identify<W: Write>(
        &mut self,
        admin: &Client,
        email: &str,
        teller: &mut Teller<'_, W>,
    ) -> Result<()> {
        // The back-end that sends the retailer's mail listens for codes before one is asked for.
        let mut back_end = SessionServiceClient::new(admin.channel());
        let mut codes = back_end.watch_verifications(admin.request(WatchVerificationsRequest {})).await?.into_inner();

        let mut sessions = SessionServiceClient::new(self.client.channel());
        let contact = Contact { value: Some(contact::Value::Email(email.into())) };
        let request = StartVerificationRequest { contact: Some(contact) };
        let response = sessions.start_verification(self.client.request(request)).await?;
        let verification_id = response.get_ref().verification_id.clone();
        teller.step(self.channel, "asks for a code by e-mail", &verification_id, &response)?;

        let code = loop {
            let sent = codes.message().await?.context("the stream of codes ended")?;
            if sent.verification_id == verification_id {
                break sent.code;
            }
        };
        let request = CompleteVerificationRequest { verification_id: verification_id.clone(), code };
        sessions.complete_verification(self.client.request(request)).await?;
        let request = IdentifySessionRequest {
            session_id: String::new(),
            proof: Some(Proof::VerificationId(verification_id)),
            request_id: request_id(),
        };
        let response = sessions.identify_session(self.client.request(request)).await?;
        let session = response.get_ref().session.clone().context("an identified session without a session")?;
        ensure!(session.level() == SessionLevel::Identified, "the session should be identified");
        teller.step(self.channel, "types the code and is known", &session.profile_id, &response)?;
        self.client = self.client.with_credential(&response.get_ref().token)?;
        self.session = session;
        Ok(())
    }
}

/// Prints the steps.
pub(crate) struct Teller<'a, W> {
    out: &'a mut W,
    steps: u32,
}

impl<'a, W: Write> Teller<'a, W> {
    pub(crate) fn new(out: &'a mut W) -> Self {
        Self { out, steps: 0 }
    }

    /// A chapter's title.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<()> {
        writeln!(self.out, "\n{title}")?;
        Ok(())
    }

    /// A step that a call made: who did what, to which id, in which trace.
    pub(crate) fn step<T>(
        &mut self,
        channel: &str,
        what: impl Display,
        id: impl Display,
        response: &Response<T>,
    ) -> Result<()> {
        let trace = response.metadata().get("omnimesh-trace-id").and_then(|id| id.to_str().ok()).unwrap_or("-");
        self.steps += 1;
        writeln!(
            self.out,
            "{:>3}. {channel:<6} {:<52} {:<42} trace {trace}",
            self.steps,
            what.to_string(),
            id.to_string()
        )?;
        // Each step as it happens, also into a pipe.
        self.out.flush()?;
        Ok(())
    }

    /// Something that the story saw without a call of its own.
    pub(crate) fn note(&mut self, text: impl Display) -> Result<()> {
        writeln!(self.out, "     {text}")?;
        Ok(())
    }

    /// The end.
    pub(crate) fn end(self) -> Result<()> {
        writeln!(self.out, "\nThe story went as told, in {} steps.", self.steps)?;
        Ok(())
    }
}
