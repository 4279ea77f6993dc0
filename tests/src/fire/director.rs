//! Who is killed when: spread over the run by the number of carts that are done.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng as _, seq::SliceRandom as _};

use super::{Field, buyer, keepsakes::Keepsake};
use crate::Mode;

/// Told how many carts are done, and what is being done to the mesh.
pub(super) type Progress = Arc<dyn Fn(usize, &str) + Send + Sync>;

/// How often each target is killed at the least.
const LEAST: usize = 4;
/// Postgres came back: within that time the mesh serves again.
const SERVING: Duration = Duration::from_secs(10);
/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum Act {
    Kill(&'static str),
    Redis,
    Postgres,
}

/// Does it all; comes back when every cart is done and every fault point was met. Gives what went wrong.
pub(super) async fn direct(field: &Arc<Field>, kept: &[Keepsake], progress: &Progress) -> Vec<String> {
    let orders = field.fire.orders;
    let mut problems = Vec::new();
    for (at, act) in acts(field) {
        wait(field, at, progress).await;
        progress(field.done(), &format!("{act:?}"));
        match act {
            Act::Kill(target) => {
                if !field.supervisor.kill(target).await {
                    problems.push(format!("{target} was not up for half a minute"));
                }
            }
            Act::Redis => redis(field, kept, &mut problems).await,
            Act::Postgres => postgres(field, &mut problems).await,
        }
    }
    wait(field, orders, progress).await;
    // Points that are seldom passed: the load goes on until all were met.
    while !field.supervisor.left().is_empty() && field.done() < orders * 2 {
        progress(field.done(), &format!("{} fault points left", field.supervisor.left().len()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    problems.extend(field.supervisor.left().into_iter().map(|point| format!("nobody came to the point {point}")));
    problems
}

/// What is done, after how many carts.
fn acts(field: &Field) -> Vec<(usize, Act)> {
    let fire = &field.fire;
    let mut chance = field.chance(u64::MAX - 1);
    let targets = field.supervisor.targets();
    let least = if fire.kills >= LEAST * targets.len() { LEAST } else { 1 };
    let mut kills: Vec<_> = targets.iter().flat_map(|target| std::iter::repeat_n(*target, least)).collect();
    while kills.len() < fire.kills {
        kills.push(targets[chance.random_range(0..targets.len())]);
    }
    kills.shuffle(&mut chance);
    let spread = |count: usize| (1..=count).map(move |n| fire.orders * n / (count + 1));
    let mut acts: Vec<_> = spread(kills.len()).zip(kills.into_iter().map(Act::Kill)).collect();
    if fire.mode == Mode::Split {
        acts.extend(spread(fire.redis_kills).map(|at| (at, Act::Redis)));
        acts.extend(spread(fire.postgres_restarts).map(|at| (at, Act::Postgres)));
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

async fn wait(field: &Field, at: usize, progress: &Progress) {
    while field.done() < at {
        progress(field.done(), "");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Redis is killed and comes back empty: nobody is logged out.
async fn redis(field: &Field, kept: &[Keepsake], problems: &mut Vec<String>) {
    let stores = field.mesh.stores().expect("a mesh with a Redis");
    let outage = field.supervisor.outage();
    stores.kill_redis();
    tokio::time::sleep(AWAY).await;
    stores.start_redis().await;
    drop(outage);
    field.tally.redis_killed();
    for keepsake in kept {
        problems.extend(keepsake.problem(field).await.map(|problem| format!("after Redis was emptied: {problem}")));
    }
}

/// Postgres is restarted as by a crash: no process ends, and orders are placed again soon.
async fn postgres(field: &Arc<Field>, problems: &mut Vec<String>) {
    let before = field.supervisor.seen().exits.len();
    let outage = field.supervisor.outage();
    let own = Arc::clone(field);
    let restart = move || own.postgres.as_ref().expect("a server of its own").restart_at_once();
    tokio::task::spawn_blocking(restart).await.expect("Postgres starts again");
    let back = Instant::now();
    let mut chance = field.chance(u64::MAX - 2);
    buyer::buy(field, &mut chance).await;
    let took = back.elapsed();
    drop(outage);
    field.tally.postgres_restarted(took);
    if took > SERVING {
        problems.push(format!("the mesh served {took:?} after Postgres was back"));
    }
    if field.supervisor.seen().exits.len() > before {
        problems.push("a process ended when Postgres was restarted".into());
    }
}
