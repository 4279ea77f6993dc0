//! E-mail addresses as evidence: canonical, masked, relayed.

use omnimesh_kit::text::fold;
use serde::{Deserialize, Serialize};

use super::text::repair;

/// An e-mail address as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Email {
    /// A mailbox, without plus-tag, dots where they don't count, and slips in well-known domains.
    #[serde(rename = "a")]
    Address {
        /// Before the at sign.
        #[serde(rename = "l")]
        local: String,
        /// After it.
        #[serde(rename = "d")]
        domain: String,
    },
    /// `g***@gmail.com`.
    #[serde(rename = "m")]
    Masked {
        /// What the mask leaves of the start.
        #[serde(rename = "l")]
        start: String,
        /// After the at sign.
        #[serde(rename = "d")]
        domain: String,
    },
    /// A marketplace's alias of one buyer. Not kept are aliases of one order: they say nothing.
    #[serde(rename = "r")]
    Alias(String),
}

/// Domains whose mailboxes people write without care, for slips.
const MAIL_HOSTS: &[&str] = &[
    "gmail.com",
    "hotmail.com",
    "outlook.com",
    "icloud.com",
    "yahoo.com",
    "windowslive.com",
    "yandex.com",
    "mynet.com",
    "live.com",
    "msn.com",
    "proton.me",
    "gmx.de",
    "web.de",
    "yahoo.co.uk",
    "bigpond.com",
];

/// Local parts and domain names that stand for no mailbox.
const DUMMIES: &[&str] = &[
    "yok",
    "yoktur",
    "test",
    "deneme",
    "musteri",
    "magaza",
    "kasa",
    "noreply",
    "no-reply",
    "none",
    "null",
    "na",
    "mail",
    "email",
    "customer",
    "guest",
    "misafir",
    "anonim",
    "anonymous",
    "unknown",
    "bilinmiyor",
    "asd",
    "asdf",
    "qwe",
    "qwerty",
    "abc",
    "xxx",
    "info",
    "example",
    "store",
    "shop",
];

impl Email {
    /// `None` for dummies, aliases of one order and what is no address.
    pub(super) fn parse(text: &str, marketplace: bool) -> Option<Self> {
        let text: String = fold(&repair(text)).chars().filter(|c| !c.is_whitespace()).collect();
        let (local, domain) = text.rsplit_once('@')?;
        if local.is_empty() || domain.is_empty() {
            return None;
        }
        if let Some((start, _)) = local.split_once(['*', '•']) {
            return Some(Self::Masked { start: start.to_owned(), domain: mail_host(domain) });
        }
        let domain = mail_host(domain);
        // A marketplace that hands out real mailboxes hands out those of the well-known hosts.
        if (marketplace && !MAIL_HOSTS.contains(&domain.as_str())) || is_relay_domain(&domain) {
            return (!local.contains('+')).then(|| Self::Alias(local.to_owned()));
        }
        let local = local.split('+').next().unwrap_or_default();
        // Google ignores dots; elsewhere they tell mailboxes apart on paper, hardly ever in life.
        let local: String = if domain == "gmail.com" || domain == "googlemail.com" {
            local.chars().filter(|c| *c != '.').collect()
        } else {
            local.to_owned()
        };
        (!is_dummy(&local, &domain)).then_some(Self::Address { local, domain })
    }
}

/// The letters of a local part or handle, if they can be a name: `busra_kurt15` gives `busrakurt`.
pub(super) fn letters(handle: &str) -> Option<String> {
    let letters: String = fold(handle).chars().filter(|c| c.is_alphabetic()).collect();
    (letters.chars().count() >= 6).then_some(letters)
}

fn mail_host(domain: &str) -> String {
    let near = |host: &&&str| domain.len().abs_diff(host.len()) <= 1 && strsim::osa_distance(domain, host) <= 1;
    if MAIL_HOSTS.contains(&domain) {
        return domain.to_owned();
    }
    MAIL_HOSTS.iter().find(near).map_or_else(|| domain.to_owned(), |host| (*host).to_owned())
}

fn is_relay_domain(domain: &str) -> bool {
    domain.split('.').any(|label| matches!(label, "marketplace" | "relay" | "privaterelay" | "anon" | "proxy"))
}

/// `yok@yok.com`, `a@a.com`, `test@…`: a short word twice, one letter, or a word that means nobody.
fn is_dummy(local: &str, domain: &str) -> bool {
    let name = domain.split('.').next().unwrap_or_default();
    let stem = local.trim_end_matches(|c: char| c.is_ascii_digit());
    let one_letter = local.chars().all(|c| local.starts_with(c));
    local == name || one_letter || DUMMIES.contains(&stem) || name == "example"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(local: &str, domain: &str) -> Option<Email> {
        Some(Email::Address { local: local.into(), domain: domain.into() })
    }

    #[test]
    fn one_mailbox_in_many_spellings() {
        for spelling in ["Leyla.Cakir76+alisveris@gmail.com", "leylacakir76@gmial.com", " LEYLACAKIR76@GMAIL.CON"] {
            assert_eq!(Email::parse(spelling, false), address("leylacakir76", "gmail.com"), "{spelling}");
        }
        assert_eq!(Email::parse("a.b+x@firma.com.tr", false), address("a.b", "firma.com.tr"));
    }

    #[test]
    fn dummies_are_nobody() {
        for dummy in [
            "yok@yok.com",
            "a@a.com",
            "musteri@magaza.com",
            "test@test.com",
            "aaa@gmail.com",
            "deneme1@x.org",
            "yok",
            "@",
            "",
        ] {
            assert_eq!(Email::parse(dummy, false), None, "{dummy}");
        }
    }

    #[test]
    fn masks_and_aliases_of_marketplaces() {
        let mask = Email::Masked { start: "g".into(), domain: "gmail.com".into() };
        assert_eq!(Email::parse("g***@gmail.com", true), Some(mask));
        assert_eq!(Email::parse("pf+ff35453e5e@mp-a.example", true), None);
        assert_eq!(Email::parse("42153ED0@marketplace.mp-b.example", true), Some(Email::Alias("42153ed0".into())));
        assert_eq!(Email::parse("ada@gmail.com", true), address("ada", "gmail.com"));
        assert_eq!(letters("@busra_kurt15").as_deref(), Some("busrakurt"));
        assert_eq!(letters("ada1"), None);
    }
}
