//! Fetches input files over https.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};

use super::resolve::{Request, decode};
use crate::runner::memory::human;

/// Pauses before the second and third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that a server may be silent.
const SILENCE: Duration = Duration::from_mins(1);
const MOST_REDIRECTS: u32 = 5;

/// Fetches each address once, into a folder of its own.
pub struct Fetcher {
    folder: PathBuf,
    limit: u64,
    agent: Option<Agent>,
    next: usize,
    known: HashMap<String, PathBuf>,
}

/// Why a try failed.
struct Trouble {
    why: String,
    /// Another try may go better.
    passing: bool,
}

impl Fetcher {
    /// A fetcher that puts files of at most `limit` bytes below `folder`.
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        Self {
            folder,
            limit,
            agent: None,
            next: 0,
            known: HashMap::new(),
        }
    }

    /// Fetches a file, unless it has been fetched before; an error does not repeat what follows `?`
    /// in the address, for it may be a signature.
    pub fn fetch(&mut self, request: &Request<'_>) -> Result<PathBuf, String> {
        if let Some(path) = self.known.get(request.url)
            && request.name.is_none_or(|name| path.ends_with(name))
        {
            return Ok(path.clone());
        }
        let uri: Uri = request
            .url
            .parse()
            .map_err(|_| "not a valid address".to_owned())?;
        let shown = shown(&uri);
        let path = self
            .target(request, &uri)
            .map_err(|error| format!("cannot store {shown}: {error}"))?;
        self.fetch_to(request.url, &path)
            .map_err(|why| format!("{shown} could not be fetched: {why}"))?;
        self.known.insert(request.url.to_owned(), path.clone());
        Ok(path)
    }

    fn target(&mut self, request: &Request<'_>, uri: &Uri) -> std::io::Result<PathBuf> {
        let name = request
            .name
            .map_or_else(|| decode(uri.path()), ToOwned::to_owned);
        let name = name
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .replace(['%', '\0'], "_");
        let name = if matches!(name.as_str(), "" | "." | "..") {
            "download"
        } else {
            &name
        };
        if let Some(folder) = request.beside.filter(|folder| !folder.join(name).exists()) {
            return Ok(folder.join(name));
        }
        let folder = self.folder.join(self.next.to_string());
        self.next += 1;
        fs::create_dir_all(&folder)?;
        Ok(folder.join(name))
    }

    fn fetch_to(&mut self, url: &str, path: &Path) -> Result<(), String> {
        let limit = self.limit;
        let agent = self.agent.get_or_insert_with(agent);
        let mut pauses = PAUSES.iter();
        loop {
            match try_once(agent, url, path, limit) {
                Ok(()) => return Ok(()),
                Err(trouble) => match pauses.next().filter(|_| trouble.passing) {
                    Some(&pause) => thread::sleep(pause),
                    None => return Err(trouble.why),
                },
            }
        }
    }
}

/// An address without user, password and what follows `?`.
fn shown(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!("https://{host}{port}{}", uri.path())
}

/// The same of an address as text.
pub fn without_query(url: &str) -> String {
    url.parse()
        .map_or_else(|_| "https://".to_owned(), |uri| shown(&uri))
}

fn agent() -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        // Of redirects too.
        .https_only(true)
        .max_redirects(MOST_REDIRECTS)
        .http_status_as_error(false)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("dvre-runner/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn try_once(agent: &Agent, url: &str, path: &Path, limit: u64) -> Result<(), Trouble> {
    let mut response = agent.get(url).call().map_err(|error| Trouble::of(&error))?;
    let status = response.status();
    if !status.is_success() {
        let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        return Err(Trouble {
            why: format!("the server answered {status}"),
            passing,
        });
    }
    let too_large = || Trouble {
        why: format!("it is larger than the limit of {}", human(limit)),
        passing: false,
    };
    if response
        .body()
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large());
    }
    let store = |error: std::io::Error| Trouble {
        why: format!("cannot store it: {error}"),
        passing: false,
    };
    let mut file = File::create(path).map_err(store)?;
    let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
    let (mut size, mut chunk) = (0, vec![0; 256 << 10]);
    loop {
        let read = match body.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) => {
                return Err(Trouble {
                    why: format!("the transfer broke: {error}"),
                    passing: true,
                });
            }
        };
        size += read as u64;
        if size > limit {
            let _ = fs::remove_file(path);
            return Err(too_large());
        }
        file.write_all(chunk.get(..read).unwrap_or_default())
            .map_err(store)?;
    }
}

impl Trouble {
    fn of(error: &ureq::Error) -> Self {
        let (why, passing) = match error {
            ureq::Error::HostNotFound => ("there is no such host".to_owned(), true),
            ureq::Error::RequireHttpsOnly(_) => (
                "it redirects to http://, which is not safe".to_owned(),
                false,
            ),
            ureq::Error::TooManyRedirects => {
                (format!("more than {MOST_REDIRECTS} redirects"), false)
            }
            // A certificate that is not trusted now will not be in a moment.
            ureq::Error::Io(error) => (error.to_string(), error.kind() != ErrorKind::InvalidData),
            ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => (error.to_string(), true),
            other => (other.to_string(), false),
        };
        Self { why, passing }
    }
}
