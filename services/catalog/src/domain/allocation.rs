//! From where the lines of an order are taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A line to reserve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// The caller's own id of the line.
    pub line_id: String,
    /// The SKU.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// The location, where the customer chose one.
    pub location_id: Option<String>,
}

/// What there is of a SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supply {
    /// Stock is not counted: as much as one likes.
    Uncounted,
    /// Free units per location.
    Counted(BTreeMap<String, i64>),
}

/// The locations that a channel sells from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// All of them, first choice first: those that a line may name.
    pub all: Vec<String>,
    /// Those that ship, first choice first: for lines that name none.
    pub shipping: Vec<String>,
}

/// A quantity of a line, at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The line.
    pub line_id: String,
    /// The SKU.
    pub sku: String,
    /// The location.
    pub location_id: String,
    /// How many, at least one.
    pub quantity: i64,
    /// Whether stock rows are to move.
    pub counted: bool,
}

/// What a line lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The line.
    pub line_id: String,
    /// The SKU.
    pub sku: String,
    /// How many are missing, at least one.
    pub missing: i64,
    /// How many the line asked for.
    pub asked: i64,
}

/// Where everything is to come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is there.
    pub picks: Vec<Pick>,
    /// What is not.
    pub shortages: Vec<Shortage>,
}

impl Plan {
    /// What each stock row has to give, in key order: the order in which rows are locked.
    #[must_use]
    pub fn demand(&self) -> BTreeMap<(&str, &str), i64> {
        let mut demand = BTreeMap::new();
        for pick in self.picks.iter().filter(|pick| pick.counted) {
            *demand.entry((pick.sku.as_str(), pick.location_id.as_str())).or_default() += pick.quantity;
        }
        demand
    }
}

/// Takes lines that name a location from there, then the others from the shipping locations in their order, several if one
/// has too little. A SKU that is not in `supplies` is not known: nothing of it is there.
#[must_use]
pub fn plan(wanted: &[Wanted], sources: &Sources, mut supplies: BTreeMap<String, Supply>) -> Plan {
    let mut plan = Plan::default();
    let (named, open): (Vec<_>, Vec<_>) = wanted.iter().partition(|line| line.location_id.is_some());
    for line in named.into_iter().chain(open) {
        let places: &[String] = match &line.location_id {
            // Only the channel's own locations count, also where the customer names one.
            Some(named) => sources
                .all
                .iter()
                .position(|own| own == named)
                .and_then(|at| sources.all.get(at..=at))
                .unwrap_or_default(),
            None => &sources.shipping,
        };
        let pick = |location_id: &str, quantity, counted| Pick {
            line_id: line.line_id.clone(),
            sku: line.sku.clone(),
            location_id: location_id.to_owned(),
            quantity,
            counted,
        };
        let mut missing = line.quantity;
        match supplies.get_mut(&line.sku) {
            None => {}
            Some(Supply::Uncounted) => {
                // It travels with what is reserved already, if anything is: no parcel of its own.
                let beside =
                    plan.picks.first().map(|pick| pick.location_id.clone()).filter(|_| line.location_id.is_none());
                let place = beside.or_else(|| places.first().cloned());
                if let Some(place) = place {
                    plan.picks.push(pick(&place, missing, false));
                    missing = 0;
                }
            }
            Some(Supply::Counted(free)) => {
                for place in places {
                    let Some(there) = free.get_mut(place).filter(|there| **there > 0) else { continue };
                    let taken = missing.min(*there);
                    *there -= taken;
                    missing -= taken;
                    plan.picks.push(pick(place, taken, true));
                    if missing == 0 {
                        break;
                    }
                }
            }
        }
        if missing > 0 {
            let (line_id, sku) = (line.line_id.clone(), line.sku.clone());
            plan.shortages.push(Shortage { line_id, sku, missing, asked: line.quantity });
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(line_id: &str, sku: &str, quantity: i64, location: Option<&str>) -> Wanted {
        let location_id = location.map(str::to_owned);
        Wanted { line_id: line_id.to_owned(), sku: sku.to_owned(), quantity, location_id }
    }

    fn sources(all: &[&str]) -> Sources {
        let all: Vec<_> = all.iter().map(|place| (*place).to_owned()).collect();
        Sources { shipping: all.clone(), all }
    }

    fn counted(free: &[(&str, i64)]) -> Supply {
        Supply::Counted(free.iter().map(|(place, free)| ((*place).to_owned(), *free)).collect())
    }

    fn picked(plan: &Plan) -> Vec<(&str, &str, i64)> {
        plan.picks.iter().map(|pick| (pick.line_id.as_str(), pick.location_id.as_str(), pick.quantity)).collect()
    }

    #[test]
    fn the_channels_order_decides_and_several_may_help() {
        let supplies = [("tea".to_owned(), counted(&[("a", 2), ("b", 5), ("foreign", 99)]))];
        let plan = plan(&[line("1", "tea", 4, None)], &sources(&["b", "a"]), supplies.clone().into());
        assert_eq!(picked(&plan), [("1", "b", 4)]);
        let plan = super::plan(&[line("1", "tea", 9, None)], &sources(&["b", "a"]), supplies.into());
        assert_eq!(picked(&plan), [("1", "b", 5), ("1", "a", 2)]);
        assert_eq!(plan.shortages[0].missing, 2);
    }

    #[test]
    fn a_named_store_goes_first_and_must_be_the_channels() {
        let supplies = || BTreeMap::from([("tea".to_owned(), counted(&[("a", 2), ("b", 2)]))]);
        let wanted = [line("1", "tea", 2, None), line("2", "tea", 2, Some("a"))];
        let plan = plan(&wanted, &sources(&["a", "b"]), supplies());
        assert_eq!(picked(&plan), [("2", "a", 2), ("1", "b", 2)]);
        let plan = super::plan(&[line("1", "tea", 1, Some("a"))], &sources(&["b"]), supplies());
        assert_eq!(plan.shortages.len(), 1);
    }

    #[test]
    fn uncounted_goods_travel_with_the_others() {
        let supplies = [("tea".to_owned(), counted(&[("b", 2)])), ("wrap".to_owned(), Supply::Uncounted)];
        let wanted = [line("1", "tea", 1, None), line("2", "wrap", 7, None), line("3", "gone", 1, None)];
        let plan = plan(&wanted, &sources(&["a", "b"]), supplies.into());
        assert_eq!(picked(&plan), [("1", "b", 1), ("2", "b", 7)]);
        assert_eq!(plan.demand(), BTreeMap::from([(("tea", "b"), 1)]));
        assert_eq!(plan.shortages[0].sku, "gone");
    }

    fn cases() -> impl Strategy<Value = (Vec<Wanted>, BTreeMap<String, Supply>)> {
        let place = prop_oneof![Just(None), (0..4usize).prop_map(|at| Some(["a", "b", "c", "d"][at]))];
        let wanted = proptest::collection::vec((0..3usize, 1i64..20, place), 1..10).prop_map(|lines| {
            let lines = lines.into_iter().enumerate();
            lines
                .map(|(id, (sku, quantity, place))| line(&id.to_string(), ["x", "y", "z"][sku], quantity, place))
                .collect()
        });
        let free = proptest::collection::vec(-3i64..30, 4);
        let supplies = proptest::collection::vec(free, 2).prop_map(|skus| {
            let supply = |free: Vec<i64>| counted(&["a", "b", "c", "d"].into_iter().zip(free).collect::<Vec<_>>());
            ["x", "y"].into_iter().map(str::to_owned).zip(skus.into_iter().map(supply)).collect()
        });
        (wanted, supplies)
    }

    proptest! {
        #[test]
        fn quantities_are_conserved_and_no_place_gives_more_than_it_has((wanted, supplies) in cases()) {
            let plan = plan(&wanted, &sources(&["c", "a", "b"]), supplies.clone());
            for line in &wanted {
                let of_line = |id: &str| id == line.line_id;
                let picked: i64 = plan.picks.iter().filter(|pick| of_line(&pick.line_id)).map(|pick| pick.quantity).sum();
                let missing: i64 =
                    plan.shortages.iter().filter(|short| of_line(&short.line_id)).map(|short| short.missing).sum();
                prop_assert_eq!(picked + missing, line.quantity);
            }
            for ((sku, place), taken) in plan.demand() {
                let Some(Supply::Counted(free)) = supplies.get(sku) else { panic!("picked of an unknown SKU") };
                prop_assert!(taken > 0 && taken <= free[place] && place != "d");
            }
            // Nothing is short while a place that may give still has some.
            for short in &plan.shortages {
                let line = wanted.iter().find(|line| line.line_id == short.line_id).unwrap();
                let Some(Supply::Counted(free)) = supplies.get(&short.sku) else { continue };
                for place in ["a", "b", "c"].into_iter().filter(|place| line.location_id.as_deref().is_none_or(|own| own == *place)) {
                    let taken = plan.demand().get(&(short.sku.as_str(), place)).copied().unwrap_or(0);
                    prop_assert_eq!(taken, free[place].max(0));
                }
            }
        }
    }
}
