//! SearchProfiles: customers by what somebody remembers of them, best matches first.

use std::collections::{BTreeMap, HashMap, HashSet};

use omnimesh_kit::{
    call::Call,
    error::Fault,
    ids::ProfileId,
    page::{PageToken, page_size},
    store::{self, Conn},
    validate::Violations,
};
use omnimesh_proto::{
    common::v1::Cursor,
    profiles::v1::{MatchField, ProfileMatch, SearchProfilesRequest, SearchProfilesResponse},
};
use tonic::Response;

use super::App;
use crate::{
    domain::search::{Query, after, nearness, right_after, slip_keys},
    error::Error,
    identity::fold,
    store::{clusters, search, search::Words, uuids, view},
};

/// So many matches can be paged through; who gets more has to say more.
const MOST: i64 = 500;
/// So many words that are a slip away are looked for, the nearest.
const SLIPPED: usize = 60;

pub(super) async fn run(
    app: &App,
    call: Call,
    request: SearchProfilesRequest,
) -> Result<Response<SearchProfilesResponse>, Error> {
    let mut v = Violations::new();
    let text = v.text("query", request.query.trim(), 2..=100);
    let (text,) = v.finish_with((text,))?;
    let size = page_size(request.page_size, 10, 50)?;
    let principal = call.principal();
    // The query is personal data: the token holds its hash.
    let filter = app.secrets.mac("search-query", &[b"profiles.v1.SearchProfiles", text.as_bytes()]);
    let cursor = PageToken::open(&app.secrets, &principal, &filter, &request.page_token)?;
    let start: i64 = match cursor.keys.as_slice() {
        [] => 0,
        [start] => start.parse().map_err(Fault::internal)?,
        _ => return Err(Fault::internal("a page token of another form").into()),
    };
    let mut conn = app.db.read().await?;
    let query = Query::parse(&text, &app.settings.country);
    let found = find(&mut conn, &query, start + size + 1).await?;
    let index = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let more = found.len() > index(start + size) && start + size < MOST;
    let page: Vec<_> = found.into_iter().skip(index(start)).take(index(size)).collect();
    let roots: Vec<ProfileId> = page.iter().map(|(root, _)| *root).collect();
    let mut profiles = fold::all(&mut conn, &roots, false).await?;
    let matches = page
        .into_iter()
        .map(|(root, field)| ProfileMatch { profile: profiles.remove(&root), matched_on: field.into() })
        .collect();
    let cursor = Cursor { keys: vec![(start + size).to_string()], ..Cursor::default() };
    let next_page_token =
        if more { PageToken::seal(&app.secrets, &principal, &filter, &cursor) } else { String::new() };
    Ok(Response::new(SearchProfilesResponse { matches, next_page_token }))
}

/// Found customers by how well they match, and then by age.
#[derive(Default)]
struct Found {
    ranks: BTreeMap<ProfileId, (u8, MatchField)>,
}

impl Found {
    fn add(&mut self, rank: u8, field: MatchField, profiles: Vec<ProfileId>) {
        for profile in profiles {
            let best = self.ranks.entry(profile).or_insert((rank, field));
            if rank < best.0 {
                *best = (rank, field);
            }
        }
    }

    /// Each customer once, by its survivor.
    async fn customers(self, conn: &mut Conn) -> Result<Vec<(ProfileId, MatchField)>, store::Error> {
        let profiles: Vec<_> = self.ranks.keys().copied().collect();
        let roots: HashMap<_, _> = clusters::roots(conn, uuids(&profiles)).await?.into_iter().collect();
        let mut ranked: Vec<_> = self
            .ranks
            .into_iter()
            .map(|(profile, (rank, field))| (rank, *roots.get(&profile).unwrap_or(&profile), field))
            .collect();
        ranked.sort_by_key(|(rank, root, _)| (*rank, *root));
        let mut seen = HashSet::new();
        ranked.retain(|(_, root, _)| seen.insert(*root));
        Ok(ranked.into_iter().map(|(_, root, field)| (root, field)).collect())
    }
}

async fn find(conn: &mut Conn, query: &Query, wanted: i64) -> Result<Vec<(ProfileId, MatchField)>, store::Error> {
    // Several profiles may be one customer: more are read than are shown.
    let limit = (wanted * 2 + 20).min(MOST);
    let mut found = Found::default();
    if let Some(number) = &query.number {
        found.add(0, MatchField::OrderNumber, view::order_owners(conn, number).await?);
    }
    let cards = query.number.iter().map(|text| (MatchField::LoyaltyCard, text));
    let emails = query.email.iter().map(|text| (MatchField::Email, text));
    let phones = query.phones.iter().map(|text| (MatchField::Phone, text));
    for (field, text) in cards.chain(emails).chain(phones) {
        let whole = search::in_range(conn, field, (text, &right_after(text)), limit).await?;
        found.add(0, field, whole);
        found.add(2, field, search::in_range(conn, field, (text, &after(text)), limit).await?);
    }
    by_name(conn, &query.words, limit, &mut found).await?;
    found.customers(conn).await
}

/// By whole words, then by their beginnings, and with slips only if there are not enough without.
async fn by_name(conn: &mut Conn, words: &[String], limit: i64, found: &mut Found) -> Result<(), store::Error> {
    let [first, rest @ ..] = words else { return Ok(()) };
    let second = rest.first();
    let enough = |found: &Found| i64::try_from(found.ranks.len()).is_ok_and(|count| count >= limit);
    let whole = |word: &String| Words::Range(word.clone(), right_after(word));
    let begun = |word: &String| Words::Range(word.clone(), after(word));
    let exact = search::with_names(conn, whole(first), second.map(whole), limit).await?;
    found.add(1, MatchField::Name, with_all(conn, exact, words, false).await?);
    if enough(found) {
        return Ok(());
    }
    let begins = search::with_names(conn, begun(first), second.map(begun), limit).await?;
    found.add(3, MatchField::Name, with_all(conn, begins, words, false).await?);
    if enough(found) {
        return Ok(());
    }
    let near_first = near(conn, first).await?;
    let near_second = match second {
        Some(second) => near(conn, second).await?,
        None => Vec::new(),
    };
    let mut tries = Vec::new();
    match second {
        None => tries.push((4, near_first, None)),
        Some(second) => {
            tries.push((4, near_first.clone(), Some(begun(second))));
            tries.push((4, near_second.clone(), Some(begun(first))));
            tries.push((5, near_first, Some(Words::List(near_second))));
        }
    }
    for (rank, near, other) in tries {
        if !near.is_empty() && other != Some(Words::List(Vec::new())) {
            let slipped = search::with_names(conn, Words::List(near), other, limit).await?;
            found.add(rank, MatchField::Name, with_all(conn, slipped, words, true).await?);
        }
    }
    Ok(())
}

/// The words in names that are a slip away, the nearest first.
async fn near(conn: &mut Conn, word: &str) -> Result<Vec<String>, store::Error> {
    let keys = slip_keys(word);
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let found = search::slipped(conn, keys).await?;
    let mut near: Vec<_> = found.into_iter().filter_map(|known| Some((nearness(word, &known)?, known))).collect();
    near.sort();
    Ok(near.into_iter().map(|(_, known)| known).take(SLIPPED).collect())
}

/// Those that have the third and further words too: two are looked for by the index.
async fn with_all(
    conn: &mut Conn,
    found: Vec<ProfileId>,
    words: &[String],
    slips: bool,
) -> Result<Vec<ProfileId>, store::Error> {
    let Some(others) = words.get(2..).filter(|others| !others.is_empty() && !found.is_empty()) else {
        return Ok(found);
    };
    let mut names: HashMap<ProfileId, Vec<String>> = HashMap::new();
    for (profile, word) in search::names(conn, &found).await? {
        names.entry(profile).or_default().push(word);
    }
    let has = |profile: &ProfileId| {
        let names = names.get(profile).map(Vec::as_slice).unwrap_or_default();
        let fits = |word: &String| {
            names.iter().any(|name| name.starts_with(word.as_str()) || (slips && nearness(word, name).is_some()))
        };
        others.iter().all(fits)
    };
    Ok(found.into_iter().filter(has).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use omnimesh_kit::testing::{self, BACKENDS};
    use omnimesh_proto::profiles::v1::Claims;

    use super::*;
    use crate::{domain::search::terms_of_claims, store::profiles};

    const PROFILES: u64 = 100_000;

    /// A number that follows from another, the same every time.
    fn scatter(number: u64) -> u64 {
        let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// One of many names, the first ones much more often than the last ones.
    fn name(seed: u64, many: u64) -> String {
        let x = scatter(seed) % (many * many);
        let rank = many - 1 - x.isqrt();
        let (mut left, mut text) = (scatter(rank + many * 7), String::new());
        for _ in 0..=(2 + rank % 2) {
            for letters in ["bcçdfgğhklmnprsştvyz", "aeıioöuü"] {
                let letters: Vec<char> = letters.chars().collect();
                text.extend(letters.get(usize::try_from(left % letters.len() as u64).unwrap()));
                left /= 29;
            }
        }
        text
    }

    fn claims(number: u64) -> Claims {
        let (first, last) = (name(number * 2, 600), name(number * 2 + 1, 9_000));
        Claims {
            emails: vec![format!("{first}.{last}{}@shop.example", number % 97)],
            phones: vec![format!("+905{:09}", scatter(number) % 1_000_000_000)],
            name: format!("{first} {last}"),
            ..Claims::default()
        }
    }

    fn slipped(word: &str) -> String {
        let mut letters: Vec<char> = word.chars().collect();
        letters.swap(2, 3);
        letters.into_iter().collect()
    }

    #[tokio::test]
    #[ignore = "a measurement: run it by name with --release --nocapture"]
    async fn a_hundred_thousand_profiles() {
        for backend in BACKENDS {
            let db = testing::db(&crate::MIGRATIONS, backend).await;
            let begun = Instant::now();
            for batch in 0..PROFILES / 1_000 {
                let mut tx = db.begin().await.unwrap();
                for number in batch * 1_000..(batch + 1) * 1_000 {
                    db.clock.advance(Duration::from_millis(1));
                    let id = ProfileId::new(tx.now());
                    let now = tx.now();
                    profiles::insert_profile(&mut tx, id, now).await.unwrap();
                    search::index(&mut tx, id, &terms_of_claims(&claims(number), "TR")).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
            println!("{backend:?}: {PROFILES} profiles indexed in {:?}", begun.elapsed());
            let mut conn = db.read().await.unwrap();
            for kind in
                ["common word", "two words", "beginnings", "two letters", "slips", "phone", "end of a phone", "e-mail"]
            {
                let mut times = Vec::new();
                for round in 0..200 {
                    let claims = claims(scatter(round) % PROFILES);
                    let (first, last) = claims.name.split_once(' ').unwrap();
                    let text = match kind {
                        "common word" => name(round, 20),
                        "two words" => claims.name.clone(),
                        "beginnings" => format!(
                            "{} {}",
                            first.chars().take(3).collect::<String>(),
                            last.chars().take(4).collect::<String>()
                        ),
                        "two letters" => first.chars().take(2).collect(),
                        "slips" => format!("{} {}", slipped(first), slipped(last)),
                        "phone" => claims.phones.concat(),
                        "end of a phone" => claims.phones.concat().chars().skip(9).collect(),
                        _ => claims.emails.concat().chars().take(9).collect(),
                    };
                    let begun = Instant::now();
                    let found = find(&mut conn, &Query::parse(&text, "TR"), 11).await.unwrap();
                    let roots: Vec<ProfileId> = found.iter().take(10).map(|(root, _)| *root).collect();
                    fold::all(&mut conn, &roots, false).await.unwrap();
                    times.push(begun.elapsed());
                    assert!(!found.is_empty() || kind == "common word", "{kind}: {text}");
                }
                times.sort();
                println!("{backend:?}: {kind}: p50 {:?}, p99 {:?}, longest {:?}", times[100], times[198], times[199]);
            }
        }
    }
}
