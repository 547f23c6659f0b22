//! The log.

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// Starts the log on standard error. `filter` is in the form of `tracing`'s EnvFilter.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    // At a warning the client prints whole answers that it cannot read, and with them the documents
    // of users.
    let filter = EnvFilter::try_new(format!("kube_client::client=error,{filter}"))
        .map_err(|error| format!("--log {filter:?} is not a filter: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
