//! Wallets that sign in: a nonce, a message with it that the wallet signs (EIP-4361), and a token in exchange.
//! Nothing is kept here, so that any replica can do any step.

pub mod message;
mod nonce;
mod secret;
#[cfg(test)]
mod testing;
mod token;
mod used;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use ring::hmac;

use self::message::{Refusal, Rules};
use self::secret::Secret;
use self::token::Tokens;
use self::used::UsedNonces;
use super::crypto;
use crate::gateway::fault::Fault;
use crate::settings::gateway::GatewaySettings;

/// How long a nonce is good: as long as somebody may look at a message before signing it.
const NONCE: SignedDuration = SignedDuration::from_mins(5);

/// Lets wallets sign in, and knows them again.
pub struct Wallets {
    rules: Rules,
    nonces: hmac::Key,
    tokens: Tokens,
    lasts: SignedDuration,
    used: UsedNonces,
}

/// A nonce for a message.
pub struct Offer {
    /// The nonce.
    pub nonce: String,
    /// Until when it is good.
    pub until: Timestamp,
}

/// A wallet that has signed in.
pub struct Session {
    /// Its address, in lower case.
    pub address: String,
    /// The token that proves it from now on.
    pub token: String,
    /// Until when the token is good.
    pub until: Timestamp,
}

impl Wallets {
    /// As the settings want it.
    pub fn new(settings: &GatewaySettings, client: Client) -> Result<Self, String> {
        crypto::install();
        let (domain, file) = settings.wallet.required()?;
        let secret = Secret::read(file, domain.as_str(), &settings.namespace)?;
        Ok(Self {
            nonces: secret.of_nonces()?,
            tokens: Tokens::new(secret.of_tokens()?, domain.as_str()),
            lasts: SignedDuration::from_mins(settings.wallet.token_minutes.into()),
            used: UsedNonces::new(client, &settings.namespace),
            rules: Rules {
                domain: domain.clone(),
                chain_ids: settings.wallet.chain_ids.clone(),
            },
        })
    }

    /// What a message must say.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A nonce.
    #[must_use]
    pub fn offer(&self, now: Timestamp) -> Offer {
        let until = now + NONCE;
        Offer {
            nonce: nonce::issue(&self.nonces, until),
            until,
        }
    }

    /// Exchanges a signed message for a token. Its nonce is used up last, when nothing else is wrong: nobody
    /// can spoil that of another, and what is noted was asked for by the holder of a key.
    pub async fn sign_in(
        &self,
        text: &str,
        signature: &str,
        now: Timestamp,
    ) -> Result<Session, Fault> {
        let message = message::read(text)?;
        let nonce = nonce::read(&self.nonces, &message.nonce, now).ok_or(Refusal::Nonce)?;
        let proof = message::prove(&message, signature, &self.rules, now)?;
        if !self.used.use_up(&nonce, now).await? {
            return Err(Refusal::Nonce.into());
        }
        let until = now + self.lasts;
        let until = proof.until.map_or(until, |end| end.min(until));
        let token = self.tokens.issue(&proof.address, now, until);
        Ok(Session {
            token: token.map_err(Fault::internal)?,
            address: proof.address,
            until,
        })
    }

    /// The wallet of a token.
    pub fn wallet(&self, token: &str) -> Result<String, Fault> {
        let wallet = self.tokens.wallet(token);
        wallet.ok_or_else(|| {
            Fault::unauthorized(
                "this token is not good, or not any more: sign in at POST /auth/verify",
            )
        })
    }

    /// Forgets used nonces that nobody could use any more.
    pub async fn tidy(&self, now: Timestamp) {
        self.used.tidy(now).await;
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Form | Refusal::SignatureForm => Self::bad(refusal.to_string()),
            _ => Self::unauthorized(refusal.to_string()),
        }
    }
}
