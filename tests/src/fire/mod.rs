//! The mesh under fire: processes are killed, stores are emptied and restarted, callers hang up, and meanwhile thousands of
//! orders are placed with retries. Afterwards the books must balance.
#![expect(clippy::indexing_slicing, reason = "a row has the columns that were asked for")]

mod audit;
mod books;
mod buyer;
mod director;
mod insist;
mod keepsakes;
mod ledger;
mod postgres;
mod report;
mod stock;
mod supervisor;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::sync::Notify;

pub use report::Report;

use crate::{Client, Mesh, Mode, Setup};
use books::Books;
use ledger::Ledger;
use postgres::Postgres;
use report::Tally;
use supervisor::Supervisor;

/// How long the mesh may take to come to rest after the last order: leases run out, events and drafts are made up for.
const REST: Duration = Duration::from_secs(180);

/// What is done to a mesh.
#[derive(Clone, Debug)]
pub struct Fire {
    /// How the mesh is run: one process per target, or one with embedded stores.
    pub mode: Mode,
    /// How many carts are to become orders.
    pub orders: usize,
    /// How many at the same time.
    pub buyers: usize,
    /// How often a random process is killed; with many processes each gets its share.
    pub kills: usize,
    /// How often Redis is killed and comes back empty.
    pub redis_kills: usize,
    /// How often Postgres is restarted at once.
    pub postgres_restarts: usize,
    /// Every process with a database dies at every fault point, rather than some process at each.
    pub every_point: bool,
    /// What chance follows from.
    pub seed: u64,
}

/// What all that runs under fire share.
struct Field {
    fire: Fire,
    // Its processes end before what they work on goes.
    supervisor: Supervisor,
    mesh: Mesh,
    admin: Client,
    // A publishable key, on some connections.
    anybody: Vec<Client>,
    ledger: Mutex<Ledger>,
    tally: Tally,
    // Told when a process pauses at a fault point: whoever waits for an order hangs up.
    hang_up: Notify,
    // Carts that became an order or were refused.
    done: AtomicUsize,
    over: AtomicBool,
    // The last thing dropped: the server outlives its mesh.
    postgres: Option<Postgres>,
}

/// Runs it all. `progress` is told how many carts are done, and what is being done to the mesh.
pub async fn run(fire: Fire, progress: impl Fn(usize, &str) + Send + Sync + 'static) -> Report {
    let started = Instant::now();
    let postgres = (fire.mode != Mode::Embedded).then(Postgres::start);
    let setup = Setup { server: postgres.as_ref().map(|server| server.url().to_owned()), ..Setup::new(fire.mode) }
        // An order whose driver died is driven on after that time: the default would be most of the run.
        .variable("OMNIMESH_ORDERS__DRAFT_SECONDS", "4")
        .variable("OMNIMESH_ORDERS__SWEEP_SECONDS", "1")
        .variable("OMNIMESH_ORDERS__PAYMENT_MINUTES", "600");
    let mut mesh = Mesh::start_with(setup).await;
    let admin = mesh.admin().await;
    let stock = stock::fill(&admin, fire.orders).await;
    // The audit's own eyes in the databases: put there while nobody works.
    mesh.stop().await;
    let books = Books::open(&mesh).await;
    books.watch().await;
    mesh.resume().await;

    let mut anybody = Vec::new();
    for _ in 0..4 {
        anybody.push(mesh.client(&mesh.publishable_key()).await);
    }
    let admin = mesh.admin().await;
    let supervisor = Supervisor::new(&mut mesh, &fire);
    let field = Arc::new(Field {
        supervisor,
        admin,
        anybody,
        ledger: Mutex::new(Ledger::new(stock)),
        tally: Tally::default(),
        hang_up: Notify::new(),
        done: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        fire,
        mesh,
        postgres,
    });
    let progress: director::Progress = Arc::new(progress);
    let kept = keepsakes::make(&field).await;
    field.supervisor.arm(&field.mesh);
    #[expect(clippy::disallowed_methods, reason = "the harness has no lifecycle: it is ended with the run")]
    let guard = tokio::spawn(supervisor::keep_running(Arc::clone(&field)));
    let buyers = join_all((0..field.fire.buyers).map(|number| buyer::work(&field, number)));
    let direct = async {
        let problems = director::direct(&field, &kept, &progress).await;
        field.over.store(true, Ordering::Relaxed);
        problems
    };
    let (problems, _, ()) = tokio::join!(direct, buyers, buyer::merge(&field));
    progress(field.done(), "coming to rest");
    field.supervisor.disarm(&field.mesh).await;
    let mut audit = audit::Audit { problems, ..audit::Audit::default() };
    audit.keepsakes(&field, &kept).await;
    audit.rest(&books, REST).await;
    let ledger = field.ledger.lock().unwrap().clone();
    audit.books(&books, &ledger).await;
    guard.abort();
    audit.processes(&field);
    Report::new(&field, audit, started.elapsed())
}

impl Field {
    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Chance of its own for one of many that run at the same time.
    fn chance(&self, number: u64) -> StdRng {
        StdRng::seed_from_u64(self.fire.seed.wrapping_mul(1_000_003).wrapping_add(number))
    }
}
