//! Language tags (BCP 47, RFC 5646): checked and written the usual way.

use std::{fmt, str::FromStr};

/// Longer tags are lists of extensions that nobody reads.
const MAX_LENGTH: usize = 35;

/// A language tag such as `tr-TR`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locale(String);

/// A text that is not a language tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a BCP 47 language tag such as tr-TR is accepted")]
pub struct ParseLocaleError;

impl Locale {
    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region in upper case, such as `TR`, if the tag names one as a country.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        let mut subtags = self.0.split('-').skip(1).take_while(|subtag| subtag.len() > 1);
        subtags.find(|subtag| subtag.len() == 2 && subtag.bytes().all(|byte| byte.is_ascii_uppercase()))
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Locale {
    type Err = ParseLocaleError;

    /// Language, then script, region, variants and extensions as they come; private and grandfathered tags are not accepted.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed =
            |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric());
        if text.len() > MAX_LENGTH || !text.split('-').all(well_formed) {
            return Err(ParseLocaleError);
        }
        let mut subtags = text.split('-');
        let language = subtags.next().filter(|language| is_alpha(language) && (2..=8).contains(&language.len()));
        let mut tag = language.ok_or(ParseLocaleError)?.to_ascii_lowercase();
        let mut rest = subtags.peekable();
        if let Some(script) = rest.next_if(|subtag| is_alpha(subtag) && subtag.len() == 4) {
            let (first, others) = script.split_at(1);
            tag.push('-');
            tag.push_str(&first.to_ascii_uppercase());
            tag.push_str(&others.to_ascii_lowercase());
        }
        let is_region =
            |subtag: &&str| (is_alpha(subtag) && subtag.len() == 2) || (is_digits(subtag) && subtag.len() == 3);
        if let Some(region) = rest.next_if(is_region) {
            tag.push('-');
            tag.push_str(&region.to_ascii_uppercase());
        }
        for subtag in rest.by_ref() {
            if subtag.len() == 1 {
                // A singleton opens an extension: at least one subtag follows it.
                tag.push('-');
                tag.push_str(&subtag.to_ascii_lowercase());
                break;
            }
            let is_variant =
                subtag.len() >= 5 || (subtag.len() == 4 && subtag.starts_with(|c: char| c.is_ascii_digit()));
            if !is_variant {
                return Err(ParseLocaleError);
            }
            tag.push('-');
            tag.push_str(&subtag.to_ascii_lowercase());
        }
        for subtag in rest {
            tag.push('-');
            tag.push_str(&subtag.to_ascii_lowercase());
        }
        let dangling = tag.rsplit('-').next().is_some_and(|last| last.len() == 1);
        if dangling { Err(ParseLocaleError) } else { Ok(Self(tag)) }
    }
}

fn is_alpha(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_digits(subtag: &str) -> bool {
    subtag.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for (text, tag, region) in [
            ("tr-TR", "tr-TR", Some("TR")),
            ("TR-tr", "tr-TR", Some("TR")),
            ("en", "en", None),
            ("zh-hant-tw", "zh-Hant-TW", Some("TW")),
            ("es-419", "es-419", None),
            ("de-CH-1996", "de-CH-1996", Some("CH")),
            ("de-de-u-co-phonebk", "de-DE-u-co-phonebk", Some("DE")),
            ("de-u-co-ph", "de-u-co-ph", None),
        ] {
            let locale: Locale = text.parse().unwrap();
            assert_eq!((locale.as_str(), locale.region()), (tag, region), "{text}");
        }
        for bad in
            ["", "t", "tr_TR", "tr-", "-tr", "tr-TR-", "tr-x", "123", "tr--TR", "türkçe", "en-US-abc", "abcdefghi"]
        {
            assert_eq!(bad.parse::<Locale>(), Err(ParseLocaleError), "{bad}");
        }
    }
}
