//! Countries: ISO 3166-1 alpha-2, and what their addresses look like.

/// Officially assigned codes of ISO 3166-1 alpha-2, sorted.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW \
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE \
    KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV \
    MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC \
    SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ \
    VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Forms of postal codes (Universal Postal Union, addressing by country): `9` is a digit, `A` a letter, `*` either,
/// anything else itself.
/// Spaces do not count. Countries that are not listed accept any code, or none.
const POSTAL: &[(&str, &[&str])] = &[
    ("AT", &["9999"]),
    ("AU", &["9999"]),
    ("BE", &["9999"]),
    ("BG", &["9999"]),
    ("BR", &["99999-999", "99999999"]),
    ("CA", &["A9A9A9"]),
    ("CH", &["9999"]),
    ("CY", &["9999"]),
    ("CZ", &["99999"]),
    ("DE", &["99999"]),
    ("DK", &["9999"]),
    ("EE", &["99999"]),
    ("ES", &["99999"]),
    ("FI", &["99999"]),
    ("FR", &["99999"]),
    ("GB", &["A99AA", "A999AA", "AA99AA", "AA999AA", "A9A9AA", "AA9A9AA"]),
    ("GR", &["99999"]),
    ("HR", &["99999"]),
    ("HU", &["9999"]),
    ("IE", &["A99****", "A9W****"]),
    ("IN", &["999999"]),
    ("IT", &["99999"]),
    ("JP", &["999-9999", "9999999"]),
    ("KR", &["99999"]),
    ("LT", &["99999", "LT-99999"]),
    ("LU", &["9999", "L-9999"]),
    ("LV", &["LV-9999", "9999"]),
    ("MX", &["99999"]),
    ("NL", &["9999AA"]),
    ("NO", &["9999"]),
    ("NZ", &["9999"]),
    ("PL", &["99-999", "99999"]),
    ("PT", &["9999-999", "9999999"]),
    ("RO", &["999999"]),
    ("RU", &["999999"]),
    ("SE", &["99999"]),
    ("SG", &["999999"]),
    ("SI", &["9999"]),
    ("SK", &["99999"]),
    ("TR", &["99999"]),
    ("UA", &["99999"]),
    ("US", &["99999", "99999-9999"]),
    ("ZA", &["9999"]),
];

/// Countries whose addresses need a state or province.
const REGIONS: [&str; 7] = ["AU", "BR", "CA", "IN", "JP", "MX", "US"];

/// Whether it is an officially assigned code.
#[must_use]
pub fn is_country(code: &str) -> bool {
    code.len() == 2 && CODES.split_ascii_whitespace().any(|known| known == code)
}

/// Whether addresses there need a state or province.
#[must_use]
pub fn needs_region(code: &str) -> bool {
    REGIONS.contains(&code)
}

/// Whether `postal` is a postal code of that country; otherwise the form that would be.
///
/// # Errors
/// The accepted forms, for people.
pub fn check_postal_code(country: &str, postal: &str) -> Result<(), String> {
    let Some((_, forms)) = POSTAL.iter().find(|(code, _)| *code == country) else { return Ok(()) };
    let given: Vec<char> = postal.chars().filter(|c| *c != ' ').collect();
    let fits = |form: &&str| {
        let form: Vec<char> = form.chars().collect();
        form.len() == given.len()
            && form.iter().zip(&given).all(|(form, given)| match form {
                '9' => given.is_ascii_digit(),
                'A' => given.is_ascii_uppercase(),
                '*' => given.is_ascii_uppercase() || given.is_ascii_digit(),
                literal => literal == given,
            })
    };
    if forms.iter().any(fits) {
        Ok(())
    } else {
        let forms = forms.iter().take(3).copied().collect::<Vec<_>>().join(" or ");
        Err(format!("must have the form {forms} in {country}, 9 for a digit and A for a letter"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_complete() {
        let codes: Vec<_> = CODES.split_ascii_whitespace().collect();
        assert!(codes.is_sorted());
        assert_eq!(codes.len(), 249);
        assert!(POSTAL.iter().all(|(code, _)| is_country(code)) && REGIONS.iter().all(|code| is_country(code)));
        assert!(!is_country("XX") && !is_country("tr") && !is_country("") && !is_country("D "));
    }

    #[test]
    fn postal_codes() {
        for (country, good) in
            [("TR", "34710"), ("DE", "10115"), ("GB", "SW1A 1AA"), ("GB", "M1 1AE"), ("US", "94105-1234")]
        {
            assert_eq!(check_postal_code(country, good), Ok(()), "{country} {good}");
        }
        for (country, good) in [("NL", "1012 AB"), ("FR", "75001"), ("AE", ""), ("JP", "100-0001"), ("CA", "K1A 0B1")] {
            assert_eq!(check_postal_code(country, good), Ok(()), "{country} {good}");
        }
        for (country, bad) in
            [("TR", "3471"), ("DE", "1011A"), ("GB", "12345"), ("US", ""), ("NL", "1012"), ("TR", "٣٤٧١٠")]
        {
            assert!(check_postal_code(country, bad).is_err(), "{country} {bad}");
        }
    }
}
