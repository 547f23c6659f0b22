//! How many logs are followed at one time, and whose turn it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::follower::TURN;

/// A bounded number of slots: who comes first is served first.
pub struct Slots {
    most: usize,
    free: Semaphore,
    queue: Mutex<Queue>,
    taken: Gauge,
}

#[derive(Default)]
struct Queue {
    next: u64,
    /// Since when each waits, in their order.
    waiting: BTreeMap<u64, Instant>,
}

/// A slot that is held as long as this value lives.
pub struct Slot<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    taken: &'a Gauge,
}

impl Slots {
    /// So many free slots; `taken` tells how many are not.
    pub fn new(most: usize, taken: Gauge) -> Self {
        Self {
            most,
            free: Semaphore::new(most),
            queue: Mutex::default(),
            taken,
        }
    }

    /// Whether there are no slots at all.
    pub fn is_none(&self) -> bool {
        self.most == 0
    }

    /// Waits for a slot.
    pub async fn enter(&self) -> Slot<'_> {
        let place = Place::last(self);
        // It is never closed.
        let permit = self.free.acquire().await.ok();
        drop(place);
        self.taken.inc();
        Slot {
            _permit: permit,
            taken: &self.taken,
        }
    }

    /// Whether somebody has waited for a whole turn.
    pub fn is_wanted(&self) -> bool {
        let queue = self.queue();
        let first = queue.waiting.values().next();
        first.is_some_and(|since| since.elapsed() >= TURN)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.taken.dec();
    }
}

/// A place in the queue, as long as this value lives.
struct Place<'a> {
    slots: &'a Slots,
    number: u64,
}

impl<'a> Place<'a> {
    fn last(slots: &'a Slots) -> Self {
        let mut queue = slots.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, Instant::now());
        drop(queue);
        Self { slots, number }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slots.queue().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_wanted_once_somebody_has_waited_for_a_turn() {
        let slots = Arc::new(Slots::new(1, Gauge::default()));
        let first = slots.enter().await;
        assert!(!slots.is_wanted());
        let mut second = Box::pin(slots.enter());
        let waited = tokio::time::timeout(TURN / 2, &mut second).await;
        assert!(waited.is_err() && !slots.is_wanted());
        tokio::time::advance(TURN / 2).await;
        assert!(slots.is_wanted());
        drop(first);
        let _second = second.await;
        assert!(!slots.is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_queue_is_not_waited_for() {
        let gauge = Gauge::<i64>::default();
        let slots = Slots::new(1, gauge.clone());
        let first = slots.enter().await;
        assert!(
            tokio::time::timeout(TURN, slots.enter()).await.is_err(),
            "taken"
        );
        assert!(!slots.is_wanted());
        assert_eq!(gauge.get(), 1);
        drop(first);
        drop(slots.enter().await);
        assert_eq!(gauge.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_go_round_and_nobody_starves() {
        let slots = Arc::new(Slots::new(4, Gauge::default()));
        let turns = Arc::new(Mutex::new(vec![0_u32; 20]));
        for run in 0..20 {
            let (slots, turns) = (slots.clone(), turns.clone());
            tokio::spawn(async move {
                loop {
                    let _slot = slots.enter().await;
                    turns.lock().unwrap()[run] += 1;
                    loop {
                        tokio::time::sleep(TURN).await;
                        if slots.is_wanted() {
                            break;
                        }
                    }
                }
            });
        }
        // Five rounds of twenty runs over four slots.
        tokio::time::sleep(TURN * 26).await;
        let turns = turns.lock().unwrap().clone();
        assert!(
            turns.iter().all(|&turns| (4..=7).contains(&turns)),
            "{turns:?}"
        );
    }
}
