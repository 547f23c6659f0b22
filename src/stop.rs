//! How the process ends when it is asked to.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long work under way may go on: less than the grace period of a pod, 30 s, and than what a node
/// that shuts down leaves.
const DRAIN: Duration = Duration::from_secs(8);

/// Whether SIGTERM or SIGINT has asked the process to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens to signals. The first asks to end, a second ends the process at once.
    pub fn on_signals() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if sender.send_replace(true) {
                    tracing::warn!("asked a second time: ends at once");
                    std::process::exit(1);
                }
                tracing::info!("asked to end: finishes what is under way");
            }
        });
        Ok(Self(receiver))
    }

    /// One that a test asks.
    #[cfg(test)]
    pub(crate) fn asked_by(asked: watch::Receiver<bool>) -> Self {
        Self(asked)
    }

    /// Resolves once the process is asked to end.
    pub fn asked(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut asked = self.0.clone();
        async move {
            // An error means that nobody can ask any more, as the process is about to end.
            let _ = asked.wait_for(|asked| *asked).await;
        }
    }

    /// Does work that begins to end when the process is asked to, and cuts off what takes too long then,
    /// or all when `idle` says that none can have begun.
    pub async fn drain(&self, work: impl Future<Output = ()>, idle: impl Fn() -> bool) {
        let cut = async {
            self.asked().await;
            if !idle() {
                tokio::time::sleep(DRAIN).await;
                tracing::warn!(
                    "what is under way takes too long and is left: the next operator finds it"
                );
            }
        };
        tokio::select! {
            () = work => {}
            () = cut => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[rstest]
    #[case::work_that_ends(2, false, 2)]
    #[case::work_that_takes_too_long(60, false, 8)]
    #[case::no_work_yet(60, true, 0)]
    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_finished_within_bounds(
        #[case] takes: u64,
        #[case] idle: bool,
        #[case] seconds: u64,
    ) {
        let (sender, receiver) = watch::channel(false);
        let stop = Stop::asked_by(receiver);
        let asked = stop.asked();
        let work = async {
            asked.await;
            sleep(Duration::from_secs(takes)).await;
        };
        sender.send_replace(true);
        let since = Instant::now();
        stop.drain(work, || idle).await;
        assert_eq!(since.elapsed().as_secs(), seconds);
    }
}
