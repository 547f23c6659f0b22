//! The loop: watches feed requests, and each resource goes the same straight way through
//! observe → plan → apply → status, a file a step.

pub mod apply;
pub mod attempts;
pub mod children;
pub mod clean;
pub mod context;
pub mod ending;
pub mod events;
pub mod finalizer;
pub mod finished;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod follow;
pub mod guarded;
pub mod memory;
pub mod observe;
pub mod placement;
pub mod plan;
pub mod pod;
pub mod progress;
pub mod queue;
pub mod references;
pub mod retention;
pub mod retry;
pub mod start;
pub mod status;
pub mod steer;
pub mod stopped;
pub mod tidy;
pub mod unreadable;
pub mod validate;
pub mod watches;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::runtime::controller::{Action, Config, applier};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};

pub use context::{Context, instance};
use guarded::Guarded;

/// How long one request to the API server may take, retries of the client included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause after repeated errors of one resource.
const MAX_BACKOFF: Duration = Duration::from_mins(5);

/// Why a reconcile could not be finished; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server said no, or could not be reached.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
    /// A child of an earlier resource of the same name is still being removed.
    #[error("{kind} {name} of an earlier resource of this name is still being removed")]
    Stale {
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The Job that cleans up was refused: the next look goes on without it.
    #[error("the Job that cleans up after the run was refused")]
    CleanUp,
    /// The log of a runner broke off.
    #[error("the log broke off: {0}")]
    Log(#[source] std::io::Error),
    /// There is a mistake in this program.
    #[error(
        "the operator came upon a mistake of its own, which the log shows before this: please report it"
    )]
    Panic,
    /// Something that always serialises did not.
    #[error("cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Bounds the time of one request.
async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
}

/// Runs the controller until `shutdown` resolves; reconciles under way are finished first.
pub async fn run(
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (store, queue) = watches::requests(&context);
    let queue = queue.take_until(shutdown);
    let config = Config::default().concurrency(context.settings.concurrency);
    let retention = retention::run(context.clone(), {
        let store = store.clone();
        move |namespace: &str, name: &str, uid: &str| {
            let known = store.get(&ObjectRef::new(name).within(namespace));
            known.is_some_and(|known| known.metadata.uid.as_deref() == Some(uid))
        }
    });
    let following = context.clone();
    let work =
        applier(reconcile_boxed, retry_later, context, store, queue, config).for_each(|result| {
            // A child may outlive the sight of its resource, as when the run is over.
            if let Err(error @ kube::runtime::controller::Error::RunnerError(_)) = result {
                tracing::error!(%error, "the controller's loop failed");
            }
            futures::future::ready(())
        });
    tokio::select! {
        () = work => {}
        () = retention => {}
    }
    following.followers.stop();
}

fn reconcile_boxed(
    object: Arc<Guarded>,
    context: Arc<Context>,
) -> futures::future::BoxFuture<'static, Result<Action, Error>> {
    Box::pin(isolated(reconcile(object, context)))
}

/// A panic is a mistake of ours, and what is wrong with one resource must not stop all others.
async fn isolated<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    // The hook has printed where it happened.
    result.unwrap_or(Err(Error::Panic))
}

/// Takes one resource from what is to what should be.
#[tracing::instrument(skip_all)]
async fn reconcile(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    context.metrics.reconciled();
    let workflow = match &object.object {
        Ok(workflow) => workflow,
        Err(error) => {
            unreadable::record(&context, &object.metadata, error).await?;
            return Ok(Action::await_change());
        }
    };
    let uid = workflow.uid().unwrap_or_default();
    context.jobs.ready().await;
    context.pods.ready().await;
    let observed = observe::observe(&context, workflow, context.memory.recall(&uid)).await?;
    context
        .memory
        .update(&uid, |remembered| remembered.resumed = observed.resumed);
    let plan = plan::plan(&observed);
    let plan = apply::apply(&context, &observed, plan).await?;
    if let Some(status) = status::status(&observed, &plan) {
        if let Some(pause) = status::pause(&observed, &status) {
            return Ok(Action::requeue(pause));
        }
        apply::write_status(&context, &observed, status).await?;
    }
    context
        .memory
        .update(&uid, |remembered| remembered.failures = 0);
    Ok(plan
        .again()
        .map_or_else(Action::await_change, Action::requeue))
}

/// How long to wait after an error: longer with each one in a row, and never all at once.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry_later(object: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    let failures = context
        .memory
        .failed(object.meta().uid.as_deref().unwrap_or_default());
    context.metrics.failed();
    let pause = backoff(failures, object.meta().uid.as_deref().unwrap_or_default());
    tracing::warn!(
        namespace = object.meta().namespace.as_deref().unwrap_or_default(),
        name = object.meta().name.as_deref().unwrap_or_default(),
        %error,
        failures,
        retry_in = ?pause,
        "reconcile failed"
    );
    Action::requeue(pause)
}

/// 0.25 s, doubled with each failure, up to 300 s, and up to a quarter more by the resource's uid.
fn backoff(failures: u32, uid: &str) -> Duration {
    let base = Duration::from_millis(250).saturating_mul(1 << failures.saturating_sub(1).min(12));
    let spread = uid.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let base = base.min(MAX_BACKOFF);
    base + base.mul_f64(f64::from(spread % 256) / 1024.0)
}

#[cfg(test)]
mod tests;
