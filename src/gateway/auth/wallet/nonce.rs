//! Nonces: random texts that the gateway knows again by its own signature, without having kept them.

use jiff::Timestamp;
use ring::hmac;
use uuid::Uuid;

/// Digits of the random part: a UUID.
const RANDOM: usize = 32;
/// Digits of the random part and of the time until which it is good.
const SIGNED: usize = RANDOM + 16;

/// A nonce that was issued here, or by another replica.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nonce {
    /// Its random part.
    pub id: String,
    /// Until when it is good.
    pub until: Timestamp,
}

/// A new one. It has letters and digits alone, as EIP-4361 wants.
#[must_use]
pub fn issue(key: &hmac::Key, until: Timestamp) -> String {
    let id = Uuid::new_v4();
    let signed = format!("{}{:016x}", id.simple(), until.as_second());
    let signature = hmac::sign(key, signed.as_bytes());
    format!("{signed}{}", hex::encode(signature))
}

/// Reads one; none where it was not issued here, or is not good any more.
#[must_use]
pub fn read(key: &hmac::Key, text: &str, now: Timestamp) -> Option<Nonce> {
    let (signed, signature) = text.split_at_checked(SIGNED)?;
    let signature = hex::decode(signature).ok()?;
    hmac::verify(key, signed.as_bytes(), &signature).ok()?;
    let (id, until) = signed.split_at_checked(RANDOM)?;
    let until = i64::from_str_radix(until, 16).ok()?;
    let until = Timestamp::from_second(until).ok()?;
    (now < until).then(|| Nonce {
        id: id.to_owned(),
        until,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_is_good_until_its_end() {
        let text = issue(&key(1), at(1000));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let nonce = read(&key(1), &text, at(999)).unwrap();
        assert_eq!(nonce.until, at(1000));
        assert!(text.starts_with(&nonce.id));
        assert_eq!(read(&key(1), &text, at(1000)), None);
        assert_ne!(text, issue(&key(1), at(1000)));
    }

    #[test]
    fn what_was_not_issued_here_is_none() {
        let text = issue(&key(1), at(1000));
        assert_eq!(read(&key(2), &text, at(0)), None);
        // A later end, another random part, nothing but a form, less and more.
        let later = issue(&key(1), at(5000));
        let mixed = [&text[..RANDOM], &later[RANDOM..SIGNED], &text[SIGNED..]].concat();
        let other = [&later[..RANDOM], &text[RANDOM..]].concat();
        let forms = ["0".repeat(112), String::new(), "ä".repeat(56)];
        let cut = text[..text.len() - 1].to_owned();
        let unsigned = text[..SIGNED].to_owned();
        let longer = format!("{text}00");
        for forged in [mixed, other, cut, unsigned, longer].iter().chain(&forms) {
            assert_eq!(read(&key(1), forged, at(0)), None, "{forged}");
        }
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(read(&key(1), &changed, at(0)), None, "{place}");
        }
    }
}
