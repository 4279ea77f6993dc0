//! Distances on the earth.
#![expect(clippy::float_arithmetic, reason = "coordinates are floating point on the wire; nothing here is money")]

/// The earth's mean radius in metres (IUGG).
const RADIUS: f64 = 6_371_008.8;
/// Metres of one degree of latitude, rounded down, so that a search by latitude never misses.
const METRES_PER_DEGREE: f64 = 110_000.0;

/// A point, WGS 84, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// -90 to 90.
    pub latitude: f64,
    /// -180 to 180.
    pub longitude: f64,
}

impl Point {
    /// A point of the earth; `None` outside it.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let valid = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        valid.then_some(Self { latitude, longitude })
    }

    /// Whole metres along the great circle (haversine; within 0.6 % of the ellipsoid).
    #[must_use]
    pub fn metres_to(self, other: Self) -> i32 {
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let parallels = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let chord = half(self.latitude, other.latitude) + parallels * half(self.longitude, other.longitude);
        let metres = 2.0 * RADIUS * chord.clamp(0.0, 1.0).sqrt().asin();
        rounded(metres, i32::MAX)
    }

    /// The latitude in ten-millionths of a degree, as the database has it.
    #[must_use]
    pub fn latitude_e7(self) -> i64 {
        i64::from(rounded(self.latitude * 1e7, i32::MAX))
    }

    /// The latitudes in which everything within `radius` metres lies, in ten-millionths of a degree.
    #[must_use]
    pub fn latitudes_within(self, radius: i32) -> (i64, i64) {
        let reach = i64::from(rounded(f64::from(radius) / METRES_PER_DEGREE * 1e7, i32::MAX)).saturating_add(1);
        (self.latitude_e7().saturating_sub(reach), self.latitude_e7().saturating_add(reach))
    }
}

fn rounded(value: f64, most: i32) -> i32 {
    let bounded = value.round().clamp(-f64::from(most), f64::from(most));
    #[expect(clippy::cast_possible_truncation, reason = "bounded and rounded the line above")]
    let whole = bounded as i32;
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ISTANBUL: Point = Point { latitude: 41.0082, longitude: 28.9784 };
    const ANKARA: Point = Point { latitude: 39.9334, longitude: 32.8597 };

    #[test]
    fn known_distances() {
        // Great-circle figure: 350 km.
        assert!((349_000..352_000).contains(&ISTANBUL.metres_to(ANKARA)), "{}", ISTANBUL.metres_to(ANKARA));
        let fiji = Point { latitude: -17.0, longitude: 179.9 };
        let beyond = Point { latitude: -17.0, longitude: -179.9 };
        assert!((21_000..22_000).contains(&fiji.metres_to(beyond)), "over the date line");
        assert!(Point::new(f64::NAN, 0.0).is_none() && Point::new(90.1, 0.0).is_none());
    }

    fn points() -> impl Strategy<Value = Point> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| Point { latitude, longitude })
    }

    proptest! {
        #[test]
        fn a_distance_is_the_same_both_ways_and_zero_at_home(a in points(), b in points()) {
            prop_assert_eq!(a.metres_to(b), b.metres_to(a));
            prop_assert_eq!(a.metres_to(a), 0);
            prop_assert!((0..=20_015_200).contains(&a.metres_to(b)));
        }

        #[test]
        fn what_is_near_lies_in_the_latitudes(a in points(), b in points(), radius in 1i32..5_000_000) {
            let (from, to) = a.latitudes_within(radius);
            prop_assert!(a.metres_to(b) > radius || (from..=to).contains(&b.latitude_e7()));
        }
    }
}
