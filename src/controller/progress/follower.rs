//! IO: follows the log of one pod, again and again, until nobody wants it any more.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::AsyncBufReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Known;
use super::records::Records;
use super::slots::Slots;
use crate::controller::{Error, backoff, within};
use crate::names::RUNNER_CONTAINER;
use crate::runner::record::{PROGRESS_TAIL, Progress};

/// How long a slot may be held while others wait for one.
pub const TURN: Duration = Duration::from_secs(5);
/// The end of a log comes in several pieces, of which only the last tells what is true now.
const SETTLED: Duration = Duration::from_millis(200);
/// A connection that is silent for so long may be dead.
const SILENCE: Duration = Duration::from_mins(2);
/// Bytes of one log that are read at once: no end of a log has more.
const BURST: u64 = PROGRESS_TAIL as u64 * (16 << 10);
/// Bytes a second beyond. A log that grows faster is left for a while, and then read from its end.
const BYTES_PER_SECOND: u64 = 1 << 20;
const FLOOD_PAUSE: Duration = Duration::from_secs(BURST / BYTES_PER_SECOND);
/// After so long a connection was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// Whose log is followed.
pub struct Follower {
    /// Client of the API server.
    pub client: Client,
    /// Namespace of the pod.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Bounds how many are followed at one time.
    pub slots: Arc<Slots>,
}

/// Why reading ended.
enum End {
    /// Others wait for a slot, or nothing was heard for long.
    Turn,
    /// There is too much of it.
    Flood,
    /// The other side closed the connection.
    Closed,
}

impl Follower {
    /// Puts the latest progress into `found`. Ends only when it is dropped.
    pub async fn run(&self, found: watch::Sender<Known>) {
        let mut failures = 0;
        loop {
            let slot = self.slots.enter().await;
            let began = Instant::now();
            // Only those that read need the memory for it.
            let end = Box::pin(self.read(&found)).await;
            drop(slot);
            if began.elapsed() >= GOOD {
                failures = 0;
            }
            let pause = match end {
                Ok(End::Turn) => Duration::ZERO,
                Ok(End::Flood) => FLOOD_PAUSE,
                Ok(End::Closed) => {
                    failures += 1;
                    backoff(failures, &self.pod)
                }
                Err(error) => {
                    failures += 1;
                    let pause = backoff(failures, &self.pod);
                    tracing::debug!(
                        namespace = self.namespace,
                        pod = self.pod,
                        %error,
                        retry_in = ?pause,
                        "a runner's log cannot be followed"
                    );
                    pause
                }
            };
            sleep(pause).await;
        }
    }

    async fn read(&self, found: &watch::Sender<Known>) -> Result<End, Error> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = LogParams {
            container: Some(RUNNER_CONTAINER.to_owned()),
            follow: true,
            tail_lines: i64::try_from(PROGRESS_TAIL).ok(),
            ..LogParams::default()
        };
        let mut log = pin!(within(api.log_stream(&self.pod, &params)).await?);
        let mut records = Records::default();
        let mut latest = None;
        let opened = Instant::now();
        let (mut heard, mut bytes) = (opened, 0);
        loop {
            let settled = opened.elapsed() >= SETTLED;
            let longest = if settled { TURN } else { SETTLED };
            if let Ok(piece) = timeout(longest, log.fill_buf()).await {
                let piece = piece.map_err(Error::Log)?;
                let length = piece.len();
                latest = records.push(piece).or(latest);
                if length == 0 {
                    publish(found, &mut latest);
                    return Ok(End::Closed);
                }
                log.consume_unpin(length);
                heard = Instant::now();
                bytes += length as u64;
            }
            let age = opened.elapsed();
            if age >= SETTLED {
                publish(found, &mut latest);
            }
            if bytes > BURST + BYTES_PER_SECOND * age.as_secs() {
                publish(found, &mut latest);
                return Ok(End::Flood);
            }
            if heard.elapsed() >= SILENCE || (age >= TURN && self.slots.is_wanted()) {
                return Ok(End::Turn);
            }
        }
    }
}

/// Makes progress known that differs from what is known.
fn publish(found: &watch::Sender<Known>, latest: &mut Option<Progress>) {
    if let Some(progress) = latest.take() {
        found.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&progress);
            if is_new {
                *known = Some(Arc::new(progress));
            }
            is_new
        });
    }
}
