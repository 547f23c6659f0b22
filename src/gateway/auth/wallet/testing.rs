//! A wallet: a real key that signs as wallets do (EIP-191).

use k256::ecdsa::SigningKey;
use sha3::{Digest, Keccak256};

/// A wallet of the tests.
pub struct Wallet(SigningKey);

impl Wallet {
    /// One of them; the same number is the same wallet.
    pub fn new(number: u8) -> Self {
        Self(SigningKey::from_slice(&[number; 32]).unwrap())
    }

    fn bytes(&self) -> [u8; 20] {
        let point = self.0.verifying_key().to_encoded_point(false);
        let digest = Keccak256::digest(&point.as_bytes()[1..]);
        digest[12..].try_into().unwrap()
    }

    /// Its address, in lower case.
    pub fn address(&self) -> String {
        self.checksummed().to_lowercase()
    }

    /// Its address as wallets show it (EIP-55).
    pub fn checksummed(&self) -> String {
        signinwithethereum::eip55(&self.bytes())
    }

    /// Its signature under a text.
    pub fn sign(&self, text: &str) -> String {
        let text = format!("\u{19}Ethereum Signed Message:\n{}{text}", text.len());
        let digest = Keccak256::digest(text.as_bytes());
        let (signature, recovery) = self.0.sign_prehash_recoverable(&digest).unwrap();
        format!(
            "0x{}{:02x}",
            hex::encode(signature.to_bytes()),
            recovery.to_byte() + 27
        )
    }
}
