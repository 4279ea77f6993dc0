//! The index by which profiles are searched.

use omnimesh_kit::{
    args,
    ids::ProfileId,
    store::{Conn, Error},
};
use omnimesh_proto::profiles::v1::MatchField;

use crate::domain::search::{Term, slips};

omnimesh_kit::statements! {
    /// Terms of a profile.
    TERMS_INSERT = {
        postgres: "INSERT INTO search_terms (kind, term, profile_id) \
            SELECT kind, term, $3 FROM unnest($1::bigint[], $2::text[]) AS t (kind, term) ON CONFLICT DO NOTHING",
        sqlite: "INSERT INTO search_terms (kind, term, profile_id) SELECT k.value, t.value, $3 FROM json_each($1) AS k \
            JOIN json_each($2) AS t ON t.key = k.key WHERE true ON CONFLICT DO NOTHING",
    };
    /// Which of some words have no slips yet.
    WORDS_NEW = {
        postgres: "SELECT w.word FROM unnest($1::text[]) AS w (word) WHERE NOT EXISTS \
            (SELECT 1 FROM search_slips AS s WHERE s.slip = w.word AND s.word = w.word) ORDER BY w.word",
        sqlite: "SELECT w.value AS word FROM json_each($1) AS w WHERE NOT EXISTS \
            (SELECT 1 FROM search_slips AS s WHERE s.slip = w.value AND s.word = w.value) ORDER BY w.value",
    };
    /// Slips, each with the word that it may mean.
    SLIPS_INSERT = {
        postgres: "INSERT INTO search_slips (slip, word) SELECT slip, word FROM unnest($1::text[], $2::text[]) AS s (slip, word) \
            ORDER BY slip, word ON CONFLICT DO NOTHING",
        sqlite: "INSERT INTO search_slips (slip, word) SELECT s.value, w.value FROM json_each($1) AS s \
            JOIN json_each($2) AS w ON w.key = s.key WHERE true ON CONFLICT DO NOTHING",
    };
    /// The words that some slips may mean.
    SLIPS_WORDS = {
        postgres: "SELECT DISTINCT word FROM search_slips WHERE slip = ANY($1) ORDER BY word LIMIT 2000",
        sqlite: "SELECT DISTINCT word FROM search_slips WHERE slip IN (SELECT value FROM json_each($1)) ORDER BY word LIMIT 2000",
    };
    /// The profiles with a term from one text until before another.
    IN_RANGE = "SELECT profile_id FROM search_terms WHERE kind = $1 AND term >= $2 AND term < $3 ORDER BY term, profile_id LIMIT $4";
    /// The profiles with one of some words.
    IN_LIST = {
        postgres: "SELECT profile_id FROM search_terms WHERE kind = $1 AND term = ANY($2) ORDER BY profile_id LIMIT $3",
        sqlite: "SELECT profile_id FROM search_terms WHERE kind = $1 AND term IN (SELECT value FROM json_each($2)) \
            ORDER BY profile_id LIMIT $3",
    };
    /// The profiles with a word of a range and another of another. The first range should be the smaller one.
    IN_RANGES = "SELECT a.profile_id FROM search_terms AS a CROSS JOIN search_terms AS b WHERE a.kind = $1 AND a.term >= $2 \
        AND a.term < $3 AND b.profile_id = a.profile_id AND b.kind = $1 AND b.term >= $4 AND b.term < $5 \
        ORDER BY a.term, a.profile_id LIMIT $6";
    /// The profiles with one of some words and another of a range.
    IN_LIST_AND_RANGE = {
        postgres: "SELECT a.profile_id FROM search_terms AS a CROSS JOIN search_terms AS b WHERE a.kind = $1 AND a.term = ANY($2) \
            AND b.profile_id = a.profile_id AND b.kind = $1 AND b.term >= $3 AND b.term < $4 ORDER BY a.profile_id LIMIT $5",
        sqlite: "SELECT a.profile_id FROM search_terms AS a CROSS JOIN search_terms AS b WHERE a.kind = $1 \
            AND a.term IN (SELECT value FROM json_each($2)) AND b.profile_id = a.profile_id AND b.kind = $1 AND b.term >= $3 \
            AND b.term < $4 ORDER BY a.profile_id LIMIT $5",
    };
    /// The profiles with one of some words and one of others.
    IN_LISTS = {
        postgres: "SELECT a.profile_id FROM search_terms AS a CROSS JOIN search_terms AS b WHERE a.kind = $1 AND a.term = ANY($2) \
            AND b.profile_id = a.profile_id AND b.kind = $1 AND b.term = ANY($3) ORDER BY a.profile_id LIMIT $4",
        sqlite: "SELECT a.profile_id FROM search_terms AS a CROSS JOIN search_terms AS b WHERE a.kind = $1 \
            AND a.term IN (SELECT value FROM json_each($2)) AND b.profile_id = a.profile_id AND b.kind = $1 \
            AND b.term IN (SELECT value FROM json_each($3)) ORDER BY a.profile_id LIMIT $4",
    };
    /// The words of some profiles' names.
    WORDS_OF = {
        postgres: "SELECT profile_id, term FROM search_terms WHERE profile_id = ANY($1) AND kind = $2 ORDER BY profile_id, term \
            LIMIT 20000",
        sqlite: "SELECT profile_id, term FROM search_terms WHERE profile_id IN (SELECT unhex(value) FROM json_each($1)) \
            AND kind = $2 ORDER BY profile_id, term LIMIT 20000",
    };
    /// Forgets what profiles were found by.
    TERMS_DELETE = {
        postgres: "DELETE FROM search_terms WHERE profile_id = ANY($1)",
        sqlite: "DELETE FROM search_terms WHERE profile_id IN (SELECT unhex(value) FROM json_each($1))",
    };
    /// Forgets those of some words that are in nobody's name any more.
    SLIPS_DELETE = {
        postgres: "DELETE FROM search_slips WHERE word = ANY($1) AND NOT EXISTS \
            (SELECT 1 FROM search_terms AS t WHERE t.kind = $2 AND t.term = search_slips.word)",
        sqlite: "DELETE FROM search_slips WHERE word IN (SELECT value FROM json_each($1)) AND NOT EXISTS \
            (SELECT 1 FROM search_terms AS t WHERE t.kind = $2 AND t.term = search_slips.word)",
    };
}

const NAME: i32 = MatchField::Name as i32;

/// Has a profile found by terms, beside those it is found by.
pub(crate) async fn index(conn: &mut Conn, profile: ProfileId, terms: &[Term]) -> Result<(), Error> {
    if terms.is_empty() {
        return Ok(());
    }
    let kinds: Vec<i64> = terms.iter().map(|term| term.kind.into()).collect();
    let texts: Vec<String> = terms.iter().map(|term| term.text.clone()).collect();
    conn.execute(TERMS_INSERT, args![kinds, texts, profile.0]).await?;
    let words = terms.iter().filter(|term| term.kind == NAME && !slips(&term.text).is_empty());
    let words: Vec<String> = words.map(|term| term.text.clone()).collect();
    if words.is_empty() {
        return Ok(());
    }
    let (mut new, mut meant) = (Vec::new(), Vec::new());
    for row in conn.fetch_all(WORDS_NEW, args![words]).await? {
        let word = row.get::<String>("word")?;
        for slip in slips(&word) {
            new.push(slip);
            meant.push(word.clone());
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    conn.execute(SLIPS_INSERT, args![new, meant]).await.map(drop)
}

/// Forgets what profiles were found by.
pub(crate) async fn erase(conn: &mut Conn, profiles: &[ProfileId]) -> Result<(), Error> {
    let words = names(conn, profiles).await?.into_iter().map(|(_, word)| word).collect::<Vec<_>>();
    conn.execute(TERMS_DELETE, args![super::uuids(profiles)]).await?;
    conn.execute(SLIPS_DELETE, args![words, NAME]).await.map(drop)
}

/// The words that some slips may mean.
pub(crate) async fn slipped(conn: &mut Conn, keys: Vec<String>) -> Result<Vec<String>, Error> {
    conn.fetch_all(SLIPS_WORDS, args![keys]).await?.iter().map(|row| row.get("word")).collect()
}

/// The words of profiles' names.
pub(crate) async fn names(conn: &mut Conn, profiles: &[ProfileId]) -> Result<Vec<(ProfileId, String)>, Error> {
    let rows = conn.fetch_all(WORDS_OF, args![super::uuids(profiles), NAME]).await?;
    rows.iter().map(|row| Ok((ProfileId(row.get("profile_id")?), row.get("term")?))).collect()
}

/// What a word of a name may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// From one text until before another.
    Range(String, String),
    /// One of these.
    List(Vec<String>),
}

/// The profiles with a term of a kind in a range.
pub(crate) async fn in_range(
    conn: &mut Conn,
    kind: MatchField,
    (from, until): (&str, &str),
    limit: i64,
) -> Result<Vec<ProfileId>, Error> {
    let rows = conn.fetch_all(IN_RANGE, args![kind as i32, from, until, limit]).await?;
    rows.iter().map(|row| row.get("profile_id").map(ProfileId)).collect()
}

/// The profiles whose name has such a word, and another such if there is one.
pub(crate) async fn with_names(
    conn: &mut Conn,
    first: Words,
    second: Option<Words>,
    limit: i64,
) -> Result<Vec<ProfileId>, Error> {
    use Words::{List, Range};
    let rows = match (first, second) {
        (Range(from, until), None) => conn.fetch_all(IN_RANGE, args![NAME, from, until, limit]).await?,
        (List(words), None) => conn.fetch_all(IN_LIST, args![NAME, words, limit]).await?,
        (Range(a, b), Some(Range(c, d))) => conn.fetch_all(IN_RANGES, args![NAME, a, b, c, d, limit]).await?,
        (List(words), Some(Range(c, d))) | (Range(c, d), Some(List(words))) => {
            conn.fetch_all(IN_LIST_AND_RANGE, args![NAME, words, c, d, limit]).await?
        }
        (List(a), Some(List(b))) => conn.fetch_all(IN_LISTS, args![NAME, a, b, limit]).await?,
    };
    rows.iter().map(|row| row.get("profile_id").map(ProfileId)).collect()
}
