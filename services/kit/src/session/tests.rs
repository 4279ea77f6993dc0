use omnimesh_proto::common::v1::{Channel, DeviceClass};
use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::{auth::LinkedScope, clock::Timestamp, ids::JourneyId, redis_connection::test_url};

/// The suite, once for each store.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $test() { let clock = super::now(); super::$test(super::LiveSessions::memory(clock.clone()), clock).await; })+
        }
        mod redis {
            $(#[tokio::test] async fn $test() {
                let clock = super::now();
                super::$test(super::LiveSessions::redis(&super::test_url(), clock.clone()).unwrap(), clock).await;
            })+
        }
    };
}

on_both_stores!(
    a_token_finds_its_session,
    only_the_newest_token_is_valid,
    an_ended_session_stays_ended,
    late_writes_change_nothing,
    single_fields_arrive_in_any_order,
    idleness_ends_a_session_unless_it_is_used,
    the_absolute_expiry_forgets_it,
    what_another_release_wrote_is_loaded_again,
    what_was_handed_over_is_kept,
    concurrent_rises_of_privilege_have_one_winner,
);

/// Redis forgets by its own clock: a manual clock has to start at the real time.
fn now() -> Clock {
    Clock::manual(Clock::System.now())
}

fn session(clock: &Clock) -> (LiveSession, SessionToken) {
    let now = clock.now();
    let token = SessionToken::generate(SessionId::new(now));
    let session = LiveSession {
        id: token.session_id(),
        token_hash: token.hash(),
        profile: None,
        level: SessionLevel::Guest,
        channel: Channel::Web.into(),
        device: DeviceClass::Desktop.into(),
        locale: "tr-TR".to_owned(),
        journey: JourneyId::new(now),
        cart: None,
        linked: None,
        assisted_by: None,
        started_at: now,
        expires_at: now.plus(Duration::from_secs(86_400)),
        idle: Duration::from_secs(1_800),
        idle_expires_at: now.plus(Duration::from_secs(1_800)),
        revoked: false,
        version: 1,
    };
    (session, token)
}

fn raised(session: &LiveSession) -> (LiveSession, SessionToken) {
    let token = SessionToken::generate(session.id);
    let raised = LiveSession {
        token_hash: token.hash(),
        profile: Some(ProfileId::new(session.started_at)),
        level: SessionLevel::Identified,
        version: session.version + 1,
        ..session.clone()
    };
    (raised, token)
}

async fn a_token_finds_its_session(sessions: LiveSessions, clock: Clock) {
    let (session, token) = session(&clock);
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Missing);
    assert!(sessions.put(&session).await.unwrap());
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Live(session.clone()));
    assert_eq!(sessions.get(session.id).await.unwrap(), Found::Live(session.clone()));
    let guessed = SessionToken::generate(session.id);
    assert_eq!(sessions.authenticate(&guessed).await.unwrap(), Found::Ended);

    let identity = session.identity();
    assert_eq!(identity.subject, session.id.to_string());
    assert_eq!(identity.audience(), omnimesh_proto::access::v1::Audience::Customer);
    assert_eq!(identity.session.unwrap().journey, session.journey);
}

async fn only_the_newest_token_is_valid(sessions: LiveSessions, clock: Clock) {
    let (session, old) = session(&clock);
    sessions.put(&session).await.unwrap();
    let (raised, new) = raised(&session);
    assert!(sessions.rotate(&raised, &session.token_hash).await.unwrap());
    assert_eq!(sessions.authenticate(&old).await.unwrap(), Found::Ended);
    assert_eq!(sessions.authenticate(&new).await.unwrap(), Found::Live(raised.clone()));
    // The same once more, because the answer got lost.
    assert!(sessions.rotate(&raised, &session.token_hash).await.unwrap());
    // A reload that read the old row before must not bring the old token back.
    assert!(!sessions.put(&session).await.unwrap());
    assert_eq!(sessions.authenticate(&old).await.unwrap(), Found::Ended);
}

async fn an_ended_session_stays_ended(sessions: LiveSessions, clock: Clock) {
    let (session, token) = session(&clock);
    sessions.put(&session).await.unwrap();
    sessions.end(session.id, 2).await.unwrap();
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Ended);
    assert!(!sessions.put(&session).await.unwrap());
    assert!(!sessions.set_cart(session.id, Some("cart_x"), 3).await.unwrap());
    let (raised, new) = raised(&LiveSession { version: 8, ..session.clone() });
    assert!(!sessions.rotate(&raised, &session.token_hash).await.unwrap());
    assert_eq!(sessions.authenticate(&new).await.unwrap(), Found::Ended);
}

async fn late_writes_change_nothing(sessions: LiveSessions, clock: Clock) {
    let (mut session, _) = session(&clock);
    session.version = 5;
    sessions.put(&session).await.unwrap();
    assert!(sessions.set_cart(session.id, Some("cart_new"), 7).await.unwrap());
    // Still a live session, but the cart is older.
    assert!(sessions.set_cart(session.id, Some("cart_old"), 6).await.unwrap());
    assert!(!sessions.put(&session).await.unwrap());
    let stored = sessions.get(session.id).await.unwrap().live().unwrap();
    assert_eq!((stored.cart.as_deref(), stored.version), (Some("cart_new"), 7));
    assert!(sessions.set_cart(session.id, None, 8).await.unwrap());
    assert_eq!(sessions.get(session.id).await.unwrap().live().unwrap().cart, None);
    assert!(!sessions.set_cart(SessionId::new(clock.now()), Some("cart_x"), 1).await.unwrap());
}

async fn single_fields_arrive_in_any_order(sessions: LiveSessions, clock: Clock) {
    let (session, _) = session(&clock);
    let profile = ProfileId::new(clock.now());
    sessions.put(&session).await.unwrap();
    assert!(sessions.set_profile(session.id, Some(profile), SessionLevel::Linked, 3).await.unwrap());
    assert!(sessions.set_cart(session.id, Some("cart_x"), 2).await.unwrap());
    let stored = sessions.get(session.id).await.unwrap().live().unwrap();
    assert_eq!((stored.profile, stored.level), (Some(profile), SessionLevel::Linked));
    assert_eq!((stored.cart.as_deref(), stored.version), (Some("cart_x"), 3));
}

async fn idleness_ends_a_session_unless_it_is_used(sessions: LiveSessions, clock: Clock) {
    let (session, token) = session(&clock);
    sessions.put(&session).await.unwrap();
    clock.advance(Duration::from_secs(59));
    // Within the minute nothing is written.
    let seen = sessions.authenticate(&token).await.unwrap().live().unwrap();
    assert_eq!(seen.idle_expires_at, session.idle_expires_at);
    clock.advance(Duration::from_secs(1_000));
    let seen = sessions.authenticate(&token).await.unwrap().live().unwrap();
    assert_eq!(seen.idle_expires_at, clock.now().plus(session.idle));
    clock.advance(Duration::from_secs(1_799));
    // Looking at it is not using it.
    assert_eq!(sessions.get(session.id).await.unwrap(), Found::Live(seen));
    clock.advance(Duration::from_secs(1));
    // Known as ended, and not as missing: it must not be loaded again.
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Ended);
}

async fn the_absolute_expiry_forgets_it(sessions: LiveSessions, clock: Clock) {
    let (mut session, token) = session(&clock);
    session.expires_at = clock.now().plus(Duration::from_millis(1));
    sessions.put(&session).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(sessions.authenticate(&token).await.unwrap().live(), None);
    let (mut past, token) = self::session(&clock);
    past.expires_at = Timestamp::from_micros(1);
    sessions.put(&past).await.unwrap();
    assert_eq!(sessions.authenticate(&token).await.unwrap().live(), None);
}

async fn what_another_release_wrote_is_loaded_again(sessions: LiveSessions, clock: Clock) {
    let (session, token) = session(&clock);
    let mut set = session.to_fields();
    set.insert("level", "of another release".to_owned());
    let change = Change {
        create: true,
        replace: true,
        conditions: vec![],
        set,
        raise: vec![],
        expire_at: Some(session.expires_at),
    };
    sessions.store.change(session.id, change, &clock).await.unwrap();
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Missing);
    assert!(sessions.put(&session).await.unwrap());
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Live(session));
}

async fn what_was_handed_over_is_kept(sessions: LiveSessions, clock: Clock) {
    let cart = Some("cart_1".to_owned());
    let owner = Some(ProfileId::new(clock.now()));
    for (scope, assisted_by) in [
        (
            LinkedScope { cart: cart.clone(), owner, edit: true, source: Some(SessionId::new(clock.now())) },
            Some("ayse".to_owned()),
        ),
        (LinkedScope { cart, owner: None, edit: false, source: None }, None),
        (LinkedScope { cart: None, owner: None, edit: true, source: None }, None),
    ] {
        let (mut session, token) = session(&clock);
        (session.level, session.linked, session.assisted_by) = (SessionLevel::Linked, Some(scope), assisted_by);
        sessions.put(&session).await.unwrap();
        assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Live(session.clone()));
        let identity = session.identity().session.unwrap();
        assert_eq!((identity.linked, identity.assisted_by), (session.linked.clone(), session.assisted_by.clone()));
        // Identification drops the scope.
        let (raised, new) = raised(&LiveSession { linked: None, ..session.clone() });
        assert!(sessions.rotate(&raised, &session.token_hash).await.unwrap());
        assert_eq!(sessions.authenticate(&new).await.unwrap().live().unwrap().linked, None);
    }
    // A release without hand-over wrote none of these fields.
    let (session, token) = session(&clock);
    let mut set = session.to_fields();
    set.retain(|field, _| !["linked", "linked_cart", "linked_owner", "linked_source", "assisted_by"].contains(field));
    let expire_at = Some(session.expires_at);
    let change = Change { create: true, replace: true, conditions: vec![], set, raise: vec![], expire_at };
    sessions.store.change(session.id, change, &clock).await.unwrap();
    assert_eq!(sessions.authenticate(&token).await.unwrap(), Found::Live(session));
}

async fn concurrent_rises_of_privilege_have_one_winner(sessions: LiveSessions, clock: Clock) {
    let (session, old) = session(&clock);
    sessions.put(&session).await.unwrap();
    let rivals: Vec<_> = (0..16).map(|_| raised(&session)).collect();
    let tries = rivals.iter().map(|(raised, _)| sessions.rotate(raised, &session.token_hash));
    let done = futures::future::try_join_all(tries).await.unwrap();
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
    assert_eq!(sessions.authenticate(&old).await.unwrap(), Found::Ended);
    let mut valid = 0;
    for (_, token) in &rivals {
        valid += i32::from(matches!(sessions.authenticate(token).await.unwrap(), Found::Live(_)));
    }
    assert_eq!(valid, 1);
}

/// One step of a random history, as the sessions service would send it.
#[derive(Clone, Debug)]
enum Step {
    Put(i64),
    Cart(i64),
    Profile(i64),
    End(i64),
}

/// Whatever the order of arrival, memory and Redis end with the same record.
#[test]
fn memory_and_redis_agree() {
    let step = (0..4, 1i64..9).prop_map(|(kind, version)| match kind {
        0 => Step::Put(version),
        1 => Step::Cart(version),
        2 => Step::Profile(version),
        _ => Step::End(version),
    });
    // Ending is final, so it is rare.
    let step =
        prop_oneof![8 => step.clone().prop_filter("not an end", |step| !matches!(step, Step::End(_))), 1 => step];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clock = now();
    let memory = LiveSessions::memory(clock.clone());
    let _guard = runtime.enter();
    let redis = LiveSessions::redis(&test_url(), clock.clone()).unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, ..ProptestConfig::default() });
    let result = runner.run(&prop::collection::vec(step, 1..12), |steps| {
        let (session, _) = session(&clock);
        let profile = ProfileId::new(clock.now());
        for sessions in [&memory, &redis] {
            for step in &steps {
                runtime.block_on(async {
                    match step {
                        Step::Put(version) => {
                            let state = LiveSession { version: *version, ..session.clone() };
                            sessions.put(&state).await.map(drop)
                        }
                        Step::Cart(version) => {
                            sessions.set_cart(session.id, Some(&format!("cart_{version}")), *version).await.map(drop)
                        }
                        Step::Profile(version) => sessions
                            .set_profile(session.id, Some(profile), SessionLevel::Linked, *version)
                            .await
                            .map(drop),
                        Step::End(version) => sessions.end(session.id, *version).await,
                    }
                    .unwrap();
                });
            }
        }
        let [left, right] =
            [&memory, &redis].map(|sessions| runtime.block_on(sessions.store.read(session.id, &clock)).unwrap());
        prop_assert_eq!(left, right);
        Ok(())
    });
    result.unwrap();
}
