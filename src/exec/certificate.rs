//! When a certificate ends: all that is read of one. Pure.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::base::Timestamp;

const SEQUENCE: u8 = 0x30;
/// The version, which stands first where it is not the oldest one.
const VERSION: u8 = 0xa0;
/// A time with two digits for its year.
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of the validity of an X.509 certificate in DER; none where it cannot be read.
pub(super) fn valid_until(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = part(der, SEQUENCE)?;
    let (mut signed, _) = part(certificate, SEQUENCE)?;
    if signed.first() == Some(&VERSION) {
        signed = any(signed)?.2;
    }
    for _ in ["serial number", "algorithm", "issuer"] {
        signed = any(signed)?.2;
    }
    let (validity, _) = part(signed, SEQUENCE)?;
    let (_, _, rest) = any(validity)?;
    let (tag, text, _) = any(rest)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The content of the first element, which has to be of this kind, and what follows it.
fn part(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = any(bytes)?;
    (tag == kind).then_some((content, rest))
}

/// Kind and content of the first element, and what follows it.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > size_of::<u32>() {
            return None;
        }
        let length = digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let whole = match tag {
        // Of the two centuries that it can mean, the standard takes the one before 2050.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%SZ", &whole).ok()?;
    let at = TimeZone::UTC.to_timestamp(civil).ok()?;
    Some(Timestamp::from_unix_millis(u64::try_from(at.as_millisecond()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::{GENERALIZED_TIME, UTC_TIME, time, valid_until};

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let mut wanted = rcgen::CertificateParams::new(["shop.example".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, end) in [(2031, "2031-05-06T00:00:00"), (2077, "2077-05-06T00:00:00")] {
            wanted.not_after = rcgen::date_time_ymd(year, 5, 6);
            let certificate = wanted.self_signed(&key).unwrap();
            let until = valid_until(certificate.der()).unwrap().rfc3339();
            assert!(until.starts_with(end), "{until}");
            // However it is cut or changed, it is read or not, and nothing else happens.
            for at in 0..certificate.der().len() {
                assert_eq!(valid_until(certificate.der().get(..at).unwrap()), None);
                let mut other = certificate.der().to_vec();
                if let Some(byte) = other.get_mut(at) {
                    *byte ^= 0xff;
                }
                valid_until(&other);
            }
        }
    }

    #[test]
    fn times_of_both_kinds_are_read() {
        let read = |tag, text| time(tag, text).map(crate::base::Timestamp::rfc3339);
        assert!(read(UTC_TIME, "991231235959Z").unwrap().starts_with("1999-12-31T23:59:59"));
        assert!(read(UTC_TIME, "491231235959Z").unwrap().starts_with("2049-"));
        assert!(read(GENERALIZED_TIME, "20500101000000Z").unwrap().starts_with("2050-01-01"));
        assert_eq!(read(UTC_TIME, "x"), None);
        assert_eq!(read(0x04, "20500101000000Z"), None);
    }
}
