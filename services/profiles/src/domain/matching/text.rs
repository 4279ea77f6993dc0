//! Text as people and systems spoil it: repaired, folded, cut into words.

use omnimesh_kit::text::fold;

/// A letter that was lost on the way (`?`, U+FFFD): agrees with any one letter.
pub(super) const LOST: char = '?';

/// Folded words of letters and digits. What else there is parts words; a [`LOST`] letter stays.
pub(super) fn words(text: &str) -> Vec<String> {
    let folded = fold(&repair(text));
    folded
        .split(|c: char| !(c.is_alphanumeric() || c == LOST))
        .filter(|word| word.chars().any(char::is_alphanumeric) || word.len() > 1)
        .map(str::to_owned)
        .collect()
}

/// UTF-8 that was read as Latin-1, Windows-1252 or -1254, and Windows-1254 that was read as Latin-1, put right.
pub(super) fn repair(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut run: Vec<char> = Vec::new();
    // A sentinel at the end flushes the last run.
    for c in text.chars().chain(std::iter::once('\0')) {
        if !c.is_ascii() {
            run.push(c);
            continue;
        }
        repair_run(&run, &mut out);
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

fn repair_run(run: &[char], out: &mut String) {
    let bytes: Option<Vec<u8>> = run.iter().map(|c| byte_of(*c)).collect();
    // One byte alone is never valid UTF-8, so that a correct letter stays.
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(repaired) => out.push_str(&repaired),
        None => out.extend(run.iter().map(|c| match c {
            'Ý' => 'İ',
            'ý' => 'ı',
            'Þ' => 'Ş',
            'þ' => 'ş',
            'Ð' => 'Ğ',
            'ð' => 'ğ',
            '\u{fffd}' => LOST,
            other => *other,
        })),
    }
}

/// The byte that Windows-1252, Windows-1254 or Latin-1 reads as this letter.
fn byte_of(c: char) -> Option<u8> {
    Some(match c {
        '€' => 0x80,
        '‚' => 0x82,
        'ƒ' => 0x83,
        '„' => 0x84,
        '…' => 0x85,
        '†' => 0x86,
        '‡' => 0x87,
        'ˆ' => 0x88,
        '‰' => 0x89,
        'Š' => 0x8a,
        '‹' => 0x8b,
        'Œ' => 0x8c,
        'Ž' => 0x8e,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        '˜' => 0x98,
        '™' => 0x99,
        'š' => 0x9a,
        '›' => 0x9b,
        'œ' => 0x9c,
        'ž' => 0x9e,
        'Ÿ' => 0x9f,
        'Ğ' => 0xd0,
        'İ' => 0xdd,
        'Ş' => 0xde,
        'ğ' => 0xf0,
        'ı' => 0xfd,
        'ş' => 0xfe,
        other => u8::try_from(u32::from(other)).ok()?,
    })
}

/// Whether two words are one, up to lost letters.
pub(super) fn same_word(a: &str, b: &str) -> bool {
    a == b || ((a.contains(LOST) || b.contains(LOST)) && agree_up_to_lost(a, b))
}

fn agree_up_to_lost(a: &str, b: &str) -> bool {
    a.chars().count() == b.chars().count() && a.chars().zip(b.chars()).all(|(x, y)| x == y || x == LOST || y == LOST)
}

/// Whether one word is the other with a slip of the hand: a swap in three letters, any one edit from four on,
/// two from seven.
pub(super) fn similar_word(a: &str, b: &str) -> bool {
    let (length, other) = (a.chars().count(), b.chars().count());
    let allowed = match length.max(other) {
        0..3 => 0,
        3..7 => 1,
        _ => 2,
    };
    // In three letters all else is another word.
    let swapped = || {
        let sorted = |word: &str| {
            let mut letters: Vec<char> = word.chars().collect();
            letters.sort_unstable();
            letters
        };
        length.min(other) > 3 || sorted(a) == sorted(b)
    };
    same_word(a, b) || (length.abs_diff(other) <= allowed && strsim::osa_distance(a, b) <= allowed && swapped())
}

/// The consonants of a word, doubled ones once: what survives most slips and spellings. The first letter always stays.
pub(super) fn skeleton(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for (i, c) in word.chars().enumerate() {
        if (i == 0 || !"aeiouy?".contains(c)) && !out.ends_with(c) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_what_was_read_in_the_wrong_encoding() {
        for (spoiled, right) in [
            ("YÄ±ldÄ±z", "Yıldız"),
            ("DoÄŸan", "Doğan"),
            ("IÅŸÄ±k", "Işık"),
            ("KÄ±lÄ±Ã§", "Kılıç"),
            ("Ä°smail", "İsmail"),
            ("Ã–zgÃ¼r Å\u{9e}en", "Özgür Şen"),
            ("Ýbrahim Þahin", "İbrahim Şahin"),
        ] {
            assert_eq!(repair(spoiled), right);
        }
        for right in ["Şule Çağrı Öğün", "Ada", "ÇĞ", "José Ángel", "öğretmen"] {
            assert_eq!(repair(right), right);
        }
    }

    #[test]
    fn words_are_folded_and_cut() {
        assert_eq!(words("  ŞAHİN,  Işık-Gül ✨ "), ["sahin", "isik", "gul"]);
        assert_eq!(words("i̇lhan ??nar ?"), ["ilhan", "??nar"]);
    }

    #[test]
    fn slips_are_forgiven_short_names_are_not() {
        assert!(similar_word("burak", "buark") && similar_word("hatice", "hatie") && similar_word("?etin", "cetin"));
        assert!(!similar_word("ali", "ala") && !similar_word("ayse", "elif") && !similar_word("hasan", "huseyin"));
        assert!(same_word("c?nar", "cinar") && !same_word("c?nar", "canlar"));
        assert_eq!((skeleton("emiily").as_str(), skeleton("oymak").as_str()), ("eml", "omk"));
    }
}
