//! Keeps the processes running, as Kubernetes would: whatever ends is started again. Each life of a process is armed with one
//! fault point at which it dies, until it has died at all of its points.

use std::{
    collections::{BTreeMap, VecDeque},
    os::unix::process::ExitStatusExt as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use omnimesh_kit::fault::{self, PAUSING, POINTS};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{Field, Fire};
use crate::{
    Mesh, Mode,
    mesh::{TARGETS, WHOLE, is_defect},
    process::Process,
};

const LOOK: Duration = Duration::from_millis(10);
const ABORTED: i32 = 6;
const PAUSE: u64 = 150;

/// One process with all its lives.
struct Slot {
    target: &'static str,
    process: Process,
    // The fault point of this life.
    armed: Option<&'static str>,
    waiting: VecDeque<&'static str>,
    is_up: bool,
    killed: bool,
    // How many lines of its log and output were read.
    read: usize,
}

/// What was seen of the processes.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Kills from outside, by target.
    pub(super) kills: BTreeMap<&'static str, usize>,
    /// Deaths at fault points, by target.
    pub(super) deaths: BTreeMap<(&'static str, &'static str), usize>,
    /// Pauses at fault points.
    pub(super) pauses: BTreeMap<String, usize>,
    /// Processes that ended by themselves.
    pub(super) exits: Vec<String>,
    /// Processes that did not come up because a store was away.
    pub(super) false_starts: usize,
    /// Lines of logs that tell of a defect.
    pub(super) defects: Vec<String>,
}

/// All processes of a mesh.
pub(super) struct Supervisor {
    slots: Mutex<Vec<Slot>>,
    seen: Mutex<Seen>,
    chance: Mutex<StdRng>,
    armed: AtomicBool,
    // How many stores are away just now.
    outages: AtomicUsize,
    passes: u64,
}

impl Supervisor {
    pub(super) fn new(mesh: &mut Mesh, fire: &Fire) -> Self {
        let targets = if mesh.mode() == Mode::Split { TARGETS.to_vec() } else { vec![WHOLE] };
        let slots = targets.into_iter().zip(mesh.hand_over()).map(|(target, process)| Slot {
            target,
            process,
            armed: None,
            waiting: points_of(target, fire.every_point),
            is_up: true,
            killed: false,
            read: 0,
        });
        Self {
            slots: Mutex::new(slots.collect()),
            seen: Mutex::default(),
            chance: Mutex::new(StdRng::seed_from_u64(fire.seed)),
            armed: AtomicBool::new(false),
            outages: AtomicUsize::new(0),
            // So that the points of a process are spread over the run.
            passes: u64::try_from(fire.orders / 80).unwrap().max(3),
        }
    }

    /// The targets that are kept running.
    pub(super) fn targets(&self) -> Vec<&'static str> {
        self.slots.lock().unwrap().iter().map(|slot| slot.target).collect()
    }

    /// Kills a process, as soon as it is up; says whether it came to that.
    pub(super) async fn kill(&self, target: &'static str) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if self.kill_now(target) {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    fn kill_now(&self, target: &'static str) -> bool {
        let mut slots = self.slots.lock().unwrap();
        let slot = slots.iter_mut().find(|slot| slot.target == target && slot.is_up && !slot.killed);
        let Some(slot) = slot else { return false };
        slot.killed = true;
        slot.process.kill();
        *self.seen.lock().unwrap().kills.entry(target).or_default() += 1;
        true
    }

    /// A store goes away: what is starting meanwhile may end.
    pub(super) fn outage(&self) -> Outage<'_> {
        self.outages.fetch_add(1, Ordering::Relaxed);
        Outage(self)
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// The points at which nobody has died yet.
    pub(super) fn left(&self) -> Vec<String> {
        let slots = self.slots.lock().unwrap();
        let left = |slot: &Slot| {
            let points = slot.armed.into_iter().chain(slot.waiting.iter().copied());
            points.map(|point| format!("{point} of {}", slot.target)).collect::<Vec<_>>()
        };
        slots.iter().flat_map(left).collect()
    }

    /// Starts every process anew, armed with its first point.
    pub(super) fn arm(&self, mesh: &Mesh) {
        self.armed.store(true, Ordering::Relaxed);
        self.restart(mesh);
    }

    /// From here on nobody dies: every process is started anew without a point.
    pub(super) async fn disarm(&self, mesh: &Mesh) {
        self.armed.store(false, Ordering::Relaxed);
        self.restart(mesh);
        crate::eventually("every process is up", async || {
            self.slots.lock().unwrap().iter().all(|slot| slot.is_up).then_some(())
        })
        .await;
    }

    fn restart(&self, mesh: &Mesh) {
        for slot in self.slots.lock().unwrap().iter_mut() {
            slot.process.kill();
            self.read(slot);
            let (point, plan) = self.plan(slot);
            slot.start(mesh, point, plan);
        }
    }

    /// How much memory all hold, bytes.
    pub(super) fn memory(&self) -> u64 {
        self.slots.lock().unwrap().iter().map(|slot| slot.process.memory()).sum()
    }

    /// Looks after every process once.
    fn look(&self, field: &Field) {
        for slot in self.slots.lock().unwrap().iter_mut() {
            if self.read(slot) {
                field.hang_up.notify_waiters();
            }
            let Some(status) = slot.process.ended() else { continue };
            // What it said last.
            self.read(slot);
            let mut seen = self.seen.lock().unwrap();
            if slot.killed {
                // It may still die at its point in another life.
            } else if let (Some(ABORTED), Some(point)) = (status.signal(), slot.armed) {
                *seen.deaths.entry((slot.target, point)).or_default() += 1;
                slot.armed = None;
            } else if !slot.is_up && self.outages.load(Ordering::Relaxed) > 0 {
                seen.false_starts += 1;
            } else {
                let log = slot.process.log();
                let last = log.get(log.len().saturating_sub(3)..).unwrap_or_default().join("\n");
                seen.exits.push(format!("{} ended by itself with {status}: {last}", slot.target));
            }
            drop(seen);
            let (point, plan) = self.plan(slot);
            slot.start(&field.mesh, point, plan);
        }
    }

    /// The next fault point of a process, and what its environment is to say.
    fn plan(&self, slot: &mut Slot) -> (Option<&'static str>, String) {
        if !self.armed.load(Ordering::Relaxed) {
            return (None, String::new());
        }
        let mut chance = self.chance.lock().unwrap();
        let point = slot.armed.take().or_else(|| slot.waiting.pop_front());
        let mut plan = Vec::new();
        if let Some(point) = point {
            let pass = match point {
                // Once in a life.
                fault::RELAY_TAKEN => 1,
                // Rare, or in few processes.
                fault::PLACE_GIVEN_UP => chance.random_range(1..=2),
                point if point.starts_with("consumer.") && !HEARS_MUCH.contains(&slot.target) => 1,
                _ => chance.random_range(1..=self.passes),
            };
            plan.push(format!("{point}@{pass}"));
        }
        // Callers hang up while it pauses at another.
        for pause in places().filter(|pause| Some(*pause) != point) {
            plan.push(format!("{pause}@{}~{PAUSE}", chance.random_range(1..=4)));
        }
        (point, plan.join(","))
    }

    /// Reads what it logged since; says whether it pauses at a fault point.
    fn read(&self, slot: &mut Slot) -> bool {
        if !slot.is_up {
            slot.is_up = slot.process.out().iter().any(|line| line.contains(" is up"));
        }
        let lines = slot.process.log_from(slot.read);
        slot.read += lines.len();
        let mut pauses = false;
        let mut seen = self.seen.lock().unwrap();
        for line in lines {
            if let Some((_, rest)) = line.split_once(&format!("{PAUSING}: ")) {
                let point = rest.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '_').next();
                *seen.pauses.entry(point.unwrap_or_default().to_owned()).or_default() += 1;
                pauses = true;
            }
            if is_defect(&line) {
                seen.defects.push(format!("{}: {line}", slot.target));
            }
        }
        pauses
    }
}

impl Slot {
    fn start(&mut self, mesh: &Mesh, point: Option<&'static str>, plan: String) {
        self.process = mesh.start_one(self.target, &[("OMNIMESH_FAULTS", plan)]);
        (self.armed, self.is_up, self.killed, self.read) = (point, false, false, 0);
    }
}

/// A store is away until this is dropped.
pub(super) struct Outage<'a>(&'a Supervisor);

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        self.0.outages.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Looks after the processes until it is aborted.
pub(super) async fn keep_running(field: Arc<Field>) {
    loop {
        field.supervisor.look(&field);
        tokio::time::sleep(LOOK).await;
    }
}

/// Whose producers send something with every order.
const HEARS_MUCH: [&str; 4] = ["profiles", "catalog", "carts", WHOLE];

/// The points of PlaceOrder.
fn places() -> impl Iterator<Item = &'static str> {
    POINTS.into_iter().filter(|point| point.starts_with("orders."))
}

/// The points at which a process is to die. Without `every` those of relay, consumer and store are shared out.
fn points_of(target: &'static str, every: bool) -> VecDeque<&'static str> {
    const SHARED: [&str; 4] = ["sessions", "profiles", "catalog", "carts"];
    let common = POINTS.into_iter().filter(|point| !point.starts_with("orders."));
    match target {
        "gateway" => VecDeque::new(),
        WHOLE => POINTS.into_iter().collect(),
        "orders" if every => POINTS.into_iter().collect(),
        "orders" => places().collect(),
        _ if every => common.collect(),
        target => {
            let share = |(index, _): &(usize, &str)| {
                // Consumers that hear much meet their points soon.
                SHARED.get(1 + index % 3) == Some(&target)
            };
            common.enumerate().filter(share).map(|(_, point)| point).collect()
        }
    }
}
