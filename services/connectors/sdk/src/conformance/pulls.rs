//! Pulls: nothing is missed, nothing counts twice, and what nobody knows is kept.

use std::collections::BTreeMap;

use omnimesh_proto::connectors::v1::{ChannelOrder, ChannelOrderState};

use super::{Stage, World};

fn keys(orders: &[ChannelOrder]) -> BTreeMap<String, String> {
    orders.iter().map(|order| (order.native_id.clone(), order.dedupe_key.clone())).collect()
}

/// A pull goes on where its cursor stands, sees again what is recent, and does not depend on how far its caller read.
pub async fn cursors_resume_and_overlap<S: Stage>(world: &World<S>) {
    let first: Vec<_> = (0..250).map(|_| world.stage.place().order.native_id).collect();
    let (orders, cursor) = world.pull_all(Vec::new()).await;
    let seen = keys(&orders);
    assert!(first.iter().all(|id| seen.contains_key(id)), "{} of {}", seen.len(), first.len());

    // The first page alone, then the rest from its cursor: the same orders.
    let pages = world.pull(Vec::new(), 1).await;
    let [page] = pages.as_slice() else { panic!("one page was asked for: {}", pages.len()) };
    assert!(page.has_more && page.orders.len() < first.len(), "{}", page.orders.len());
    let mut together = page.orders.clone();
    together.extend(world.pull_all(page.next_cursor.clone()).await.0);
    assert_eq!(keys(&together), seen);

    // What comes later is there, and so is what is recent.
    let later = world.stage.place().order.native_id;
    let (again, _) = world.pull_all(cursor.clone()).await;
    assert!(again.iter().any(|order| order.native_id == later), "an order after the cursor is missing");
    assert!(again.iter().any(|order| order.native_id == first[249]), "windows must overlap");

    // A cursor that is none is refused in words, not followed.
    let refused = world.pull(b"\x01nonsense".to_vec(), 0).await;
    assert!(refused.iter().any(|page| page.error.is_some()), "{refused:?}");
}

/// The same content has the same key, and other content another.
pub async fn dedupe_keys_are_stable<S: Stage>(world: &World<S>) {
    let placed = [world.stage.place(), world.stage.place()];
    let before = keys(&world.pull_all(Vec::new()).await.0);
    assert_eq!(keys(&world.pull_all(Vec::new()).await.0), before, "nothing changed");
    world.stage.touch(&placed[0].order);
    let after = keys(&world.pull_all(Vec::new()).await.0);
    let [touched, other] = placed.map(|placed| placed.order.native_id);
    assert_ne!(after[&touched], before[&touched], "a change must have another key");
    assert_eq!(after[&other], before[&other]);
}

/// A state that nobody knows is handed on in the vendor's word, and no unknown field is in the way.
pub async fn unknown_values_survive<S: Stage>(world: &World<S>) {
    let (strange, state) = world.stage.place_strange();
    let usual = world.stage.place();
    let (orders, _) = world.pull_all(Vec::new()).await;
    let found = |id: &str| orders.iter().find(|order| order.native_id == id);
    let order = found(&strange.native_id).expect("the strange order is there");
    assert_eq!((order.state(), order.raw_state.as_str()), (ChannelOrderState::Unspecified, state.as_str()));
    assert!(found(&usual.order.native_id).is_some(), "one strange order must not hide the others");
}

/// Ids above 2^53 and texts of any script arrive as they are, and the raw text too.
pub async fn large_ids_and_all_scripts_survive<S: Stage>(world: &World<S>) {
    let placed = world.stage.place();
    let number: u64 = placed.order.native_id.parse().expect("a number");
    assert!(number > 1 << 53, "the stand-in must give large ids");
    let (orders, _) = world.pull_all(Vec::new()).await;
    let order = orders.iter().find(|order| order.native_id == placed.order.native_id).expect("the id is exact");
    assert_eq!(order.group_id, placed.order.group_id);
    let lines: Vec<_> = order.lines.iter().map(|line| (&line.native_id, line.quantity)).collect();
    assert_eq!(lines, placed.lines.iter().map(|line| (&line.native_id, line.quantity)).collect::<Vec<_>>());
    let raw = String::from_utf8(order.raw.clone()).expect("UTF-8");
    assert!(raw.contains(&placed.text), "{} is not in {raw}", placed.text);
    assert!(placed.text.contains('ğ') && placed.text.chars().any(|c| c > '\u{1F000}'), "{}", placed.text);
}
