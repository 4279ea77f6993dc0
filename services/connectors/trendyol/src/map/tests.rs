use super::*;

const OLDER: &str = include_str!("../../fixtures/package-older.json");
const NEWER: &str = include_str!("../../fixtures/package-newer.json");
const CLAIM: &str = include_str!("../../fixtures/claim.json");

fn read(json: &str) -> ChannelOrder {
    order(&RawValue::from_string(json.to_owned()).unwrap()).unwrap()
}

fn micros(time: Option<&VendorTime>) -> i64 {
    Timestamp::from_proto(time.unwrap().time.as_ref().unwrap()).unwrap().micros()
}

#[test]
fn both_generations_are_the_same_order() {
    let (older, newer) = (read(OLDER), read(NEWER));
    // What the two write differently in themselves.
    let same = |order: ChannelOrder| ChannelOrder {
        raw: Vec::new(),
        dedupe_key: String::new(),
        replaces: Vec::new(),
        ..order
    };
    assert_eq!(same(older.clone()), same(newer.clone()));
    assert_eq!(
        (older.native_id.as_str(), newer.replaces.as_slice()),
        ("9007199254740993", ["9007199254740881".to_owned()].as_slice())
    );
    assert_eq!(
        (older.raw.as_slice(), newer.raw.as_slice()),
        (OLDER.trim_end().as_bytes(), NEWER.trim_end().as_bytes())
    );
}

#[test]
fn amounts_ids_and_times_are_exact() {
    let order = read(NEWER);
    let line = &order.lines[0];
    let of = |amount: &Option<Amount>| amount.as_ref().map(|a| format!("{} {}", a.decimal, a.currency_code)).unwrap();
    assert_eq!([of(&line.unit_price), of(&line.discount), of(&line.total)], ["124.95 TRY", "25.10 TRY", "224.80 TRY"]);
    assert_eq!((of(&order.total), of(&order.discount)), ("224.80 TRY".to_owned(), "25.10 TRY".to_owned()));
    assert_eq!((line.native_id.as_str(), line.sku.as_str(), line.quantity), ("9007199254741001", "ÇAY-BARDAĞI-6", 2));
    assert_eq!((line.tax_percent.as_str(), line.options["color"].as_str()), ("20", "Şeffaf"));
    assert_eq!(order.tracking_number, "7330000123456789012");
    // 1767279600000 is what Türkiye's clock shows: three hours less in UTC.
    assert_eq!(micros(order.place_time.as_ref()), 1_767_268_800_000_000);
    assert_eq!(order.place_time.unwrap().raw, "1767279600000");
    assert_eq!(micros(order.update_time.as_ref()), 1_767_269_400_000_000);
    let address = order.shipping_address.unwrap();
    assert_eq!(
        (address.recipient.as_str(), address.city.as_str(), address.region.as_str()),
        ("İpek Ağaoğlu 🌷", "Kadıköy", "İstanbul")
    );
}

#[test]
fn what_is_unknown_survives_and_what_is_missing_is_told() {
    let odd = NEWER.replace("\"Created\"", "\"OnTheMoon\"").replacen('{', "{\"newField\": {\"deep\": [1.5e400]},", 1);
    let order = read(&odd);
    assert_eq!((order.state(), order.raw_state.as_str()), (State::Unspecified, "OnTheMoon"));
    assert_eq!(order.raw, odd.trim_end().as_bytes());
    for (word, state) in
        [("AT_COLLECTION_POINT", State::ReadyForPickup), ("CREATED", State::New), ("UnSupplied", State::Cancelled)]
    {
        assert_eq!(super::state(word), state);
    }
    let unreadable = |from: &str, to: &str| {
        assert!(NEWER.contains(from));
        order_error(&NEWER.replace(from, to))
    };
    assert_eq!(unreadable("\"quantity\": 2", "\"quantity\": 2.5"), "a line without a quantity");
    assert_eq!(unreadable("\"shipmentPackageId\": 9007199254740993", "\"x\": 1"), "a package without an id");
    assert_eq!(unreadable("\"packageTotalPrice\": 224.80", "\"packageTotalPrice\": null"), "a package without a total");
    let raw = RawValue::from_string(NEWER.replace("\"lines\": [", "\"lines\": [7, ")).unwrap();
    let (read, unreadable) = each(std::slice::from_ref(&raw), super::order);
    assert!(read.is_empty() && unreadable[0].native_id == "9007199254740993", "{unreadable:?}");
    assert!(unreadable[0].problem.starts_with("not what is documented") && unreadable[0].raw == raw.get().as_bytes());
}

fn order_error(json: &str) -> String {
    order(&RawValue::from_string(json.to_owned()).unwrap()).unwrap_err()
}

#[test]
fn claims_are_returns_of_pieces() {
    let claim = claim(&RawValue::from_string(CLAIM.to_owned()).unwrap()).unwrap();
    assert_eq!((claim.order_native_id.as_str(), claim.group_id.as_str()), ("9007199254740993", "10654411111"));
    let pieces: Vec<_> =
        claim.items.iter().map(|item| (item.native_id.as_str(), item.state(), item.raw_state.as_str())).collect();
    assert_eq!(
        pieces,
        [
            ("piece-1", ChannelReturnState::AwaitsDecision, "WaitingInAction"),
            ("piece-2", ChannelReturnState::Unspecified, "BeamedUp"),
        ]
    );
    assert_eq!(
        (claim.items[0].line_native_id.as_str(), claim.items[0].reason_code.as_str()),
        ("9007199254741001", "DISLIKE")
    );
}
