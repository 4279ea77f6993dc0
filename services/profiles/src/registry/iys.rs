//! İYS (İleti Yönetim Sistemi, <https://iys.org.tr>), the registry of Türkiye, over HTTP.
//!
//! What its documentation says (<https://dev.iys.org.tr>): `POST /oauth2/token` with user name, password and grant type
//! `password` gives an access token with its `expires_in` in seconds; `POST /sps/{iysCode}/brands/{brandCode}/consents/status`
//! with recipient, recipientType (BIREYSEL, TACIR) and type (ARAMA, MESAJ, EPOSTA) gives the registered consent with its status
//! ONAY or RET. Phones are in E.164.
//!
//! What it does not say: how an unregistered recipient is answered. So only an answer 200 with status ONAY for the same recipient
//! and type is a yes; another 2xx, 404 and 422 are a no; everything else is no answer.

use std::time::Duration;

use omnimesh_kit::{config, contact::Contact, private::Private};
use omnimesh_proto::profiles::v1::ConsentChannel;
use reqwest::{Client, Response, StatusCode, Url, redirect::Policy};
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, time::Instant};

use super::{Answer, ConsentSettings};

/// How long the registry has to answer, a fresh token included.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A token is renewed this long before its end.
const MARGIN: Duration = Duration::from_secs(30);
/// Answers are small; what is longer is none.
const MAX_BYTES: usize = 64 * 1024;

/// The client of the registry.
pub(crate) struct Iys {
    client: Client,
    token_url: Url,
    status_url: Url,
    username: Private<String>,
    password: Private<String>,
    emails: bool,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Private<String>,
    until: Instant,
}

#[derive(Serialize)]
struct Credentials<'a> {
    username: &'a str,
    password: &'a str,
    grant_type: &'static str,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Private<String>,
    expires_in: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    recipient: &'a str,
    recipient_type: &'static str,
    r#type: &'static str,
}

#[derive(Deserialize)]
struct Registered {
    recipient: Private<String>,
    r#type: String,
    status: String,
}

/// Why there is no answer. Never with what was asked.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Late,
    #[error("{0}")]
    Http(reqwest::Error),
    #[error("status {0}")]
    Status(StatusCode),
    #[error("the answer is not what is documented")]
    Unreadable,
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl std::fmt::Debug for Iys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iys").field("url", &self.status_url.as_str()).finish_non_exhaustive()
    }
}

impl Iys {
    pub(super) fn new(settings: &ConsentSettings) -> Result<Self, config::Error> {
        let fault =
            |field: &str, accepted: &str| config::Error::at(format!("profiles.consents.{field}"), accepted.to_owned());
        let accepted = "an https URL is accepted, or http on this machine";
        let base = Url::parse(&settings.iys_url).map_err(|_| fault("iys_url", accepted))?;
        let local = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if base.cannot_be_a_base() || !(base.scheme() == "https" || (base.scheme() == "http" && local)) {
            return Err(fault("iys_url", accepted));
        }
        for (field, code) in [("iys_code", settings.iys_code), ("iys_brand", settings.iys_brand)] {
            if code == 0 {
                return Err(fault(field, "must be the number that İYS gave"));
            }
        }
        for (field, text) in [("iys_username", &settings.iys_username), ("iys_password", &settings.iys_password)] {
            if text.expose().is_empty() {
                return Err(fault(field, "must be given: İYS answers nobody without it"));
            }
        }
        let under = |path: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
            url
        };
        // The process may have installed one already: either serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build();
        Ok(Self {
            client: client.map_err(|error| fault("registry", &error.to_string()))?,
            token_url: under("/oauth2/token"),
            status_url: under(&format!("/sps/{}/brands/{}/consents/status", settings.iys_code, settings.iys_brand)),
            username: settings.iys_username.clone(),
            password: settings.iys_password.clone(),
            emails: settings.iys_emails,
            token: Mutex::default(),
        })
    }

    pub(super) async fn ask(&self, channel: ConsentChannel, address: &Contact) -> Answer {
        let concerned = match address {
            Contact::Phone(number) => number.expose().starts_with("+90"),
            Contact::Email(_) => self.emails,
        };
        let kind = match channel {
            ConsentChannel::Call => "ARAMA",
            ConsentChannel::Message => "MESAJ",
            ConsentChannel::Email => "EPOSTA",
            ConsentChannel::Unspecified => return Answer::Silent,
        };
        if !concerned {
            return Answer::NotConcerned;
        }
        let question = Question { recipient: address.expose(), recipient_type: "BIREYSEL", r#type: kind };
        let answer = tokio::time::timeout(TIMEOUT, self.look_up(&question)).await.unwrap_or(Err(Trouble::Late));
        match answer {
            Ok(true) => Answer::Consents,
            Ok(false) => Answer::Refuses,
            Err(trouble) => {
                tracing::warn!(cause = %trouble, "the registry of consents does not answer: marketing waits");
                Answer::Silent
            }
        }
    }

    /// Whether consent is registered.
    async fn look_up(&self, question: &Question<'_>) -> Result<bool, Trouble> {
        let mut response = self.send(question, false).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // The token ended before its time: once more with another.
            response = self.send(question, true).await?;
        }
        match response.status() {
            StatusCode::OK => {}
            status if status.is_success() => return Ok(false),
            StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => return Ok(false),
            status => return Err(Trouble::Status(status)),
        }
        let found: Registered = read(response).await?;
        let same = found.recipient.expose().eq_ignore_ascii_case(question.recipient) && found.r#type == question.r#type;
        if same { Ok(found.status == "ONAY") } else { Err(Trouble::Unreadable) }
    }

    async fn send(&self, question: &Question<'_>, renew: bool) -> Result<Response, Trouble> {
        let token = self.token(renew).await?;
        let request = self.client.post(self.status_url.clone()).bearer_auth(token.expose()).json(question);
        Ok(request.send().await?)
    }

    /// The access token; whoever comes while it is fetched waits for it.
    async fn token(&self, renew: bool) -> Result<Private<String>, Trouble> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| !renew && Instant::now() < token.until) {
            return Ok(token.text.clone());
        }
        *held = None;
        let credentials =
            Credentials { username: self.username.expose(), password: self.password.expose(), grant_type: "password" };
        let response = self.client.post(self.token_url.clone()).json(&credentials).send().await?;
        if !response.status().is_success() {
            return Err(Trouble::Status(response.status()));
        }
        let granted: Granted = read(response).await?;
        let lasts = Duration::from_secs(granted.expires_in.min(24 * 3_600)).saturating_sub(MARGIN);
        let token = Token { text: granted.access_token, until: Instant::now() + lasts };
        Ok(held.insert(token).text.clone())
    }
}

async fn read<T: for<'a> Deserialize<'a>>(mut response: Response) -> Result<T, Trouble> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(Trouble::Unreadable);
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| Trouble::Unreadable)
}
