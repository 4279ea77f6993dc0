//! Canaries: texts that occur nowhere else, planted into every field that may hold something of a customer.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
};

use omnimesh_kit::auth::{rule, rules};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What of the contract is the retailer's own and about no customer.
const RETAILERS: [&str; 5] = [
    "/omnimesh.catalog.",
    "/omnimesh.channels.",
    "/omnimesh.carts.v1.ShippingService/",
    "/omnimesh.carts.v1.CouponService/",
    "/omnimesh.sessions.v1.ApiKeyService/",
];

/// Fields that name a thing, a place or a word of the contract, and never a person.
const NAMES_NOBODY: &[&str] = &[
    "country",
    "country_code",
    "currency_code",
    "locale",
    "sku",
    "source_country",
    // A system, such as a telephone exchange or a payment provider.
    "source",
    "provider",
    "carrier",
    // The wording of a form.
    "text_version",
    // Too short to be told from other numbers.
    "postal_code",
    // Codes and tokens prove something once; coupons are everybody's.
    "code",
    "page_token",
    "qr_token",
    "resume_token",
];

/// Fields of single requests that are about no customer.
const EXCEPTIONS: &[(&str, &str)] = &[
    // The contract keeps personal data out of it, because the reason stays.
    ("EraseProfile", "reason"),
    // An order's number.
    ("GetOrder", "number"),
    // The goods' name.
    ("ImportOrders", "document.lines.name"),
    // Who recorded it: the mesh gives it.
    ("RecordConsent", "consent.actor.id"),
];

/// Planted somewhere in a request.
pub(super) struct Canary {
    /// The method and the path of the field.
    pub(super) label: String,
    /// Texts any of which tells that it is there.
    pub(super) texts: Vec<String>,
}

/// The canaries of one customer.
#[derive(Default)]
pub(super) struct Garden {
    pub(super) canaries: Vec<Canary>,
    /// The fields that were planted, as `Method path`.
    pub(super) fields: BTreeSet<String>,
}

impl Garden {
    /// A request in JSON out of what it must say. Each text field that it leaves out and that may hold something of a customer
    /// gets a canary; `plant:text`, `plant:email` and so on stand for one, also at the end of a text; null leaves a field out.
    pub(super) fn request(&mut self, path: &str, body: &Value) -> Value {
        let method = path.rsplit('/').next().unwrap();
        let input = rule(path).unwrap_or_else(|| panic!("{path} is no method")).input.clone();
        self.message(method, "", &input, body)
    }

    /// A canary of a shape for a field that is filled elsewhere.
    pub(super) fn plant(&mut self, method: &str, path: &str, shape: &str) -> String {
        let (value, texts) = grow(shape);
        self.canaries.push(Canary { label: format!("{method} {path}"), texts });
        self.fields.insert(format!("{method} {path}"));
        value
    }

    fn message(&mut self, method: &str, path: &str, descriptor: &MessageDescriptor, body: &Value) -> Value {
        let given = body.as_object().unwrap_or_else(|| panic!("{method} {path}: {body} is no object"));
        let mut filled = Map::new();
        for field in descriptor.fields() {
            let at = join(path, field.name());
            let value = match given.get(field.json_name()) {
                Some(Value::Null) => continue,
                Some(value) => self.given(method, &at, &field, value),
                None => match self.left_out(method, &at, &field, given) {
                    Some(value) => value,
                    None => continue,
                },
            };
            filled.insert(field.json_name().to_owned(), value);
        }
        for name in given.keys() {
            assert!(descriptor.get_field_by_json_name(name).is_some(), "{method} {path}: there is no field {name}");
        }
        filled.into()
    }

    fn given(&mut self, method: &str, path: &str, field: &FieldDescriptor, value: &Value) -> Value {
        match (value, field.kind()) {
            (Value::Object(entries), _) if field.is_map() => {
                let mut pairs = Map::new();
                for (key, value) in entries {
                    let key = self.text(method, path, key);
                    pairs.insert(key, self.given(method, path, field, value));
                }
                pairs.into()
            }
            (Value::Array(items), _) => {
                items.iter().map(|item| self.given(method, path, field, item)).collect::<Vec<_>>().into()
            }
            (Value::Object(_), Kind::Message(message)) => self.message(method, path, &message, value),
            (Value::String(text), _) => self.text(method, path, text).into(),
            _ => value.clone(),
        }
    }

    fn text(&mut self, method: &str, path: &str, text: &str) -> String {
        match text.split_once("plant:") {
            Some((before, shape)) => format!("{before}{}", self.plant(method, path, shape)),
            None => text.to_owned(),
        }
    }

    /// A field that is given what was planted elsewhere.
    pub(super) fn again(&mut self, method: &str, path: &str) {
        self.fields.insert(format!("{method} {path}"));
    }

    fn left_out(
        &mut self,
        method: &str,
        path: &str,
        field: &FieldDescriptor,
        given: &Map<String, Value>,
    ) -> Option<Value> {
        if field.name() == "request_id" {
            return Some(Uuid::new_v4().to_string().into());
        }
        let chosen = |other: FieldDescriptor| given.contains_key(other.json_name());
        let is_choice = field.containing_oneof().is_some_and(|choice| choice.fields().any(chosen));
        // A token is a subject, signed: whoever fills it says which.
        if is_choice || field.is_map() || field.name() == "oidc_token" || !is_about_a_customer(method, path, field) {
            return None;
        }
        let text = Value::String(self.plant(method, path, shape(field.name())));
        Some(if field.is_list() { vec![text].into() } else { text })
    }
}

/// Every text field of every public request that may hold something of a customer, as `Method path`.
pub(super) fn fields_about_customers() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for rule in rules().filter(|rule| rule.is_public()) {
        if !RETAILERS.iter().any(|own| rule.path.starts_with(own)) {
            let method = rule.path.rsplit('/').next().unwrap();
            texts(method, "", &rule.input, &mut fields);
        }
    }
    fields
}

fn texts(method: &str, path: &str, descriptor: &MessageDescriptor, fields: &mut BTreeSet<String>) {
    for field in descriptor.fields() {
        let at = join(path, field.name());
        match field.kind() {
            Kind::Message(message) if !field.is_map() => texts(method, &at, &message, fields),
            _ if is_about_a_customer(method, &at, &field) => {
                fields.insert(format!("{method} {at}"));
            }
            _ => {}
        }
    }
}

fn is_about_a_customer(method: &str, path: &str, field: &FieldDescriptor) -> bool {
    let is_text = matches!(field.kind(), Kind::String) || field.is_map();
    let name = field.name();
    // An id is the mesh's or the retailer's own, but for what another system calls a conversation or a person by.
    let is_id = (name.ends_with("_id") || name.ends_with("_ids")) && name != "source_id";
    is_text && !is_id && !NAMES_NOBODY.contains(&name) && !EXCEPTIONS.contains(&(method, path))
}

fn shape(name: &str) -> &'static str {
    match name {
        "email" | "emails" => "email",
        "phone" | "phones" => "phone",
        "birth_date" => "date",
        _ => "text",
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The days that were taken.
static DAYS: AtomicU32 = AtomicU32::new(0);

/// A new value of a shape, and what tells that it is there.
fn grow(shape: &str) -> (String, Vec<String>) {
    let number = Uuid::new_v4().as_u128();
    let letter = |hex: char| char::from(b"bcdfghklmnprstvz"[hex.to_digit(16).unwrap_or_default() as usize]);
    let word: String = format!("{number:032x}").chars().take(14).map(letter).collect();
    let digits = |count: u32| number % 10_u128.pow(count);
    match shape {
        // Words of a name begin with a capital letter; what is looked for is written alike everywhere.
        "text" => (format!("{}{}", word[..1].to_uppercase(), &word[1..]), vec![word[1..].to_owned()]),
        "email" => (format!("{word}@kanarya.example"), vec![word]),
        "phone" => {
            let national = format!("53{:08}", digits(8));
            (format!("+90{national}"), vec![national])
        }
        "date" => {
            // There are too few days for chance: two people would be born on one.
            let next = DAYS.fetch_add(1, Ordering::Relaxed);
            let (year, month, day) = (1901 + next % 40, 1 + next / 40 % 12, 10 + next / 480 % 18);
            let written = |order: [&str; 3], between: &str| order.join(between);
            let (year, month, day) = (year.to_string(), format!("{month:02}"), day.to_string());
            let iso = written([&year, &month, &day], "-");
            (iso.clone(), vec![iso, written([&year, &month, &day], ""), written([&day, &month, &year], ".")])
        }
        "card" => (word.to_uppercase(), vec![word]),
        other => panic!("there are no canaries of shape {other}"),
    }
}
