//! How many requests a route takes: a bucket of tokens for each route, as API Gateway has them.

use crate::template::{RouteSpec, Throttling};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The buckets of all routes; without limits nothing is refused.
#[derive(Default)]
pub struct Throttle {
    limits: Option<Throttling>,
    /// By method and path: the tokens that were left, and when.
    buckets: Mutex<BTreeMap<(String, String), (f64, Instant)>>,
}

impl Throttle {
    /// Full buckets.
    pub fn new(limits: Option<Throttling>) -> Throttle {
        Throttle {
            limits,
            buckets: Mutex::default(),
        }
    }

    /// Whether the route takes one more request now.
    pub fn takes(&self, route: &RouteSpec, now: Instant) -> bool {
        let Some(limits) = &self.limits else {
            return true;
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (route.method.clone(), route.path.clone());
        let (left, at) = buckets.entry(key).or_insert((limits.burst, now));
        let passed = now.saturating_duration_since(*at).as_secs_f64();
        *left = (*left + passed * limits.rate).min(limits.burst);
        *at = now;
        let takes = *left >= 1.0;
        if takes {
            *left -= 1.0;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn route(path: &str) -> RouteSpec {
        RouteSpec {
            method: "GET".to_owned(),
            path: path.to_owned(),
            function: "F".to_owned(),
            authorizer: None,
        }
    }

    #[test]
    fn f60_a_flood_on_one_route_takes_nothing_from_the_others_and_ends() {
        let throttle = Throttle::new(Some(Throttling {
            rate: 10.0,
            burst: 5.0,
        }));
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);
        let flood = (0..1_000).filter(|ms| throttle.takes(&route("/a"), after(*ms)));
        // Its burst, and what came since: 999 ms at ten a second.
        assert_eq!(flood.count(), 5 + 9);
        for ms in 0..5 {
            assert!(throttle.takes(&route("/b"), after(ms)), "{ms}");
        }
        assert!(!throttle.takes(&route("/a"), after(999)));
        // A long pause fills the bucket, and no further.
        let later = (0..10).filter(|_| throttle.takes(&route("/a"), after(60_000)));
        assert_eq!(later.count(), 5);
        assert!((0..10_000).all(|_| Throttle::new(None).takes(&route("/a"), began)));
    }
}
