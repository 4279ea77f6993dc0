//! Looking for texts in heaps of bytes, however they may be written there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// How a text may be written.
type Form = &'static str;

/// Texts in every form, ready to be looked for.
pub(super) struct Search {
    // In lower case, to be looked for in bytes in lower case; and as they are.
    folded: Index,
    exact: Index,
}

/// Which texts were found, by their number: in which form.
pub(super) type Found = BTreeMap<usize, BTreeSet<Form>>;

impl Search {
    /// For texts of at least 8 ASCII characters, any of which tells that the thing of that number is there.
    pub(super) fn new(texts: impl IntoIterator<Item = (usize, String)>) -> Self {
        let (mut folded, mut exact) = (Index::default(), Index::default());
        for (number, text) in texts {
            assert!(text.is_ascii() && text.len() >= 8, "{text} can't be told from other bytes");
            let lower = text.to_ascii_lowercase();
            folded.add(number, "plain", lower.clone().into_bytes());
            folded.add(number, "UTF-16", lower.bytes().flat_map(|byte| [byte, 0]).collect());
            folded.add(number, "UTF-16, big-endian", lower.bytes().flat_map(|byte| [0, byte]).collect());
            for written in [&text, &lower, &text.to_ascii_uppercase()] {
                // What a byte is written as does not depend on its case, but the byte does.
                folded.add(number, "hexadecimal", hex(written, "").into_bytes());
                folded.add(number, "percent-encoded", hex(written, "%").into_bytes());
                for offset in 0..3 {
                    exact.add(number, "base64", base64_within(written, offset).into_bytes());
                }
            }
        }
        Self { folded, exact }
    }

    /// What is in some bytes.
    pub(super) fn find(&self, bytes: &[u8]) -> Found {
        let mut found = Found::new();
        self.exact.find(bytes, &mut found);
        self.folded.find(&bytes.to_ascii_lowercase(), &mut found);
        found
    }
}

fn hex(text: &str, before: &str) -> String {
    text.bytes().map(|byte| format!("{before}{byte:02x}")).collect()
}

/// The characters of base64 that a text decides wholly when `offset` bytes, modulo 3, stand before it.
fn base64_within(text: &str, offset: usize) -> String {
    let padded = [&[0; 3][..offset], text.as_bytes()].concat();
    let encoded = STANDARD_NO_PAD.encode(&padded);
    let end = if padded.len().is_multiple_of(3) { encoded.len() } else { encoded.len() - 1 };
    // The first characters mix in what stands before.
    let start = [0, 2, 3][offset];
    encoded[start..end].to_owned()
}

/// Needles by their first bytes.
#[derive(Default)]
struct Index {
    needles: Vec<(usize, Form, Vec<u8>)>,
    starts: HashMap<[u8; 4], Vec<usize>>,
}

impl Index {
    fn add(&mut self, number: usize, form: Form, needle: Vec<u8>) {
        let start = *needle.first_chunk().expect("a needle has 4 bytes");
        self.starts.entry(start).or_default().push(self.needles.len());
        self.needles.push((number, form, needle));
    }

    fn find(&self, bytes: &[u8], found: &mut Found) {
        // Most bytes start nothing: they are told by two of them, without looking anything up.
        let mut pairs = vec![false; 1 << 16];
        let pair = |a: u8, b: u8| usize::from(a) << 8 | usize::from(b);
        for start in self.starts.keys() {
            pairs[pair(start[0], start[1])] = true;
        }
        for (at, window) in bytes.windows(4).enumerate() {
            if !pairs[pair(window[0], window[1])] {
                continue;
            }
            for needle in self.starts.get(window).into_iter().flatten() {
                let (number, form, needle) = &self.needles[*needle];
                if bytes[at..].starts_with(needle) {
                    found.entry(*number).or_default().insert(form);
                }
            }
        }
    }
}

#[test]
fn finds_a_text_however_it_is_written() {
    use base64::engine::general_purpose::URL_SAFE;

    let search = Search::new([(7, "Kanarienvogel".to_owned()), (8, "absentee".to_owned())]);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for (form, bytes) in [
        ("plain", b"a KANARIENVOGEL sang".to_vec()),
        ("UTF-16", utf16("ein Kanarienvogel")),
        ("UTF-16, big-endian", "Kanarienvogel".encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("hexadecimal", b"\\x004b616e617269656e766f67656cff".to_vec()),
        ("percent-encoded", b"q=%4B%61%6e%61%72%69%65%6E%76%6F%67%65%6C".to_vec()),
        ("base64", STANDARD_NO_PAD.encode("Kanarienvogel").into_bytes()),
        ("base64", URL_SAFE.encode("a Kanarienvogel sang").into_bytes()),
        ("base64", STANDARD_NO_PAD.encode("1 kanarienvogel").into_bytes()),
        ("base64", STANDARD_NO_PAD.encode("1KANARIENVOGEL!").into_bytes()),
    ] {
        let found = search.find(&bytes);
        // The two forms of UTF-16 differ by one byte at the end: either tells that it is there.
        let only = found.keys().eq([&7]) && found.values().all(|forms| forms.contains(form));
        assert!(only, "{form}: {found:?} in {}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(search.find(b"a sparrow sang"), Found::new());
}
