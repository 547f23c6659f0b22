//! Whose tokens are believed with `--auth=oidc`.

use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::Uri;
use clap::Args;

/// The OpenID provider.
#[derive(Args, Clone, Debug)]
pub struct OidcSettings {
    /// With `oidc`: the issuer of the tokens, as its discovery document names it, such as
    /// `https://id.example.org/realms/lab`. Plain http is for an issuer on this machine alone.
    #[arg(long = "oidc-issuer", env = "DVRE_GATEWAY_OIDC_ISSUER")]
    pub issuer: Option<String>,

    /// With `oidc`: for whom a token must have been made out (`aud`).
    #[arg(long = "oidc-audience", env = "DVRE_GATEWAY_OIDC_AUDIENCE")]
    pub audience: Option<String>,

    /// With `oidc`: the claim with the name of the caller. It should be one that people cannot choose.
    #[arg(
        long = "oidc-username-claim",
        env = "DVRE_GATEWAY_OIDC_USERNAME_CLAIM",
        default_value = "sub"
    )]
    pub username_claim: String,

    /// With `oidc`: the claim with the groups of the caller; none when not given.
    #[arg(long = "oidc-groups-claim", env = "DVRE_GATEWAY_OIDC_GROUPS_CLAIM")]
    pub groups_claim: Option<String>,

    /// With `oidc`: a PEM file with the authorities that may certify the issuer, instead of those of the
    /// system. The gateway's image has none of its own.
    #[arg(long = "oidc-ca-file", env = "DVRE_GATEWAY_OIDC_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

impl OidcSettings {
    /// The issuer and the audience, or which of them is missing or wrong.
    pub fn required(&self) -> Result<(&str, &str), String> {
        let given = |value: &'_ Option<String>| value.as_ref().is_some_and(|text| !text.is_empty());
        for (value, flag) in [
            (&self.issuer, "--oidc-issuer"),
            (&self.audience, "--oidc-audience"),
        ] {
            if !given(value) {
                return Err(format!("--auth=oidc needs {flag}"));
            }
        }
        let issuer = self.issuer.as_deref().unwrap_or_default();
        if !is_address(issuer) || issuer.contains(['?', '#']) {
            return Err(format!(
                "--oidc-issuer {issuer}: must be https://HOST/PATH (http:// on a loopback address alone)"
            ));
        }
        Ok((issuer, self.audience.as_deref().unwrap_or_default()))
    }
}

/// Whether something may be fetched from there: over https or, on this machine, over http.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let plain = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") => plain,
        Some("http") => plain && uri.host().is_some_and(is_loopback),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_judged_by_what_came_over_https() {
        for good in [
            "https://id.example.org",
            "https://id.example.org:8443/realms/lab",
            "http://localhost:8080",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "id.example.org",
            "/realms/lab",
            "http://id.example.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://10.0.0.1",
            "https://me@id.example.org",
            "ftp://localhost",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
