//! As much of a certificate as the agent must read itself: the elements it is made of, and when it ends.

use jiff::civil::DateTime;
use jiff::tz::Offset;

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tag of the version, which old certificates leave out.
const VERSION: u8 = 0xa0;

/// The content of the first DER element, and what follows the element.
pub fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&short, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        // Long form: the low bits say how many bytes the length has. Four are enough for any certificate.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// When a certificate in DER ends, in milliseconds since 1970. RFC 5280, section 4.1.
pub fn expires_ms(certificate: &[u8]) -> Option<i64> {
    let (body, _) = element(certificate)?;
    let (mut fields, _) = element(body)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.1;
    }
    for _serial_algorithm_issuer in 0..3 {
        fields = element(fields)?.1;
    }
    let (validity, _) = element(fields)?;
    let (_, not_after) = element(validity)?;
    let (text, _) = element(not_after)?;
    time_ms(*not_after.first()?, std::str::from_utf8(text).ok()?)
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn time_ms(tag: u8, text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z').filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(2 * at..2 * at + 2)?.parse::<i8>().ok();
    let civil = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    Offset::UTC.to_timestamp(civil).ok().map(|time| time.as_millisecond())
}
