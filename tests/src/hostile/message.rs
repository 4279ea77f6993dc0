//! Messages that are nearly right, as protobuf and as JSON, and what can be done to their bytes.

use omnimesh_kit::{clock::Clock, ids};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::dice::Dice;
use crate::customer::request_id;

/// Deeper, a message is left empty.
const DEPTH: usize = 4;
const NUMBERS: [i64; 10] = [0, 1, -1, 2, 100, 10_000, i64::MAX, i64::MIN, 4_294_967_296, -2_147_483_649];
const TEXTS: [&str; 22] = [
    "",
    "x",
    "TRY",
    "QQQ",
    "TEA-RIZE-500",
    "istanbul-kadikoy",
    "tr-TR",
    "TR",
    "a@example.com",
    "+905321112233",
    "123456",
    "'; DROP TABLE carts; --",
    "a\0b",
    "\u{202e}abc",
    "İSTANBUL",
    "e\u{301}\u{301}\u{301}",
    "💩",
    "../../etc/passwd",
    "%00%ff",
    "<script>",
    "${jndi:ldap://x}",
    "1e400",
];
const PREFIXES: [&str; 12] = [
    "cart",
    "order",
    "session",
    "profile",
    "return",
    "line",
    "group",
    "handoff",
    "verification",
    "consent",
    "merge",
    "suggestion",
];

/// A message of that kind, filled by chance.
pub(super) fn message(kind: &MessageDescriptor, dice: &mut Dice) -> DynamicMessage {
    fill(kind, dice, 0)
}

fn fill(kind: &MessageDescriptor, dice: &mut Dice, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    if depth > DEPTH {
        return message;
    }
    for field in kind.fields() {
        if !field.is_map() && dice.percent(70) {
            let count = if field.is_list() { dice.below(3) } else { 1 };
            let values: Vec<_> = (0..count).map(|_| value(&field, dice, depth)).collect();
            match (field.is_list(), values) {
                (true, values) => message.set_field(&field, Value::List(values)),
                (false, values) => values.into_iter().for_each(|value| message.set_field(&field, value)),
            }
        }
    }
    message
}

fn value(field: &FieldDescriptor, dice: &mut Dice, depth: usize) -> Value {
    let number = dice.pick(&NUMBERS);
    let bytes = number.to_le_bytes();
    let (small, natural) = (i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]), number.unsigned_abs());
    match field.kind() {
        Kind::String => Value::String(text(field.name(), dice)),
        Kind::Bytes => Value::Bytes(dice.bytes(32).into()),
        Kind::Bool => Value::Bool(dice.percent(50)),
        Kind::Double => Value::F64(dice.pick(&[0.0, -0.0, f64::NAN, f64::INFINITY, 41.0, 1e308])),
        Kind::Float => Value::F32(dice.pick(&[0.0, f32::NAN, f32::NEG_INFINITY])),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(small),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(small.unsigned_abs()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(natural),
        Kind::Enum(kind) => {
            let known = kind.values().count();
            let chosen = dice.below(known + 1);
            Value::EnumNumber(kind.values().nth(chosen).map_or(small, |value| value.number()))
        }
        Kind::Message(kind) => Value::Message(fill(&kind, dice, depth + 1)),
    }
}

fn text(name: &str, dice: &mut Dice) -> String {
    if name == "request_id" && dice.percent(80) {
        return request_id();
    }
    if name.ends_with("_id") && dice.percent(80) {
        let prefix = name.trim_end_matches("_id");
        let prefix = if dice.percent(80) { PREFIXES.iter().find(|known| **known == prefix) } else { None };
        let prefix = prefix.copied().unwrap_or_else(|| dice.pick(&PREFIXES));
        return ids::encode(prefix, ids::uuid_v7(Clock::System.now()));
    }
    match dice.below(20) {
        0 => "x".repeat(dice.below(3_000)),
        1 => String::from_utf8_lossy(&dice.bytes(20)).into_owned(),
        _ => dice.pick(&TEXTS).to_owned(),
    }
}

/// The bytes of a message, more or less.
pub(super) fn protobuf(kind: &MessageDescriptor, dice: &mut Dice) -> Vec<u8> {
    let bytes = message(kind, dice).encode_to_vec();
    match dice.below(10) {
        0 | 1 => bytes,
        2 => nested(dice),
        3 => wrong_wire_types(kind, dice),
        _ => mutate(bytes, dice),
    }
}

/// The JSON of a message, more or less.
pub(super) fn json(kind: &MessageDescriptor, dice: &mut Dice) -> Vec<u8> {
    let bytes = serde_json::to_vec(&message(kind, dice)).unwrap_or_else(|_| b"{}".to_vec());
    match dice.below(12) {
        0 | 1 => bytes,
        2 => {
            let depth = dice.below(3_000);
            let (open, close) = dice.pick(&[("[", "]"), ("{\"a\":", "}")]);
            format!("{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes()
        }
        3 => {
            let name = kind.fields().next().map(|field| field.json_name().to_owned()).unwrap_or_default();
            let wrong =
                ["1e999", "-0", "99999999999999999999", "1.5", "\"\\ud800\"", "[[]]", "{}", "true", "\"NaN\"", "null"];
            format!("{{\"{name}\":{}}}", dice.pick(&wrong)).into_bytes()
        }
        4 => format!("{{\"{}\":1}}", "x".repeat(dice.below(20_000))).into_bytes(),
        _ => mutate(bytes, dice),
    }
}

/// A message in a message in a message, far deeper than any is.
fn nested(dice: &mut Dice) -> Vec<u8> {
    let field = u8::try_from(dice.below(8) + 1).unwrap();
    if dice.percent(50) {
        // A group opens again and again.
        return vec![(field << 3) | 3; dice.below(5_000)];
    }
    let mut bytes = Vec::new();
    for _ in 0..dice.below(200) {
        let mut outer = vec![(field << 3) | 2];
        prost::encode_length_delimiter(bytes.len(), &mut outer).unwrap();
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

/// The message's fields, written as something else.
fn wrong_wire_types(kind: &MessageDescriptor, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in kind.fields() {
        let tag = (u64::from(field.number()) << 3) | (dice.next() & 7);
        prost::encoding::encode_varint(tag, &mut bytes);
        match dice.below(3) {
            0 => prost::encoding::encode_varint(dice.next(), &mut bytes),
            1 => bytes.extend([0xff; 11]),
            _ => bytes.extend(dice.bytes(8)),
        }
    }
    bytes
}

/// Bits flip; pieces vanish, come twice, or come from somewhere else.
pub(super) fn mutate(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let noise = dice.bytes(4);
                drop(bytes.splice(at..at, noise));
            }
            2 => drop(bytes.splice(at..at, [0xff, 0xfe, 0xc0, 0x80])),
            3 => {
                let piece: Vec<_> = bytes.iter().skip(at).take(64).copied().collect();
                drop(bytes.splice(at..at, piece));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    bytes
}
