//! The message that a wallet signs (EIP-4361), and what it proves.

use axum::http::Uri;
use axum::http::uri::Authority;
use jiff::{SignedDuration, Timestamp};
use signinwithethereum::{Message, TimeStamp};

/// How old a message may be.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);
/// How far the clock of a wallet may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// What a message must say.
pub struct Rules {
    /// For which domain it is.
    pub domain: Authority,
    /// For which chain it is; any where there are none.
    pub chain_ids: Vec<u64>,
}

/// What a message proves, but for its nonce.
#[derive(Debug, Eq, PartialEq)]
pub struct Proof {
    /// Address of the wallet, in lower case.
    pub address: String,
    /// When it ends to prove that, where the wallet said so.
    pub until: Option<Timestamp>,
}

/// Why a message proves nothing. The words tell nothing that its sender does not know.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It is something else.
    #[error("this is no message as EIP-4361 wants it")]
    Form,
    /// It is no signature of an account.
    #[error("the signature must be 0x and 65 bytes in hexadecimal digits")]
    SignatureForm,
    /// It is for somebody else.
    #[error("the message is not for this service: its domain and the host of its URI must be {0}")]
    Domain(Authority),
    /// It is for another chain.
    #[error("messages for this chain are not accepted")]
    Chain,
    /// It was issued long ago or will be, is not yet valid or not any more.
    #[error("the message is not valid at this time: sign a new one")]
    Time,
    /// Its nonce is not of this service, is not good any more, or was used.
    #[error("this nonce cannot be used: get another from GET /auth/nonce")]
    Nonce,
    /// Another key has signed, or another message.
    #[error("the signature is not one of this address under this message")]
    Signature,
}

/// Reads a message.
pub fn read(text: &str) -> Result<Message, Refusal> {
    text.parse().map_err(|_| Refusal::Form)
}

/// What a message proves that was signed so.
pub fn prove(
    message: &Message,
    signature: &str,
    rules: &Rules,
    now: Timestamp,
) -> Result<Proof, Refusal> {
    let signature = signature.strip_prefix("0x").unwrap_or(signature);
    let mut bytes = [0; 65];
    hex::decode_to_slice(signature, &mut bytes).map_err(|_| Refusal::SignatureForm)?;
    if message.domain != rules.domain || !is_at(message.uri.as_str(), rules.domain.host()) {
        return Err(Refusal::Domain(rules.domain.clone()));
    }
    if !rules.chain_ids.is_empty() && !rules.chain_ids.contains(&message.chain_id) {
        return Err(Refusal::Chain);
    }
    let until = message.expiration_time.as_ref().map(time).transpose()?;
    let issued = time(&message.issued_at)?;
    let since = message.not_before.as_ref().map(time).transpose()?;
    if issued < now - OLDEST
        || issued > now + AHEAD
        || since.is_some_and(|since| now < since)
        || until.is_some_and(|until| until <= now)
    {
        return Err(Refusal::Time);
    }
    let signed = message.verify_eip191(&bytes);
    signed.map_err(|_| Refusal::Signature)?;
    Ok(Proof {
        address: format!("0x{}", hex::encode(message.address)),
        until,
    })
}

fn is_at(uri: &str, host: &str) -> bool {
    let uri = uri.parse::<Uri>().ok();
    let named = uri.as_ref().and_then(Uri::host);
    named.is_some_and(|named| named.eq_ignore_ascii_case(host))
}

fn time(stamp: &TimeStamp) -> Result<Timestamp, Refusal> {
    let nanoseconds = stamp.as_ref().unix_timestamp_nanos();
    Timestamp::from_nanosecond(nanoseconds).map_err(|_| Refusal::Time)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::gateway::auth::wallet::testing::Wallet;

    const NOW: &str = "2026-11-28T12:00:00Z";

    fn rules() -> Rules {
        Rules {
            domain: Authority::from_static("portal.example.org"),
            chain_ids: vec![1, 100],
        }
    }

    fn text(wallet: &Wallet) -> String {
        let text = format!(
            "portal.example.org wants you to sign in with your Ethereum account:\n{}\n\nSign in.\n\n\
             URI: https://portal.example.org/login\nVersion: 1\nChain ID: 1\nNonce: abcdefgh12345678\n\
             Issued At: 2026-11-28T11:59:00Z",
            wallet.address()
        );
        text
    }

    fn judge(text: &str, signature: &str) -> Result<Proof, Refusal> {
        prove(&read(text)?, signature, &rules(), NOW.parse().unwrap())
    }

    #[test]
    fn a_wallet_proves_its_address() {
        let wallet = Wallet::new(1);
        let text = text(&wallet) + "\nExpiration Time: 2026-11-28T12:05:00Z";
        let proof = judge(&text, &wallet.sign(&text)).unwrap();
        assert_eq!(proof.address, wallet.address());
        assert_eq!(proof.until, Some("2026-11-28T12:05:00Z".parse().unwrap()));
    }

    #[test]
    fn an_address_in_mixed_case_is_the_same() {
        let wallet = Wallet::new(2);
        let mixed = text(&wallet).replace(&wallet.address(), &wallet.checksummed());
        let proof = judge(&mixed, &wallet.sign(&mixed)).unwrap();
        assert_eq!(proof.address, wallet.address());
    }

    #[rstest]
    #[case::other_domain("portal.example.org wants", "evil.example.org wants", Refusal::Domain(rules().domain))]
    #[case::other_port("portal.example.org wants", "portal.example.org:8443 wants", Refusal::Domain(rules().domain))]
    #[case::a_user_before_the_domain("portal.example.org wants", "portal.example.org@evil.org wants", Refusal::Domain(rules().domain))]
    #[case::other_uri("URI: https://portal.example.org", "URI: https://evil.example.org", Refusal::Domain(rules().domain))]
    #[case::uri_with_a_user("URI: https://portal.example.org/", "URI: https://portal.example.org@evil.org/", Refusal::Domain(rules().domain))]
    #[case::uri_without_host("URI: https://portal.example.org/login", "URI: did:key:abc", Refusal::Domain(rules().domain))]
    #[case::other_chain("Chain ID: 1", "Chain ID: 5", Refusal::Chain)]
    #[case::old("11:59:00Z", "11:49:00Z", Refusal::Time)]
    #[case::from_the_future("11:59:00Z", "12:02:00Z", Refusal::Time)]
    #[case::expired(
        "11:59:00Z",
        "11:59:00Z\nExpiration Time: 2026-11-28T12:00:00Z",
        Refusal::Time
    )]
    #[case::not_yet_valid(
        "11:59:00Z",
        "11:59:00Z\nNot Before: 2026-11-28T12:00:01Z",
        Refusal::Time
    )]
    #[case::other_version("Version: 1", "Version: 2", Refusal::Form)]
    #[case::no_nonce("Nonce: abcdefgh12345678\n", "", Refusal::Form)]
    #[case::more_after_it("11:59:00Z", "11:59:00Z\nAdmin: true", Refusal::Form)]
    fn what_the_rules_do_not_allow_is_refused_though_it_is_signed(
        #[case] from: &str,
        #[case] to: &str,
        #[case] why: Refusal,
    ) {
        let wallet = Wallet::new(1);
        let changed = text(&wallet).replace(from, to);
        assert_ne!(changed, text(&wallet));
        assert_eq!(judge(&changed, &wallet.sign(&changed)), Err(why));
    }

    #[test]
    fn the_signature_must_be_one_of_the_address_under_this_message() {
        let (wallet, other) = (Wallet::new(1), Wallet::new(2));
        let text = text(&wallet);
        let good = wallet.sign(&text);
        assert_eq!(judge(&text, &other.sign(&text)), Err(Refusal::Signature));
        let changed = text.replace("Sign in.", "Give me all.");
        assert_eq!(judge(&changed, &good), Err(Refusal::Signature));
        let zero = format!("0x{}", "00".repeat(65));
        assert_eq!(judge(&text, &zero), Err(Refusal::Signature));
        for malformed in ["", "0x", &good[..130], &format!("{good}00"), "0xzz"] {
            assert_eq!(judge(&text, malformed), Err(Refusal::SignatureForm));
        }
    }

    #[test]
    fn any_text_is_read_or_refused() {
        for text in [
            "",
            "\n\n\n",
            "{}",
            &"\n".repeat(10_000),
            "\u{0} wants you to sign in with your Ethereum account:",
        ] {
            assert_eq!(read(text).err(), Some(Refusal::Form));
        }
    }
}
