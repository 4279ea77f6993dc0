//! An offer to hand a session over: how long it stands, and what counts as its code or token.

use std::time::Duration;

use omnimesh_kit::{
    clock::Timestamp,
    ids::{ProfileId, SessionId},
    secrets::normalize_code,
    typed_id,
};
use omnimesh_proto::sessions::v1 as proto;

typed_id!(
    /// An offer's id.
    HandoffId, "handoff");

/// How long an offer can be claimed.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// How many characters of Crockford's base32 a code has: 40 bits.
pub(crate) const CODE_LENGTH: usize = 8;
/// How many bytes a token has.
pub(crate) const TOKEN_BYTES: usize = 16;
/// 128 bits in URL-safe base64 without padding.
const TOKEN_LENGTH: usize = 22;

/// An offer as the service keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// The session that offers.
    pub source: SessionId,
    /// Whose session that was when it offered; `None` for a guest's.
    pub profile: Option<ProfileId>,
    /// Whether the cart may be changed and ordered.
    pub edit: bool,
    /// When it was offered.
    pub created_at: Timestamp,
    /// Until when it can be claimed.
    pub expires_at: Timestamp,
    /// Who claimed it.
    pub claim: Option<Claim>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// When.
    pub at: Timestamp,
    /// The session that the claimer got.
    pub session: SessionId,
    /// The claimer's channel, as i32.
    pub channel: i32,
    /// Whether it was an associate.
    pub by_associate: bool,
}

impl Handoff {
    /// Where it stands.
    #[must_use]
    pub(crate) fn state(&self, now: Timestamp) -> proto::HandoffState {
        if self.revoked_at.is_some() {
            proto::HandoffState::Revoked
        } else if self.claim.is_some() {
            proto::HandoffState::Claimed
        } else if now < self.expires_at {
            proto::HandoffState::Open
        } else {
            proto::HandoffState::Expired
        }
    }

    /// The contract's form.
    #[must_use]
    pub(crate) fn to_proto(&self, now: Timestamp) -> proto::Handoff {
        let scope = if self.edit { proto::HandoffScope::Edit } else { proto::HandoffScope::Read };
        let claim = self.claim.as_ref();
        proto::Handoff {
            handoff_id: self.id.to_string(),
            source_session_id: self.source.to_string(),
            scope: scope.into(),
            state: self.state(now).into(),
            create_time: Some(self.created_at.to_proto()),
            expire_time: Some(self.expires_at.to_proto()),
            claim_time: claim.map(|claim| claim.at.to_proto()),
            claim_channel: claim.map(|claim| claim.channel).unwrap_or_default(),
            claimed_by_associate: claim.is_some_and(|claim| claim.by_associate),
        }
    }
}

/// A typed code as it was given out. `None` if it can't be one.
#[must_use]
pub(crate) fn typed_code(text: &str) -> Option<String> {
    if text.len() > 64 {
        return None;
    }
    let code = normalize_code(text);
    let known = |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && byte != b'U');
    (code.len() == CODE_LENGTH && code.bytes().all(known)).then_some(code)
}

/// Whether a text has the form of a scanned token.
#[must_use]
pub(crate) fn is_token(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == TOKEN_LENGTH && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use omnimesh_kit::secrets::crockford_code;

    use super::*;

    #[test]
    fn codes_as_people_type_them() {
        assert_eq!(typed_code("AB12-CD34").as_deref(), Some("AB12CD34"));
        assert_eq!(typed_code(" ab12 cd34 ").as_deref(), Some("AB12CD34"));
        assert_eq!(typed_code("oil0ab99").as_deref(), Some("0110AB99"));
        for _ in 0..100 {
            let code = crockford_code(CODE_LENGTH);
            assert_eq!(typed_code(&code.to_lowercase()), Some(code));
        }
        for bad in ["", "AB12CD3", "AB12CD345", "AB12CD3U", "AB12CD3İ", "AB12CD3*", &"A".repeat(100)] {
            assert_eq!(typed_code(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_have_one_form() {
        assert!(is_token("AbCdEfGhIjKlMnOpQrSt_-"));
        for bad in
            ["", "AbCdEfGhIjKlMnOpQrSt_", "AbCdEfGhIjKlMnOpQrSt_-x", "AbCdEfGhIjKlMnOpQrSt_=", "AbCdEfGhIjKlMnOpQrSt_ü"]
        {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn an_offer_stands_until_something_happens_to_it() {
        let at = Timestamp::from_micros(1_000_000_000_000);
        let id = HandoffId::new(at);
        let (source, session) = (SessionId::new(at), SessionId::new(at));
        let expires_at = at.plus(LIFETIME);
        let open = Handoff {
            id,
            source,
            profile: None,
            edit: true,
            created_at: at,
            expires_at,
            claim: None,
            revoked_at: None,
        };
        let state = |handoff: &Handoff, seconds| handoff.state(at.plus(Duration::from_secs(seconds)));
        assert_eq!(state(&open, 599), proto::HandoffState::Open);
        assert_eq!(state(&open, 600), proto::HandoffState::Expired);
        let claim = Some(Claim { at, session, channel: 2, by_associate: true });
        let claimed = Handoff { claim, ..open.clone() };
        assert_eq!(state(&claimed, 600), proto::HandoffState::Claimed);
        let shown = claimed.to_proto(at);
        assert_eq!(
            (shown.claim_channel, shown.claimed_by_associate, shown.scope()),
            (2, true, proto::HandoffScope::Edit)
        );
        for handoff in [open, claimed] {
            let revoked = Handoff { revoked_at: Some(at), ..handoff };
            assert_eq!(state(&revoked, 600), proto::HandoffState::Revoked);
        }
    }
}
