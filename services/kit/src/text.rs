//! Text: NFC for what is kept, folded for what is searched.

use unicode_normalization::UnicodeNormalization;

/// The text in NFC, the form in which the mesh keeps text.
#[must_use]
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// The form of a text for search columns: no case, no diacritics, compatibility forms resolved, runs of white space one
/// space, none at the ends. Turkish-aware: `İ`, `I`, `ı` and `i` are all `i`, and ş ğ ç ö ü are s g c o u, so that
/// somebody without a Turkish keyboard finds what somebody with one wrote. Folding twice is folding once.
#[must_use]
pub fn fold(text: &str) -> String {
    // Decomposed before and after lowering: either step can give what the other has to see.
    let lowered = text.nfkd().flat_map(char::to_lowercase);
    let bare: String = lowered.nfkd().filter(|c| !is_diacritic(*c)).flat_map(base_letters).collect();
    let composed: String = bare.nfkc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Marks over and under European letters. Vowel signs of other scripts are marks too, but carry meaning: they stay.
fn is_diacritic(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Letters that have no decomposition, as one writes them without their stroke or ligature.
fn base_letters(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ı' => ('i', None),
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ø' => ('o', None),
        'đ' | 'ð' => ('d', None),
        'ł' => ('l', None),
        'ħ' => ('h', None),
        'ŧ' => ('t', None),
        'ς' => ('σ', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_turkish() {
        assert_eq!(fold("DİYARBAKIR Iğdır ŞIŞLI çökmüş"), "diyarbakir igdir sisli cokmus");
        assert_eq!(fold("I\u{307}stanbul"), fold("istanbul"));
        for form in ["İ", "I", "ı", "i"] {
            assert_eq!(fold(form), "i");
        }
    }

    #[test]
    fn folds_other_scripts_and_space() {
        assert_eq!(fold("  Ærø\t Straße  Łódź Café "), "aero strasse lodz cafe");
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
        // Vowel signs are kept: without them this would be another word.
        assert_eq!(fold("हिन्दी"), "हिन्दी");
        assert_eq!(fold("ﬁ Ⅳ ＡＢＣ"), "fi iv abc");
    }

    #[test]
    fn keeps_nfc() {
        assert_eq!(nfc("e\u{301}"), "é");
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn case_and_form_do_not_matter(text in "[a-zA-ZçğıöşüÇĞİÖŞÜâîû ]{0,24}") {
            let folded = fold(&text);
            prop_assert_eq!(&fold(&text.to_uppercase()), &folded);
            prop_assert_eq!(&fold(&text.nfd().collect::<String>()), &folded);
            prop_assert!(folded.is_ascii());
        }
    }
}
