//! How long this process leads, and that it writes only then.

use axum::http::{Method, Request};
use tokio::sync::watch;
use tokio::time::Instant;

/// Time until which this process leads, told to whoever asks. It lasts no longer than the last renewal
/// of the Lease allows, even when nothing in this process has run since.
#[derive(Clone, Debug)]
pub struct Term(watch::Sender<Option<Instant>>);

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("this operator does not hold the lease, so that it writes nothing")]
pub struct NotLeading;

impl Default for Term {
    /// One that has not begun.
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Term {
    /// Makes it last until a time.
    pub fn extend(&self, until: Instant) {
        self.0.send_replace(Some(until));
    }

    /// Ends it at once.
    pub fn finish(&self) {
        self.0.send_replace(None);
    }

    /// When it ends; None before it begins.
    #[must_use]
    pub fn end(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Lets a request through that only reads, or that is made while this process leads.
    pub fn admit<B>(&self, request: Request<B>) -> Result<Request<B>, NotLeading> {
        let reads = request.method() == Method::GET;
        if reads || self.end().is_some_and(|end| Instant::now() < end) {
            Ok(request)
        } else {
            Err(NotLeading)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::before(None, 0, false)]
    #[case::while_it_lasts(Some(5), 4, true)]
    #[case::after(Some(5), 6, false)]
    #[tokio::test(start_paused = true)]
    async fn only_reads_pass_outside_of_a_term(
        #[case] lasts: Option<u64>,
        #[case] passed: u64,
        #[case] writes: bool,
    ) {
        let term = Term::default();
        if let Some(seconds) = lasts {
            term.extend(Instant::now() + Duration::from_secs(seconds));
        }
        tokio::time::advance(Duration::from_secs(passed)).await;
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let request = Request::builder().method(method).body(()).unwrap();
            assert_eq!(term.admit(request).is_ok(), writes);
        }
        assert!(term.admit(Request::new(())).is_ok());
    }
}
