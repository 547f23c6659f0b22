//! How wallets sign in with `--auth=wallet`.

use std::path::{Path, PathBuf};

use axum::http::uri::Authority;
use clap::Args;

/// Sign-in with Ethereum.
#[derive(Args, Clone, Debug)]
pub struct WalletSettings {
    /// With `wallet`: the domain for which a message must be signed, as browsers show it, such as
    /// `portal.example.org` or `localhost:8888`.
    #[arg(long = "wallet-domain", env = "DVRE_GATEWAY_WALLET_DOMAIN")]
    pub domain: Option<Authority>,

    /// With `wallet`: ids of the chains for which a message may be signed; any when not given.
    #[arg(
        long = "wallet-chain-ids",
        env = "DVRE_GATEWAY_WALLET_CHAIN_IDS",
        value_delimiter = ','
    )]
    pub chain_ids: Vec<u64>,

    /// With `wallet`: a file with a secret of at least 32 bytes, the same for every replica. Nonces and
    /// tokens are signed with keys that are derived from it.
    #[arg(long = "wallet-key-file", env = "DVRE_GATEWAY_WALLET_KEY_FILE")]
    pub key_file: Option<PathBuf>,

    /// With `wallet`: minutes for which a token is good.
    #[arg(
        long = "wallet-token-minutes",
        env = "DVRE_GATEWAY_WALLET_TOKEN_MINUTES",
        default_value_t = 15,
        value_parser = clap::value_parser!(u32).range(1..=1440)
    )]
    pub token_minutes: u32,
}

impl WalletSettings {
    /// The domain and the file with the secret, or which of them is missing or wrong.
    pub fn required(&self) -> Result<(&Authority, &Path), String> {
        let domain = self.domain.as_ref();
        let domain = domain.ok_or("--auth=wallet needs --wallet-domain")?;
        if domain.as_str().contains('@') || domain.host().is_empty() {
            return Err(format!(
                "--wallet-domain {domain}: must be HOST or HOST:PORT"
            ));
        }
        let file = self.key_file.as_deref();
        Ok((domain, file.ok_or("--auth=wallet needs --wallet-key-file")?))
    }
}
