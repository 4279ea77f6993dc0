//! A seller's account: where requests go, and what each of them carries.

use std::fmt;

use http::{
    HeaderName,
    header::{AUTHORIZATION, USER_AGENT},
};
use omnimesh_connector_sdk::{
    Failure, Fields, Request,
    signature::{Pair, basic_header},
};
use omnimesh_kit::private::Private;
use omnimesh_proto::connectors::v1::AccountField;
use reqwest::Url;

const BASE_URL: &str = "https://apigw.trendyol.com";
const STOREFRONT: HeaderName = HeaderName::from_static("storefrontcode");

/// How orders are pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrdersApi {
    /// By the vendor's cursor: made for pulling all.
    Stream,
    /// By pages, of which 10,000 packages of the last month can be reached.
    Pages,
}

/// An account of a seller.
pub(crate) struct Account {
    seller_id: String,
    base: Url,
    authorization: Private<String>,
    user_agent: String,
    storefront: Option<String>,
    pub(crate) orders_api: OrdersApi,
    pub(crate) webhook: WebhookAuth,
}

/// What proves that a webhook is Trendyol's, as far as anything does.
pub(crate) enum WebhookAuth {
    /// Nothing was agreed: no webhook is taken.
    None,
    /// A header `x-api-key`.
    ApiKey(Pair),
    /// User name and password.
    Basic(String, Pair),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("seller_id", &self.seller_id).finish_non_exhaustive()
    }
}

/// What an account is configured with.
pub(crate) fn fields() -> Vec<AccountField> {
    let field = |name: &str, description: &str, required, secret| AccountField {
        name: name.to_owned(),
        description: description.to_owned(),
        required,
        secret,
    };
    vec![
        field("seller_id", "the seller's number, as Trendyol's panel shows it", true, false),
        field("api_key", "the key of the integration", true, true),
        field("api_secret", "the secret of the integration", true, true),
        field("integrator", "who integrates, 1 to 30 letters and digits; SelfIntegration if left out", false, false),
        field("base_url", "where Trendyol answers; its production if left out", false, false),
        field("storefront", "the code of an international storefront, such as SA", false, false),
        field("orders_api", "how orders are pulled: stream, which is the default, or pages", false, false),
        field("webhook_username", "the user name that Trendyol's webhooks come with", false, false),
        field("webhook_password", "the password that they come with", false, true),
        field("previous_webhook_password", "the password before, while it is exchanged", false, true),
        field("webhook_api_key", "the x-api-key that they come with, in place of user name and password", false, true),
        field("previous_webhook_api_key", "the x-api-key before, while it is exchanged", false, true),
    ]
}

impl Account {
    pub(crate) fn new(fields: &Fields) -> Result<Self, (String, String)> {
        let wrong = |field: &str, accepted: &str| (field.to_owned(), accepted.to_owned());
        let seller_id = fields.get("seller_id").unwrap_or_default().to_owned();
        if seller_id.is_empty() || !seller_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("seller_id", "digits are accepted"));
        }
        let integrator = fields.get("integrator").unwrap_or("SelfIntegration");
        if integrator.len() > 30 || !integrator.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(wrong("integrator", "1 to 30 letters and digits are accepted"));
        }
        let accepted = "an https URL is accepted, or http on this machine";
        let base = Url::parse(fields.get("base_url").unwrap_or(BASE_URL)).map_err(|_| wrong("base_url", accepted))?;
        let local = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if base.cannot_be_a_base() || !(base.scheme() == "https" || (base.scheme() == "http" && local)) {
            return Err(wrong("base_url", accepted));
        }
        let orders_api = match fields.get("orders_api") {
            None | Some("stream") => OrdersApi::Stream,
            Some("pages") => OrdersApi::Pages,
            Some(_) => return Err(wrong("orders_api", "stream or pages is accepted")),
        };
        let storefront = fields.get("storefront").map(str::to_owned);
        if storefront.iter().any(|code| !code.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return Err(wrong("storefront", "letters and digits are accepted"));
        }
        let pair = |name: &str| {
            let previous = format!("previous_{name}");
            Pair { current: fields.private(name), previous: fields.get(&previous).map(|_| fields.private(&previous)) }
        };
        let webhook = match (fields.get("webhook_api_key"), fields.get("webhook_username")) {
            (Some(_), None) => WebhookAuth::ApiKey(pair("webhook_api_key")),
            (None, Some(name)) if fields.get("webhook_password").is_some() => {
                WebhookAuth::Basic(name.to_owned(), pair("webhook_password"))
            }
            (None, None) => WebhookAuth::None,
            _ => {
                let accepted = "webhook_api_key, or webhook_username with webhook_password, is accepted";
                return Err(wrong("webhook_api_key", accepted));
            }
        };
        let (key, secret) = (fields.private("api_key"), fields.private("api_secret"));
        Ok(Self {
            user_agent: format!("{seller_id} - {integrator}"),
            authorization: Private::new(basic_header(key.expose(), secret.expose())),
            seller_id,
            base,
            storefront,
            orders_api,
            webhook,
        })
    }

    /// Whether it asks the vendor's stage, which answers only addresses on its list.
    pub(crate) fn is_stage(&self) -> bool {
        self.base.host_str().is_some_and(|host| host.starts_with("stage"))
    }

    pub(crate) fn seller_id(&self) -> &str {
        &self.seller_id
    }

    /// The address of something of the seller's: `integration/{area}/sellers/{seller}/…`.
    pub(crate) fn url(&self, area: &str, rest: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        let mut segments =
            url.path_segments_mut().map_err(|()| Failure::invalid("the address of the vendor takes no path"))?;
        segments.pop_if_empty().extend(["integration", area, "sellers", &self.seller_id]).extend(rest);
        drop(segments);
        Ok(url)
    }

    /// The request with what each has to carry. Without its user agent Trendyol answers 403.
    pub(crate) fn sign(&self, request: Request) -> Result<Request, Failure> {
        let request = request.header(AUTHORIZATION, self.authorization.expose(), true)?.header(
            USER_AGENT,
            &self.user_agent,
            false,
        )?;
        match &self.storefront {
            Some(code) => request.header(STOREFRONT, code, false),
            None => Ok(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(more: [(&'static str, &str); 2]) -> Result<Account, (String, String)> {
        let [one, two] = more.map(|(name, value)| (name, value.to_owned()));
        Account::new(&Fields::from([
            ("seller_id", "2738".to_owned()),
            ("api_key", "key".to_owned()),
            ("api_secret", "secret".to_owned()),
            one,
            two,
        ]))
    }

    #[test]
    fn every_request_carries_what_trendyol_asks_for() {
        let account = account([("storefront", "SA"), ("base_url", "http://127.0.0.1:9/sub")]).unwrap();
        let url = account.url("order", &["claims", "a/b?c"]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:9/sub/integration/order/sellers/2738/claims/a%2Fb%3Fc");
        let request = account.sign(Request::get("x", url)).unwrap();
        assert_eq!(request.headers[USER_AGENT], "2738 - SelfIntegration");
        assert_eq!(request.headers[AUTHORIZATION], "Basic a2V5OnNlY3JldA==");
        assert_eq!(request.headers[STOREFRONT], "SA");
        assert!(!format!("{request:?} {account:?}").contains("a2V5"), "{request:?} {account:?}");
    }

    #[test]
    fn what_can_not_be_used_is_refused_by_name() {
        for (field, value) in [
            ("base_url", "http://example.com"),
            ("base_url", "mailto:x"),
            ("integrator", "çok iyi"),
            ("orders_api", "all"),
            ("storefront", "S A"),
        ] {
            assert_eq!(
                account([(field, value), ("storefront", if field == "storefront" { value } else { "" })])
                    .unwrap_err()
                    .0,
                field
            );
        }
        let stage = |url| account([("base_url", url), ("storefront", "")]).unwrap().is_stage();
        assert!(stage("https://stageapigw.trendyol.com") && !stage("https://apigw.trendyol.com"));
        let both = account([("webhook_api_key", "k"), ("webhook_username", "u")]).unwrap_err();
        let half = account([("webhook_password", "p"), ("webhook_username", "")]);
        assert_eq!(both.0, "webhook_api_key");
        assert!(matches!(half.unwrap().webhook, WebhookAuth::None));
    }
}
