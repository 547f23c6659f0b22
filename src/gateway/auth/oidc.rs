//! Callers that an OpenID provider knows: its tokens are checked here, with the keys that it publishes.

pub mod discovery;
mod keys;
mod subject;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode_header};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::discovery::Discovery;
use self::keys::Keys;
pub use self::subject::Subject;
use super::crypto;
use crate::gateway::fault::Fault;
use crate::settings::gateway::oidc::OidcSettings;

/// Longest token that is looked at.
const LONGEST: usize = 16 << 10;
/// How far the clocks of provider and gateway may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// How old keys may become before new ones are asked for.
const FRESH: Duration = Duration::from_mins(10);
/// How long keys are used while the provider does not answer.
const KEPT: Duration = Duration::from_hours(1);
/// The least time between two questions: anybody can send a token with a key that nobody knows.
const PAUSE: Duration = Duration::from_secs(5);

/// An OpenID provider.
pub struct Provider {
    settings: OidcSettings,
    issuer: String,
    audience: String,
    discovery: Arc<Discovery>,
    known: RwLock<Arc<Known>>,
    /// Whose turn it is to ask the provider.
    turn: Mutex<()>,
}

/// What is known of its keys.
#[derive(Clone, Default)]
struct Known {
    keys: Keys,
    /// When these were read; never before the first time.
    read: Option<Instant>,
    /// When the provider was asked last.
    asked: Option<Instant>,
}

impl Known {
    fn is_younger(&self, than: Duration) -> bool {
        self.read.is_some_and(|at| at.elapsed() < than)
    }
}

impl Provider {
    /// The provider that the settings name. It is asked when the first token comes.
    pub fn new(settings: &OidcSettings) -> Result<Self, String> {
        crypto::install();
        let (issuer, audience) = settings.required()?;
        Ok(Self {
            discovery: Arc::new(Discovery::new(issuer, settings.ca_file.as_deref())?),
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            settings: settings.clone(),
            known: RwLock::default(),
            turn: Mutex::default(),
        })
    }

    /// Whose token this is. What is wrong with one that is refused is told in the log alone.
    pub async fn subject(&self, token: &str) -> Result<Subject, Fault> {
        let refused = |why: String| {
            tracing::debug!(why, "a token is refused");
            Fault::unauthorized(
                "this token is not good here, or not any more: ask your provider for a new one",
            )
        };
        let (key, algorithm) = match header(token) {
            Ok((kid, algorithm)) => (self.key(&kid, algorithm).await?, algorithm),
            Err(why) => return Err(refused(why)),
        };
        let key = key.ok_or_else(|| refused("the provider has no such key".to_owned()))?;
        let claims = self.claims(token, &key, algorithm).map_err(refused)?;
        Subject::read(&claims, &self.settings).map_err(refused)
    }

    /// The claims of a token, once everything about it is as it must be.
    fn claims(
        &self,
        token: &str,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<Map<String, Value>, String> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        let token = jsonwebtoken::decode(token, key, &validation);
        token
            .map(|token| token.claims)
            .map_err(|error| error.to_string())
    }

    /// The key of this id, if it is one for this algorithm. One that is not known may be new.
    async fn key(&self, kid: &str, algorithm: Algorithm) -> Result<Option<DecodingKey>, Fault> {
        let mut known = self.known();
        if !known.is_younger(FRESH) || !known.keys.has(kid) {
            // Who has a key at hand, though not of this minute, does not wait for others.
            let turn = if known.is_younger(KEPT) && known.keys.has(kid) {
                self.turn.try_lock().ok()
            } else {
                Some(self.turn.lock().await)
            };
            if turn.is_some() {
                self.ask().await;
            }
            known = self.known();
        }
        if !known.is_younger(KEPT) {
            return Err(Fault::unavailable(
                "the keys of the provider are not known at the moment: try again",
            ));
        }
        Ok(known.keys.find(kid, algorithm).cloned())
    }

    /// Asks for the keys, unless somebody did a moment ago.
    async fn ask(&self) {
        let mut known = Known::clone(&self.known());
        if known.asked.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        let discovery = self.discovery.clone();
        let read = tokio::task::spawn_blocking(move || discovery.keys()).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        known.asked = Some(Instant::now());
        match read {
            Ok(keys) => {
                known.keys = keys;
                known.read = known.asked;
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    issuer = self.issuer,
                    "the keys of the provider cannot be read"
                );
            }
        }
        let mut stored = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *stored = Arc::new(known);
    }

    fn known(&self) -> Arc<Known> {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The key and the algorithm that a token names. Nothing of it is proven yet.
fn header(token: &str) -> Result<(String, Algorithm), String> {
    if token.len() > LONGEST {
        return Err("it is too long".to_owned());
    }
    let header = decode_header(token).map_err(|error| error.to_string())?;
    if !crypto::ASYMMETRIC.contains(&header.alg) {
        return Err(format!("algorithm {:?}", header.alg));
    }
    if header.crit.is_some() {
        return Err("it demands what is not understood".to_owned());
    }
    let kid = header.kid.ok_or("it names no key")?;
    Ok((kid, header.alg))
}
