//! The signatures of tokens, by the library that the connection to the cluster uses anyway. Of the
//! algorithms that a token may name only those exist here that some mode accepts.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, Result, new_error};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// What providers may sign with. A secret that both sides know is none of it: whoever can check such a token
/// can make one, and a public key would do for the secret.
pub const ASYMMETRIC: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes these the signatures of this process.
pub fn install() {
    // A second time changes nothing.
    let _ = PROVIDER.install_default();
}

/// How a signature is checked.
enum Scheme {
    Secret,
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

fn scheme(algorithm: Algorithm) -> Option<Scheme> {
    Some(match algorithm {
        Algorithm::HS256 => Scheme::Secret,
        Algorithm::RS256 => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::ES256 => Scheme::Curve(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Scheme::Curve(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Scheme::Curve(&ED25519),
        _ => return None,
    })
}

struct Verification {
    algorithm: Algorithm,
    scheme: Scheme,
    key: DecodingKey,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what the crate calls has this form"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let scheme = scheme(*algorithm).ok_or_else(unsupported)?;
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(Verification {
        algorithm: *algorithm,
        scheme,
        key: key.clone(),
    }))
}

impl Verifier<Vec<u8>> for Verification {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), signature::Error> {
        let verified = match (&self.scheme, self.key.kind()) {
            (Scheme::Secret, DecodingKeyKind::SecretOrDer(secret)) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::verify(&key, message, signature)
            }
            (Scheme::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Scheme::Curve(curve), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(*curve, point).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verification {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Signs with a secret: the one thing that the gateway signs is its own tokens.
struct Secret(hmac::Key);

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what the crate calls has this form"
)]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::HS256 || key.family() != algorithm.family() {
        return Err(unsupported());
    }
    Ok(Box::new(Secret(hmac::Key::new(
        hmac::HMAC_SHA256,
        key.as_bytes(),
    ))))
}

impl Signer<Vec<u8>> for Secret {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Secret {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn unsupported() -> Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_used_for_its_own_kind_of_signature_alone() {
        let point = DecodingKey::from_ec_der(&[4; 65]);
        let secret = DecodingKey::from_secret(&[4; 65]);
        assert!(verifier(&Algorithm::ES256, &point).is_ok());
        assert!(verifier(&Algorithm::HS256, &secret).is_ok());
        assert!(verifier(&Algorithm::HS256, &point).is_err());
        assert!(verifier(&Algorithm::ES256, &secret).is_err());
        assert!(verifier(&Algorithm::RS256, &point).is_err());
        for absent in [Algorithm::HS384, Algorithm::HS512] {
            assert!(verifier(&absent, &secret).is_err());
        }
        assert!(signer(&Algorithm::HS512, &EncodingKey::from_secret(&[4; 65])).is_err());
    }
}
