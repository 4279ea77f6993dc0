//! Requests for every RPC, filled by the names of their fields.

use omnimesh_kit::auth::RpcRule;
use omnimesh_tests::customer::request_id;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::{ACCOUNT, Attacker, DOCUMENT, EMAIL, PLACED_AT, Victim};
use crate::demo::{ISTANBUL, TEA};

/// A request that is right in everything but in whose the things are that it names.
pub(super) struct Request<'a> {
    pub(super) victim: &'a Victim,
    pub(super) attacker: &'a Attacker,
    pub(super) rule: &'a RpcRule,
}

impl Request<'_> {
    pub(super) fn message(&self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields() {
            // Of a choice the one that names the resource, else the first.
            let first = |field: &FieldDescriptor| field.containing_oneof().and_then(|oneof| oneof.fields().next());
            let is_chosen = first(&field).is_none_or(|first| first == field);
            // Consents of a profile or of an address: these of the profile.
            let is_other = descriptor.name() == "ListConsentsRequest" && field.name() == "address";
            if is_chosen
                && !is_other
                && let Some(value) = self.value(&field)
            {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&self, field: &FieldDescriptor) -> Option<Value> {
        let value = match field.kind() {
            Kind::String => Value::String(self.text(field.name())?),
            Kind::Int64 => Value::I64(self.number(field.name())),
            Kind::Int32 => Value::I32(0),
            Kind::Enum(kind) => Value::EnumNumber(kind.values().nth(1)?.number()),
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                let mut time = DynamicMessage::new(message);
                time.set_field_by_name("seconds", Value::I64(PLACED_AT));
                Value::Message(time)
            }
            Kind::Message(message) if message.full_name().starts_with("google.") => return None,
            Kind::Message(message) if !field.is_map() => Value::Message(self.message(&message)),
            _ => return None,
        };
        Some(if field.is_list() { Value::List(vec![value]) } else { value })
    }

    fn number(&self, name: &str) -> i64 {
        match name {
            "expected_version" if self.rule.path.contains(".carts.") => self.victim.cart.version,
            "cart_version" => self.victim.cart.version,
            "expected_version" => 0,
            "units" => self.victim.cart.totals.as_ref().unwrap().total.as_ref().unwrap().units,
            _ => 1,
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let victim = self.victim;
        let text = match name {
            "cart_id" | "source_cart_id" => &victim.cart.cart_id,
            "target_cart_id" => &self.attacker.cart_id,
            "order_id" | "owner_id" => &victim.order.order_id,
            "profile_id" => &victim.device.session.profile_id,
            "session_id" => &victim.device.session.session_id,
            "verification_id" => &victim.verification_id,
            "return_id" => &victim.order_return.return_id,
            "handoff_id" => &victim.offer.handoff.as_ref()?.handoff_id,
            "qr_token" => &victim.device.token,
            "customer_ref" | "source" | "source_id" | "text_version" | "evidence" => "test",
            "birth_date" => "1984-05-17",
            "query" => &victim.order.number,
            "key_id" => &victim.key_id,
            "line_id" => &victim.cart.lines[0].line_id,
            "account_id" => ACCOUNT,
            "channel_order_id" => DOCUMENT,
            "location_id" | "location_ids" => ISTANBUL,
            "sku" | "skus" => TEA,
            "currency_code" => "TRY",
            "country_code" | "country" => "TR",
            "email" => EMAIL,
            "request_id" => return Some(request_id()),
            "page_token" | "resume_token" | "group_id" => return None,
            "code" if self.rule.path.ends_with("/ApplyCoupon") => "WELCOME10",
            "code" => "123456",
            "value" | "number" | "name" | "display_name" | "reason" | "carrier" | "provider" | "provider_event_id" => {
                "test"
            }
            "phone" => "+905321112233",
            "city" => "İstanbul",
            "postal_code" => "34710",
            "lines" | "recipient" => "Bağdat Caddesi 1",
            "shipping_method_id" => "standard",
            "locale" => "tr-TR",
            "time_zone" => "Europe/Istanbul",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
