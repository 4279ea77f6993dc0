//! A customer who does nothing wrong, and how long the mesh lets them wait.

use std::time::{Duration, Instant};

use omnimesh_proto::common::v1::Channel;

use crate::{Device, Mesh};

/// A customer reads their cart so often.
const PAUSE: Duration = Duration::from_millis(4);

/// A customer with something in the cart.
#[derive(Clone, Debug)]
pub struct Witness {
    device: Device,
}

/// What they saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How long each call took, shortest first.
    pub times: Vec<Duration>,
    /// Calls that failed, as what they said; none may.
    pub failed: Vec<String>,
}

impl Witness {
    /// A guest whose cart has a line of that SKU.
    pub async fn start(mesh: &Mesh, sku: &str) -> Self {
        let device = Device::start(mesh, Channel::App).await;
        device.add(sku, 1).await;
        Self { device }
    }

    /// Their token, for clients that misuse it.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.device.token
    }

    /// Watches for so long.
    pub async fn watch(&self, duration: Duration) -> Seen {
        let (start, mut seen) = (Instant::now(), Seen::default());
        while start.elapsed() < duration {
            let asked = Instant::now();
            match self.device.cart().await {
                Ok(_) => seen.times.push(asked.elapsed()),
                Err(status) => seen.failed.push(status.to_string()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        seen.times.sort();
        seen
    }
}

impl Seen {
    /// The time within which so many of a hundred calls were answered.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let place = (self.times.len() * percent).div_ceil(100).saturating_sub(1);
        self.times.get(place).copied().unwrap_or_default()
    }
}
