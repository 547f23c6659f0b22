//! The command line: `run`, `gateway`, `crd`, `openapi` and `render`.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::Request;
use clap::{Parser, Subcommand};
use futures::FutureExt;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tower::filter::FilterLayer;

use crate::api::schema;
use crate::controller::{self, Context};
use crate::lease::{Candidate, Lost};
use crate::metrics::Metrics;
use crate::settings::election::ElectionSettings;
use crate::settings::gateway::GatewaySettings;
use crate::settings::{RunSettings, Settings};
use crate::stop::Stop;
use crate::{gateway, offline, server, telemetry};

/// Runs CWL workflows on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "dvre-operator", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator against the cluster of the pod, or of the current kubeconfig.
    Run(Box<Settings>),
    /// Serve the HTTP API of the original orchestration server over the same resources.
    Gateway(Box<GatewaySettings>),
    /// Print the CustomResourceDefinition.
    Crd,
    /// Print the OpenAPI document of the gateway.
    Openapi,
    /// Print the objects that a resource becomes, without a cluster, or why it is refused.
    Render {
        /// A YAML file with a DvreWorkflow, and the ConfigMaps that it names; `-` is standard input.
        file: PathBuf,
        /// Settings of the runs.
        #[command(flatten)]
        settings: Box<RunSettings>,
    },
}

impl Cli {
    /// Does what the command line says. Errors are for the person at the terminal.
    pub fn execute(self) -> Result<(), String> {
        match self.command {
            Command::Run(settings) => {
                telemetry::init(&settings.log, settings.log_format)?;
                run(operate(*settings))
            }
            Command::Gateway(settings) => {
                telemetry::init(&settings.log, settings.log_format)?;
                run(serve(*settings))
            }
            Command::Crd => {
                let crd =
                    serde_yaml::to_string(&schema::crd()).map_err(|error| error.to_string())?;
                print!("{crd}");
                Ok(())
            }
            Command::Openapi => {
                let document = serde_json::to_string_pretty(gateway::openapi::document());
                println!("{}", document.map_err(|error| error.to_string())?);
                Ok(())
            }
            Command::Render { file, settings } => {
                print!("{}", offline::render(&offline::read(&file)?, &settings)?);
                Ok(())
            }
        }
    }
}

fn run(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    // Requests wait far more than they compute: a thread for the work and one beside it are enough,
    // and each costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(work)
}

async fn serve(settings: GatewaySettings) -> Result<(), String> {
    let stop = Stop::on_signals().map_err(|error| error.to_string())?;
    let client = Client::try_default().await;
    let client = client.map_err(|error| format!("no cluster can be reached: {error}"))?;
    gateway::serve(settings, client, &stop).await
}

async fn operate(settings: Settings) -> Result<(), String> {
    let stop = Stop::on_signals().map_err(|error| error.to_string())?;
    let (client, candidate) = connect(&settings.election)
        .await
        .map_err(|error| format!("no cluster can be reached: {error}"))?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    let context = Arc::new(Context::new(client, settings, Arc::new(Metrics::default())));
    let listen = listener.local_addr().map_err(|error| error.to_string())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, "operator starts");
    let led = async {
        let work = work(&context, &stop);
        match &candidate {
            Some(candidate) => candidate.lead(work, stop.asked()).await?,
            None => work.await,
        }
        Ok::<(), Lost>(())
    };
    tokio::select! {
        served = server::serve(listener, context.clone()) => served.map_err(|error| error.to_string())?,
        done = led => done.map_err(|error| error.to_string())?,
    }
    tracing::info!("operator ends");
    Ok(())
}

/// Everything that an operator does while no other does it.
async fn work(context: &Arc<Context>, stop: &Stop) {
    context.lead();
    let controller = controller::run(context.clone(), stop.asked());
    let finished = controller::finished::run(context.clone(), stop.asked());
    let all = async { tokio::join!(controller, finished) };
    stop.drain(all.map(|_| ()), || !context.is_ready()).await;
}

/// A client for the work and, with election, who wants to lead. That client writes only while it leads;
/// the Lease has another, for which no request of the work is in the way.
async fn connect(
    election: &ElectionSettings,
) -> Result<(Client, Option<Candidate>), Box<dyn std::error::Error>> {
    let config = Config::infer().await?;
    let client = Client::try_from(config.clone())?;
    if !election.leader_elect {
        return Ok((client, None));
    }
    let candidate = Candidate::new(client, election.clone(), &controller::instance());
    let term = candidate.term();
    let fence = FilterLayer::new(move |request: Request<Body>| term.admit(request));
    let client = ClientBuilder::try_from(config)?.with_layer(&fence).build();
    Ok((client, Some(candidate)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
