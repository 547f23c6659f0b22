//! The HTTP API of the original orchestration server over the same resources: `dvre-operator gateway`.
//!
//! It is stateless: DvreWorkflow resources are its only store, so `kubectl`, GitOps and HTTP show the same
//! truth. A request goes one way: who asks ([`caller`]) → what it says ([`claims`]) → a resource
//! (`submission`) or a record (`record`).

pub mod auth;
mod call;
pub mod caller;
pub mod claims;
mod coerce;
mod connections;
mod document;
pub mod fault;
mod limits;
mod manners;
mod metrics;
pub mod openapi;
mod reach;
mod record;
pub mod role;
mod routes;
mod run;
mod sessions;
mod store;
mod stranger;
mod submission;
mod template;
#[cfg(test)]
mod testing;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;

use crate::settings::gateway::GatewaySettings;
use crate::stop::Stop;
use auth::Authenticator;
use limits::Limits;
use metrics::Metrics;
use reach::Reach;
use template::Templates;

/// How often callers that have not asked for long are forgotten.
const TIDY: Duration = Duration::from_mins(1);

/// What every request has at hand.
pub struct Gateway {
    settings: GatewaySettings,
    /// The gateway's own client.
    client: Client,
    authenticator: Authenticator,
    limits: Limits,
    metrics: Metrics,
    /// Whether it has been asked to end.
    ending: AtomicBool,
    reach: Reach,
    /// The templates of the folder.
    shipped: Templates,
    /// These, and those of the cluster.
    templates: RwLock<Arc<Templates>>,
}

impl Gateway {
    /// Reads the templates, and refuses settings that could never work.
    pub fn new(settings: GatewaySettings, client: Client) -> Result<Self, String> {
        settings.check()?;
        let shipped = template::read_folder(&settings.templates, &settings.template_images)?;
        Ok(Self {
            authenticator: Authenticator::new(&settings, client.clone())?,
            limits: Limits::new(&settings),
            metrics: Metrics::default(),
            reach: Reach::default(),
            ending: AtomicBool::new(false),
            templates: RwLock::new(Arc::new(shipped.clone())),
            shipped,
            settings,
            client,
        })
    }

    /// Whether it has been asked to end.
    fn ends(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// The templates at this moment.
    fn templates(&self) -> Arc<Templates> {
        let templates = self.templates.read();
        templates.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Offers these templates from now on.
    fn offer(&self, templates: Templates) {
        let mut offered = self
            .templates
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *offered = Arc::new(templates);
    }
}

/// Serves until the process is asked to end; what is under way then is finished.
pub async fn serve(settings: GatewaySettings, client: Client, stop: &Stop) -> Result<(), String> {
    let gateway = Arc::new(Gateway::new(settings, client)?);
    let listener = bind(gateway.settings.listen).await?;
    let listen = listener.local_addr().map_err(|error| error.to_string())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %listen,
        namespace = gateway.settings.namespace,
        templates = gateway.shipped.len(),
        "gateway starts"
    );
    let probes = async {
        match gateway.settings.probes {
            None => std::future::pending().await,
            Some(address) => {
                let listener = bind(address).await?;
                let served = axum::serve(listener, routes::probes(&gateway)).await;
                served.map_err(|error| error.to_string())
            }
        }
    };
    let tidy = async {
        let mut every = tokio::time::interval(TIDY);
        loop {
            every.tick().await;
            gateway.limits.tidy();
            gateway.authenticator.tidy().await;
        }
    };
    tokio::select! {
        () = connections::serve(listener, &gateway, stop) => {}
        ended = probes => { let (): () = ended?; }
        () = tidy => {}
        () = template::watch::follow(&gateway) => {}
        () = gateway.authenticator.follow() => {}
    }
    tracing::info!("gateway ends");
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("cannot listen on {address}: {error}"))
}
