//! The command line: `run`, `crd` and `render`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use kube::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::schema;
use crate::controller::{self, Context};
use crate::metrics::Metrics;
use crate::settings::{RunSettings, Settings};
use crate::{offline, server, telemetry};

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
    /// Print the CustomResourceDefinition.
    Crd,
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
            Command::Run(settings) => run(*settings),
            Command::Crd => {
                let crd =
                    serde_yaml::to_string(&schema::crd()).map_err(|error| error.to_string())?;
                print!("{crd}");
                Ok(())
            }
            Command::Render { file, settings } => {
                print!("{}", offline::render(&offline::read(&file)?, &settings)?);
                Ok(())
            }
        }
    }
}

fn run(settings: Settings) -> Result<(), String> {
    telemetry::init(&settings.log, settings.log_format)?;
    // Requests wait far more than they compute: a thread for the work and one beside it are enough,
    // and each costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(operate(settings))
}

async fn operate(settings: Settings) -> Result<(), String> {
    let client = Client::try_default()
        .await
        .map_err(|error| format!("no cluster can be reached: {error}"))?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    let context = Arc::new(Context::new(client, settings, Arc::new(Metrics::default())));
    let stopping = stop_signal().map_err(|error| error.to_string())?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "operator starts");
    let server = server::serve(listener, context.clone(), stopped(stopping.clone()));
    let controller = controller::run(context.clone(), stopped(stopping.clone()));
    let finished = controller::finished::run(context, stopped(stopping));
    let (result, (), ()) = tokio::join!(server, controller, finished);
    tracing::info!("operator ends");
    result.map_err(|error| error.to_string())
}

/// Turns true once SIGTERM or SIGINT asks the process to end.
fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(receiver)
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and so the signal came.
    let _ = stopping.wait_for(|stop| *stop).await;
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
