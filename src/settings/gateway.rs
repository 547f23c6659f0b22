//! What whoever runs the gateway decides.

pub mod connections;
pub mod oidc;
pub mod wallet;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use self::connections::ConnectionSettings;
use self::oidc::OidcSettings;
use self::wallet::WalletSettings;
use super::LogFormat;
use crate::words::list;

/// Settings of the gateway.
#[derive(Args, Clone, Debug)]
pub struct GatewaySettings {
    /// Address of the API.
    #[arg(long, env = "DVRE_GATEWAY_LISTEN", default_value = "127.0.0.1:8888")]
    pub listen: SocketAddr,

    /// Address for `/livez`, `/readyz` and `/metrics`; none when not given.
    #[arg(long, env = "DVRE_GATEWAY_PROBES")]
    pub probes: Option<SocketAddr>,

    /// Namespace of the workflows.
    #[arg(long, env = "DVRE_GATEWAY_NAMESPACE", default_value = "default")]
    pub namespace: String,

    /// How callers prove who they are. There is no default, and no anonymous mode.
    #[arg(long, env = "DVRE_GATEWAY_AUTH", value_enum)]
    pub auth: AuthMode,

    /// Address ranges of the proxies in front of the gateway, such as `10.0.0.0/8`. Only they are believed
    /// what they say of a caller: the address and, with `trusted-headers`, the wallet and the role.
    #[arg(long, env = "DVRE_GATEWAY_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,

    /// With `trusted-headers`: who names no wallet may read nothing.
    #[arg(long, env = "DVRE_GATEWAY_CLOSED_READS")]
    pub closed_reads: bool,

    /// The OpenID provider.
    #[command(flatten)]
    pub oidc: OidcSettings,

    /// Sign-in with a wallet.
    #[command(flatten)]
    pub wallet: WalletSettings,

    /// With `oidc` and `wallet`: the ConfigMap, in the gateway's namespace, whose `roles.yaml` says who has
    /// which role in which project.
    #[arg(long, env = "DVRE_GATEWAY_PROJECT_ROLES")]
    pub project_roles: Option<String>,

    /// Folder with a folder for each template.
    #[arg(
        long,
        env = "DVRE_GATEWAY_TEMPLATES",
        default_value = "/usr/share/dvre/templates"
    )]
    pub templates: PathBuf,

    /// Images that templates name, such as `sklearn=docker.io/dvre/runner-sklearn:0.1.0`.
    #[arg(long = "template-image", env = "DVRE_GATEWAY_TEMPLATE_IMAGES", value_delimiter = ',', value_parser = parse_image)]
    pub template_images: Vec<(String, String)>,

    /// Deployments that a submission may name.
    #[arg(
        long,
        env = "DVRE_GATEWAY_DEPLOYMENTS",
        value_delimiter = ',',
        default_value = "local,docker,singularity,kubernetes"
    )]
    pub deployments: Vec<String>,

    /// Web pages that may call the API, such as `https://portal.example.org`; `*` for all.
    #[arg(
        long,
        env = "DVRE_GATEWAY_ALLOWED_ORIGINS",
        value_delimiter = ',',
        default_value = "*"
    )]
    pub allowed_origins: Vec<String>,

    /// The most bytes that a request's body may have. A Kubernetes object holds about 1.5 MB.
    #[arg(long, env = "DVRE_GATEWAY_BODY_LIMIT_BYTES", default_value_t = 2 << 20)]
    pub body_limit_bytes: usize,

    /// Seconds within which a request's body must have arrived.
    #[arg(long, env = "DVRE_GATEWAY_BODY_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub body_seconds: u64,

    /// Requests a second that one caller may make, and ten times as many at once; 0 for no limit.
    #[arg(long, env = "DVRE_GATEWAY_REQUESTS_PER_SECOND", default_value_t = 20)]
    pub requests_per_second: u32,

    /// Connections.
    #[command(flatten)]
    pub connections: ConnectionSettings,

    /// Form of the log.
    #[arg(long, env = "DVRE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What to log, such as `info` or `dvre_operator=debug`.
    #[arg(long, env = "DVRE_LOG", default_value = "info")]
    pub log: String,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum AuthMode {
    /// By a token of the cluster; what they do is done in their name, so that RBAC decides.
    Kubernetes,
    /// Not at all: the headers `X-User-Wallet` and `X-User-Role` are believed, from this machine and from
    /// trusted proxies alone.
    TrustedHeaders,
    /// By a token of an OpenID provider; their roles stand in a ConfigMap.
    Oidc,
    /// By a message that their wallet has signed (EIP-4361); their roles stand in a ConfigMap.
    Wallet,
}

impl GatewaySettings {
    /// Refuses what could never work, or would let anybody in.
    pub fn check(&self) -> Result<(), String> {
        let open = !self.listen.ip().is_loopback() && self.trusted_proxies.is_empty();
        if self.auth == AuthMode::TrustedHeaders && open {
            return Err(format!(
                "--auth=trusted-headers believes what a caller says of itself: listen on a loopback address \
                 instead of {}, or name the proxy in front with --trusted-proxies",
                self.listen
            ));
        }
        match self.auth {
            AuthMode::TrustedHeaders | AuthMode::Kubernetes => {}
            AuthMode::Oidc => {
                self.oidc.required()?;
            }
            AuthMode::Wallet => {
                self.wallet.required()?;
            }
        }
        if matches!(self.auth, AuthMode::Oidc | AuthMode::Wallet) && self.project_roles.is_none() {
            return Err(
                "--auth=oidc and --auth=wallet need --project-roles: without it nobody has a role"
                    .to_owned(),
            );
        }
        if self.deployments.is_empty() {
            return Err("--deployments: name at least one".to_owned());
        }
        Ok(())
    }

    /// Whether this address belongs to a proxy that is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|range| range.contains(&peer))
    }

    /// The deployments that a submission may name, for a message.
    #[must_use]
    pub fn deployment_names(&self) -> String {
        list(&self.deployments)
    }
}

fn parse_image(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, image)) if !name.is_empty() && !image.is_empty() => {
            Ok((name.to_owned(), image.to_owned()))
        }
        _ => Err("must be NAME=IMAGE".to_owned()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: GatewaySettings,
    }

    /// What these arguments mean.
    pub(crate) fn settings(arguments: &[&str]) -> GatewaySettings {
        let arguments = ["gateway"].iter().chain(arguments);
        Line::try_parse_from(arguments).unwrap().settings
    }

    #[test]
    fn headers_are_never_believed_from_everywhere() {
        let trusted = |more: &[&str]| {
            let arguments = ["--auth=trusted-headers"].iter().chain(more);
            settings(&arguments.copied().collect::<Vec<_>>()).check()
        };
        assert_eq!(trusted(&[]), Ok(()));
        assert!(trusted(&["--listen=0.0.0.0:8888"]).is_err());
        let behind = ["--listen=0.0.0.0:8888", "--trusted-proxies=10.0.0.0/8"];
        assert_eq!(trusted(&behind), Ok(()));
    }

    #[test]
    fn what_a_proof_needs_is_named() {
        let missing = |arguments: &[&str]| settings(arguments).check().unwrap_err();
        let oidc = ["--auth=oidc", "--oidc-issuer=https://id.example.org"];
        assert!(missing(&oidc[..1]).contains("--oidc-issuer"));
        assert!(missing(&oidc).contains("--oidc-audience"));
        let oidc = [&oidc[..], &["--oidc-audience=dvre"]].concat();
        assert!(missing(&oidc).contains("--project-roles"));
        let oidc = [&oidc[..], &["--project-roles=roles"]].concat();
        assert_eq!(settings(&oidc).check(), Ok(()));
        let plain = [
            "--auth=oidc",
            "--oidc-issuer=http://id.example.org",
            "--oidc-audience=dvre",
        ];
        assert!(missing(&plain).contains("https://"));

        let wallet = ["--auth=wallet", "--wallet-domain=localhost:8888"];
        assert!(missing(&wallet[..1]).contains("--wallet-domain"));
        assert!(missing(&wallet).contains("--wallet-key-file"));
        let wallet = [&wallet[..], &["--wallet-key-file=/key"]].concat();
        assert!(missing(&wallet).contains("--project-roles"));
        assert!(missing(&["--auth=wallet", "--wallet-domain=me@localhost"]).contains("HOST"));
    }

    #[test]
    fn there_is_no_way_in_by_default() {
        assert!(Line::try_parse_from(["gateway"]).is_err());
    }
}
