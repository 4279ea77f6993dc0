//! Who is erased stays erased, until they come back themselves.

use omnimesh_kit::{
    args,
    auth::SessionLevel,
    clock::Timestamp,
    ids::SessionId,
    store::{Row, Sql},
    testing::{BACKENDS, START},
};
use omnimesh_proto::{
    common::v1::Channel::{CallCenter, Store, Web},
    events::v1::ErasureApplied,
    profiles::v1::{
        AssertionOutcome::{Created, Suppressed},
        EraseProfileRequest, Erasure, GetErasureRequest, HeldSession, IdentifierType as Type, ProfileErased,
        SplitProfileRequest,
    },
    sessions::v1::{HandoffClaimed, SessionIdentified},
};

use super::{ALL, Said, id, merges::events, outcome, said, sessions};
use crate::{
    timeline::{event, hear},
    world::{World, customer, reason, service, world, worlds},
};

const CANARY: &str = "kanarya";
const PHONE: &str = "5324182763";

fn ada(reference: &str) -> Said {
    said(Store, reference)
        .name("Kanarya Kanaryagil")
        .email("kanarya@shop.example")
        .phone("+905324182763")
        .lives("Kanarya Sk. 1", "Kanarya")
        .born("1990-02-01")
        .login("kanarya")
}

async fn erase(world: &World, id: &str) -> Erasure {
    let request = EraseProfileRequest {
        profile_id: id.to_owned(),
        reason: "asked for it".to_owned(),
        request_id: uuid::Uuid::new_v4().to_string(),
    };
    world.client(&service(ALL)).erase_profile(request).await.unwrap().into_inner().erasure.unwrap()
}

#[tokio::test]
async fn nothing_is_left_and_nothing_comes_back() {
    for world in worlds().await {
        world.register("sessions", sessions::routes());
        let first = world.record(ada("R-1").card("805520000353")).await;
        let second = world.record(said(Web, "W-1").name("Kanarya K").card("805520000353")).await;
        // A family's phone, and somebody alike.
        let other = world.record(said(CallCenter, "C-1").name("Kanat Bey").phone("+905324182763")).await;
        world.merge(&id(&first), &second.recorded_profile_id).await.unwrap();
        let erasure = erase(&world, &second.recorded_profile_id).await;
        assert_eq!(erasure.profile_ids.len(), 2);
        let done: Vec<_> =
            erasure.parts.iter().filter(|part| part.complete_time.is_some()).map(|part| &part.service).collect();
        assert_eq!(done, ["profiles"]);
        assert_eq!(erase(&world, &id(&first)).await, erasure, "erasing twice is harmless");
        for gone in [&first.recorded_profile_id, &second.recorded_profile_id] {
            assert_eq!(reason(world.get(gone).await), "ERASED");
            assert_eq!(reason(world.merge(gone, &id(&other)).await), "ERASED");
        }
        assert_eq!(reason(world.record_as(&service(ALL), said(Web, "").about(&id(&first)).name("X")).await), "ERASED");
        // Neither the same stream, nor other claims about the same person.
        for claims in [
            ada("R-1").card("805520000353"),
            said(Web, "W-1").name("Kanarya K"),
            said(Web, "W-2").email("kanarya@shop.example"),
            said(Web, "W-3").card("805520000353"),
        ] {
            let reply = world.record(claims).await;
            assert_eq!((outcome(&reply), reply.profile, reply.recorded_profile_id.as_str()), (Suppressed, None, ""));
        }
        assert_eq!(outcome(&world.record(said(Web, "W-4").name("Kuzen").phone("+905324182763")).await), Created);
        let till = super::super::world::resolve(&[(Type::LoyaltyCard, "805520000353")], true);
        assert_eq!(reason(world.client(&service(ALL)).resolve_profile(till).await), "ERASED");
        // The others have heard of it.
        for (at, name) in ["sessions", "carts", "orders"].into_iter().enumerate() {
            let applied = ErasureApplied { erasure_id: erasure.erasure_id.clone(), service: name.to_owned() };
            hear(&world, &event(name, 10 + i64::try_from(at).unwrap(), "", &applied)).await;
        }
        let request = GetErasureRequest { erasure_id: erasure.erasure_id.clone() };
        let complete = world.client(&service(ALL)).get_erasure(request).await.unwrap().into_inner().erasure.unwrap();
        assert!(complete.complete_time.is_some() && complete.parts.iter().all(|part| part.complete_time.is_some()));
        // She comes back herself.
        let back = world.resolve(&[(Type::Email, "kanarya@shop.example")], true).await.unwrap();
        assert!(back.created);
        let back = back.profile.unwrap().profile_id;
        assert_ne!(back, id(&first));
        assert_eq!(outcome(&world.record(said(Web, "W-5").email("kanarya@shop.example")).await), Created);
        // Customers erase themselves, and nobody else.
        let own = customer(Some(back.parse().unwrap()), SessionLevel::Identified);
        let ask =
            |profile_id: String| EraseProfileRequest { profile_id, reason: "bye".into(), request_id: String::new() };
        assert_eq!(reason(world.client(&own).erase_profile(ask(id(&other))).await), "NOT_FOUND");
        let bye = world.client(&own).erase_profile(ask(String::new())).await.unwrap().into_inner().erasure.unwrap();
        assert_eq!(bye.profile_ids, [back]);
        let unknown = GetErasureRequest { erasure_id: "erasure_00000000000000000000000001".to_owned() };
        assert_eq!(reason(world.client(&service(ALL)).get_erasure(unknown).await), "NOT_FOUND");
    }
}

#[tokio::test]
async fn no_table_holds_a_word_of_it() {
    for backend in BACKENDS {
        let world = world(backend).await;
        let first = world.record(ada("R-1")).await;
        let mut asked = said(Web, "W-1").name("Kanarya Kanaryagil").email("kanarya@shop.example");
        asked.0.request_id = uuid::Uuid::new_v4().to_string();
        let second = world.record(asked).await;
        assert_eq!(second.suggestion_ids.len(), 1);
        world.merge(&id(&first), &id(&second)).await.unwrap();
        let split = SplitProfileRequest {
            profile_id: id(&first),
            leaving_profile_ids: vec![id(&second)],
            reason: format!("{CANARY} is two people"),
            ..SplitProfileRequest::default()
        };
        world.client(&service(ALL)).split_profile(split).await.unwrap();
        world.merge(&id(&first), &id(&second)).await.unwrap();
        let before = dump(&world).await;
        for table in ["held_identifiers", "assertions", "search_terms", "requests", "splits"] {
            assert!(before.lines().any(|line| line.starts_with(table) && line.contains(CANARY)), "{table}");
        }
        let event = erase(&world, &id(&first)).await;
        let dump = dump(&world).await;
        assert!(!dump.contains(CANARY) && !dump.contains(PHONE), "{dump}");
        assert!(!event.erasure_id.is_empty());
    }
}

/// Where the last erasure finds what its customer did as a guest.
async fn told(world: &World) -> Vec<(String, Option<i64>, Option<i64>)> {
    let last = events::<ProfileErased>(world).await.pop().unwrap();
    let second = |time: Option<prost_types::Timestamp>| {
        let moment = time.as_ref().and_then(Timestamp::from_proto)?;
        Some((moment.micros() - START.micros()) / 1_000_000)
    };
    let told = |held: HeldSession| (held.session_id, second(held.start_time), second(held.end_time));
    last.sessions.into_iter().map(told).collect()
}

#[tokio::test]
async fn the_others_hear_where_the_customer_was_a_guest() {
    for world in worlds().await {
        let ada = id(&world.record(said(Store, "R-1").card("805520000353")).await);
        let bob = id(&world.record(said(Store, "R-2").card("805516659315")).await);
        let mut ids = [(); 3].map(|()| SessionId::new(START).to_string());
        ids.sort_unstable();
        let [own, lent, late] = &ids;
        let kiosks = [(); 2].map(|()| SessionId::new(START).to_string());
        let left = |kiosk: &str| {
            let claimed = HandoffClaimed {
                handoff_id: format!("handoff of {kiosk}"),
                source_session_id: kiosk.to_owned(),
                session_id: own.to_owned(),
                source_ended: true,
                ..HandoffClaimed::default()
            };
            event("sessions", 0, own, &claimed)
        };
        hear(&world, &left(&kiosks[0])).await;
        let identified = |at: i64, session: &str, profile: &str| {
            let (session_id, profile_id) = (session.to_owned(), profile.to_owned());
            event("sessions", at, session, &SessionIdentified { session_id, profile_id, ..Default::default() })
        };
        for event in [identified(1, own, &ada), identified(2, lent, &bob), identified(3, lent, &ada)] {
            hear(&world, &event).await;
        }
        let erasure = erase(&world, &ada).await;
        let kiosk = (kiosks[0].clone(), None, None);
        assert_eq!(told(&world).await, [(own.clone(), None, None), (lent.clone(), Some(3), None), kiosk]);

        // One that is heard of only now, twice: it is told once, as an erasure of its own.
        for _ in 0..2 {
            hear(&world, &identified(4, late, &ada)).await;
        }
        let all = events::<ProfileErased>(&world).await;
        assert_eq!((all.len(), &all[1].profile_ids), (2, &vec![ada.clone()]));
        assert_ne!(all[1].erasure_id, erasure.erasure_id);
        assert!(told(&world).await.contains(&(late.clone(), None, None)));
        hear(&world, &left(&kiosks[1])).await;
        assert_eq!(events::<ProfileErased>(&world).await.len(), 3);
        assert!(told(&world).await.contains(&(kiosks[1].clone(), None, None)));
        assert_eq!(erase(&world, &ada).await.erasure_id, erasure.erasure_id);
        // The one who had the session before is erased too.
        erase(&world, &bob).await;
        assert_eq!(told(&world).await, [(lent.clone(), None, Some(3))]);
    }
}

/// All that the tables say, in lower case.
async fn dump(world: &World) -> String {
    const TABLES: &[&str] = &[
        "held_identifiers",
        "assertions",
        "merges",
        "splits",
        "suggestions",
        "search_terms",
        "search_slips",
        "interactions",
        "consents",
        "requests",
        "outbox",
        "erasures",
        "profiles",
    ];
    let mut conn = world.db.read().await.unwrap();
    let mut all = String::new();
    for table in TABLES {
        // The statement is built here alone, of the names above.
        let sql = if world.db.is_sqlite() {
            let columns = format!("SELECT name FROM pragma_table_info('{table}')");
            let columns = Sql::portable(Box::leak(columns.into_boxed_str()));
            let columns = conn.fetch_all(columns, args![]).await.unwrap();
            let column = |row: &Row| format!("hex(COALESCE(\"{}\", ''))", row.get::<String>("name").unwrap());
            let columns: Vec<_> = columns.iter().map(column).collect();
            format!("SELECT {} AS line FROM {table}", columns.join(" || '|' || "))
        } else {
            format!("SELECT t::text AS line FROM {table} AS t")
        };
        let sql = Sql::portable(Box::leak(sql.into_boxed_str()));
        for row in conn.fetch_all(sql, args![]).await.unwrap() {
            all.push_str(&format!("{table}: {}\n", row.get::<String>("line").unwrap()).to_lowercase());
        }
    }
    // The lines of SQLite, and the bytes of Postgres, are hexadecimal.
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let known = [CANARY, "Kanarya", PHONE];
    known.iter().fold(all, |all, text| all.replace(&hex(text), &text.to_lowercase()))
}
