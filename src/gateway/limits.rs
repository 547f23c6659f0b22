//! How often one caller may ask.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::http::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::caller::Caller;
use super::fault::Fault;
use crate::settings::gateway::GatewaySettings;

/// How many seconds' worth of requests may come at once.
const BURST: u32 = 10;

/// How many requests one counts for that comes from somebody who has proven nothing: it makes work, and may
/// leave something in the cluster.
const STRANGER: u32 = 5;

/// Who is counted as one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Key {
    /// Somebody who has proven its name.
    Name(String),
    /// Whoever asks from there.
    Address(IpAddr),
    /// Whoever sends tokens from there that are not known yet.
    Tokens(IpAddr),
    /// Whoever has proven nothing and asks from this network.
    Stranger(IpAddr),
}

/// Counts the requests of each caller.
pub struct Limits {
    limiter: Option<DefaultKeyedRateLimiter<Key>>,
    settings: GatewaySettings,
}

impl Limits {
    /// The limits that the settings ask for.
    #[must_use]
    pub fn new(settings: &GatewaySettings) -> Self {
        let limiter = NonZeroU32::new(settings.requests_per_second).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::new(BURST).unwrap_or(rate));
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Self {
            limiter,
            settings: settings.clone(),
        }
    }

    /// Refuses a request where too many of the same caller came before. Who has proven its name is counted
    /// by that, and anybody else by address.
    pub fn admit(&self, caller: &Caller, headers: &HeaderMap, peer: IpAddr) -> Result<(), Fault> {
        let key = match &caller.name {
            Some(name) => Key::Name(name.clone()),
            None => Key::Address(self.address(headers, peer)),
        };
        self.count(&key, 1)
    }

    /// The same for somebody who has proven nothing, by network.
    pub fn admit_stranger(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Fault> {
        self.count(&Key::Stranger(self.network(headers, peer)), STRANGER)
    }

    /// The same for a token that the cluster has to be asked about, which may be anything.
    pub fn admit_token(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Fault> {
        self.count(&Key::Tokens(self.network(headers, peer)), 1)
    }

    /// Of IPv6 anybody has many addresses.
    fn network(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        match self.address(headers, peer) {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address @ IpAddr::V4(_) => address,
        }
    }

    fn count(&self, key: &Key, times: u32) -> Result<(), Fault> {
        let (Some(limiter), Some(times)) = (&self.limiter, NonZeroU32::new(times)) else {
            return Ok(());
        };
        // One that could never pass does not exist: more may come at once than one counts for.
        let Ok(counted) = limiter.check_key_n(key, times) else {
            return Err(Fault::too_many(1));
        };
        counted.map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Fault::too_many(
                u32::try_from(wait.as_secs())
                    .unwrap_or(u32::MAX)
                    .saturating_add(1),
            )
        })
    }

    /// Forgets callers that have not asked for long.
    pub fn tidy(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// The address of the caller: the last one that no trusted proxy has.
    fn address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut address = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter();
        let forwarded: Vec<_> = forwarded.filter_map(|value| value.to_str().ok()).collect();
        let forwarded = forwarded.join(",");
        for hop in forwarded.rsplit(',') {
            if !self.settings.trusts(address) {
                break;
            }
            let Ok(hop) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            address = hop.to_canonical();
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::gateway::caller::Authority;
    use crate::gateway::testing::caller;
    use crate::settings::gateway::tests::settings;

    fn limits(rate: u32) -> Limits {
        let rate = format!("--requests-per-second={rate}");
        Limits::new(&settings(&[
            "--auth=kubernetes",
            "--trusted-proxies=10.0.0.0/8",
            &rate,
        ]))
    }

    fn forwarded(text: &str) -> HeaderMap {
        [("x-forwarded-for".parse().unwrap(), text.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[tokio::test]
    async fn one_caller_does_not_use_up_the_share_of_another() {
        let limits = limits(1);
        let nobody = caller(None, Authority::Cluster);
        let ask = |from: &str| limits.admit(&nobody, &HeaderMap::new(), from.parse().unwrap());
        for _ in 0..BURST {
            ask("192.0.2.1").unwrap();
        }
        let fault = ask("192.0.2.1").unwrap_err();
        assert_eq!(fault.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(fault.retry_after, Some(1));
        ask("192.0.2.2").unwrap();
        let alice = caller(Some("alice"), Authority::Cluster);
        limits
            .admit(&alice, &HeaderMap::new(), "192.0.2.1".parse().unwrap())
            .unwrap();
    }

    #[test]
    fn strangers_are_counted_by_network_and_for_more() {
        let limits = limits(1);
        let ask = |from: &str| limits.admit_stranger(&HeaderMap::new(), from.parse().unwrap());
        for _ in 0..BURST / STRANGER {
            ask("2001:db8::1").unwrap();
        }
        let fault = ask("2001:db8::2").unwrap_err();
        assert_eq!(fault.status, StatusCode::TOO_MANY_REQUESTS);
        ask("2001:db8:0:1::1").unwrap();
        ask("192.0.2.1").unwrap();
    }

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let limits = limits(1);
        let address = |peer: &str, sent: &str| {
            let address = limits.address(&forwarded(sent), peer.parse().unwrap());
            address.to_string()
        };
        assert_eq!(address("192.0.2.9", "203.0.113.1"), "192.0.2.9");
        assert_eq!(address("10.0.0.1", "203.0.113.1"), "203.0.113.1");
        assert_eq!(
            address("10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.2"),
            "203.0.113.1"
        );
        assert_eq!(address("10.0.0.1", "nonsense"), "10.0.0.1");
    }

    #[tokio::test]
    async fn no_limit_is_none() {
        let limits = limits(0);
        let nobody = caller(None, Authority::Cluster);
        for _ in 0..1000 {
            let admitted = limits.admit(&nobody, &HeaderMap::new(), "192.0.2.1".parse().unwrap());
            admitted.unwrap();
        }
    }
}
