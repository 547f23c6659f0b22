//! The keys of a gateway, derived from one secret.

use std::path::Path;

use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::{hkdf, hmac};

/// The fewest bytes that a secret may have.
const SHORTEST: usize = 32;
const SALT: &[u8] = b"dvre-gateway";

/// A secret that all replicas of a gateway share.
pub struct Secret {
    root: hkdf::Prk,
    /// For whom the keys are: a gateway elsewhere with the same secret has others.
    place: String,
}

impl Secret {
    /// Reads it from a file. A line break at its end, which many tools add, does not count.
    pub fn read(file: &Path, domain: &str, namespace: &str) -> Result<Self, String> {
        let bytes = std::fs::read(file)
            .map_err(|error| format!("--wallet-key-file {}: {error}", file.display()))?;
        let bytes = bytes.trim_ascii_end();
        if bytes.len() < SHORTEST {
            return Err(format!(
                "--wallet-key-file {}: {} bytes are too few: it must have {SHORTEST} random bytes at least, as \
                 of `openssl rand -base64 48`",
                file.display(),
                bytes.len()
            ));
        }
        Ok(Self::new(bytes, domain, namespace))
    }

    /// With these bytes.
    #[must_use]
    pub fn new(bytes: &[u8], domain: &str, namespace: &str) -> Self {
        Self {
            root: hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(bytes),
            // No host and no namespace has a blank.
            place: format!("{} {namespace}", domain.to_lowercase()),
        }
    }

    /// The key that nonces are signed with.
    pub fn of_nonces(&self) -> Result<hmac::Key, String> {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &self.derive("nonce")?))
    }

    /// The keys that tokens are signed and checked with.
    pub fn of_tokens(&self) -> Result<(EncodingKey, DecodingKey), String> {
        let key = self.derive("token")?;
        Ok((
            EncodingKey::from_secret(&key),
            DecodingKey::from_secret(&key),
        ))
    }

    fn derive(&self, purpose: &str) -> Result<[u8; 32], String> {
        let mut key = [0; 32];
        let info = [purpose.as_bytes(), b" ", self.place.as_bytes()];
        let derived = self.root.expand(&info, hkdf::HKDF_SHA256);
        derived
            .and_then(|derived| derived.fill(&mut key))
            .map_err(|_| "no key can be derived from the secret".to_owned())?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_and_place_has_a_key_of_its_own() {
        let secret = |bytes: &[u8], domain: &str, namespace: &str| {
            let secret = Secret::new(bytes, domain, namespace);
            [
                secret.derive("nonce").unwrap(),
                secret.derive("token").unwrap(),
            ]
        };
        let one = [7; 32];
        let mut keys = [
            secret(&one, "a.org", "lab"),
            secret(&one, "b.org", "lab"),
            secret(&one, "a.org", "other"),
            secret(&[8; 32], "a.org", "lab"),
        ]
        .concat();
        assert_eq!(secret(&one, "A.org", "lab")[..], keys[..2]);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn a_short_secret_is_refused() {
        let file = std::env::temp_dir().join(format!("dvre-secret-{}", std::process::id()));
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            Secret::read(&file, "a.org", "lab")
        };
        assert!(read(&[b'x'; 32]).is_ok());
        assert!(read(&[&[b'x'; 31][..], b"\n"].concat()).is_err());
        assert!(read(b"").is_err());
        std::fs::remove_file(&file).unwrap();
        let gone = Secret::read(&file, "a.org", "lab").err().unwrap();
        assert!(gone.contains("--wallet-key-file"));
    }
}
