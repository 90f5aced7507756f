//! Random histories: processes that crash and stop, calls that fail, hints that are lost, doubled or late. After each of
//! them, every operation and every delivery is compared with what the promises allow.

mod check;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cancelable_bus::memory::{Call, Fault};
use cancelable_bus::{Key, Memory, Recipient, RemoteReason, Request, Ticket};
use private_harness::check_random;
use proptest::prelude::*;

use crate::world::{Host, SECOND, Work, World};

const HOSTS: usize = 3;
const KEYS: usize = 2;

/// One step of a history. The numbers name hosts, keys, tickets, runs and requests, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    /// Begins a run on a host, with a key, or from one of the tickets that were cancelled or not.
    Begin {
        host: usize,
        key: Option<usize>,
    },
    BeginTicket {
        host: usize,
        ticket: usize,
    },
    /// Drops the work of a run.
    End {
        run: usize,
    },
    Cancel {
        host: usize,
        run: usize,
    },
    CancelTicket {
        host: usize,
        ticket: usize,
    },
    CancelKey {
        host: usize,
        key: usize,
    },
    Block {
        host: usize,
        key: usize,
        seconds: u64,
    },
    Unblock {
        host: usize,
        key: usize,
    },
    /// Sends a request again.
    Resend {
        host: usize,
        request: usize,
    },
    /// Crashes a host, and starts another process in its place.
    Restart {
        host: usize,
    },
    /// Stops a process for some time, or lets it continue.
    Stop {
        host: usize,
    },
    Continue {
        host: usize,
    },
    Pass {
        millis: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let host = 0..HOSTS;
    let any = 0..64_usize;
    let key = 0..KEYS;
    let step = prop_oneof![
        4 => (host.clone(), prop::option::of(key.clone()))
            .prop_map(|(host, key)| Step::Begin { host, key }),
        2 => (host.clone(), any.clone())
            .prop_map(|(host, ticket)| Step::BeginTicket { host, ticket }),
        2 => any.clone().prop_map(|run| Step::End { run }),
        3 => (host.clone(), any.clone()).prop_map(|(host, run)| Step::Cancel { host, run }),
        2 => (host.clone(), any.clone())
            .prop_map(|(host, ticket)| Step::CancelTicket { host, ticket }),
        2 => (host.clone(), key.clone()).prop_map(|(host, key)| Step::CancelKey { host, key }),
        1 => (host.clone(), key.clone(), 1..20_u64)
            .prop_map(|(host, key, seconds)| Step::Block { host, key, seconds }),
        1 => (host.clone(), key).prop_map(|(host, key)| Step::Unblock { host, key }),
        2 => (host.clone(), any).prop_map(|(host, request)| Step::Resend { host, request }),
        1 => host.clone().prop_map(|host| Step::Restart { host }),
        1 => host.clone().prop_map(|host| Step::Stop { host }),
        2 => host.prop_map(|host| Step::Continue { host }),
        6 => prop_oneof![0..100_u64, 0..3000_u64, 0..30_000_u64]
            .prop_map(|millis| Step::Pass { millis }),
    ];
    prop::collection::vec(step, 1..60)
}

/// A small generator of random numbers, so that the faults of a history are the same each time.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *seed >> 33
}

/// Returns what goes wrong with a call: nothing in three of four cases.
fn fault(seed: &mut u64) -> Fault {
    match next(seed) % 20 {
        0 => Fault::Before,
        1 => Fault::After,
        2 => Fault::Twice,
        3 => Fault::Late(Duration::from_millis(next(seed) % 3000)),
        4 => Fault::Silent,
        _ => Fault::None,
    }
}

struct Begun {
    work: Work,
    key: Option<usize>,
    /// Which process it runs in.
    process: usize,
    registered: Instant,
    /// When `begun` was ready.
    begun: Rc<RefCell<Option<Instant>>>,
    /// Whether its work was dropped, or its process crashed.
    is_over: bool,
}

struct Sent {
    request: Request,
    key: Option<usize>,
    /// When the first attempt began.
    start: Instant,
    /// When each attempt had an answer, and whether it was `Ok`.
    answers: Rc<RefCell<Vec<(Instant, bool)>>>,
    attempts: usize,
}

impl Sent {
    /// Returns when it was committed at the latest, if it certainly was.
    fn committed(&self) -> Option<Instant> {
        self.answers.borrow().iter().filter(|(_, ok)| *ok).map(|(at, _)| *at).min()
    }

    /// Returns when it was committed at the latest, if it was at all.
    fn end(&self, now: Instant) -> Instant {
        let answers = self.answers.borrow();
        let last = answers.iter().map(|(at, _)| *at).max().unwrap_or(now);
        let all = if answers.len() == self.attempts { last } else { now };
        self.committed().unwrap_or(all)
    }
}

struct Unblocked {
    key: usize,
    start: Instant,
}

type Resume = Box<dyn FnOnce(&mut World)>;

struct History {
    world: World,
    hosts: Vec<Host>,
    /// Which process each host is: processes are counted.
    processes: Vec<usize>,
    started: usize,
    /// What lets each stopped host continue.
    stopped: Vec<Option<Resume>>,
    tickets: Vec<(Ticket, bool)>,
    begun: Vec<Begun>,
    sent: Vec<Sent>,
    unblocked: Vec<Unblocked>,
    seed: u64,
    is_healed: Arc<AtomicBool>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut history = History {
            world: World::new(),
            hosts: Vec::new(),
            processes: Vec::new(),
            started: 0,
            stopped: (0..HOSTS).map(|_| None).collect(),
            tickets: (0..4).map(|_| (Ticket::new(), false)).collect(),
            begun: Vec::new(),
            sent: Vec::new(),
            unblocked: Vec::new(),
            seed,
            is_healed: Arc::default(),
        };
        for _ in 0..HOSTS {
            let host = history.start();
            history.hosts.push(host);
            history.processes.push(history.started);
        }
        history
    }

    fn start(&mut self) -> Host {
        self.started += 1;
        let connection = self.connection();
        self.world.host_on(connection)
    }

    fn connection(&mut self) -> Memory {
        let mut seed = next(&mut self.seed);
        let is_healed = self.is_healed.clone();
        self.world.store.connection().with_faults(move |call| {
            if is_healed.load(Ordering::SeqCst) || call == Call::Forget {
                return Fault::None;
            }
            fault(&mut seed)
        })
    }

    fn now(&self) -> Instant {
        self.world.time.now()
    }

    fn key(key: usize) -> Key {
        Key::new(["a", "b"][key]).unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin { host, key } => {
                let ticket = Ticket::new();
                let ticket = match key {
                    Some(key) => ticket.with_key(Self::key(key)),
                    None => ticket,
                };
                self.begin(host, ticket, key);
            }
            Step::BeginTicket { host, ticket } => {
                let at = ticket % self.tickets.len();
                // Each identifier begins once.
                if !std::mem::replace(&mut self.tickets[at].1, true) {
                    let ticket = self.tickets[at].0.clone();
                    self.begin(host, ticket, None);
                }
            }
            Step::End { run } => {
                let count = self.begun.len().max(1);
                if let Some(run) = self.begun.get_mut(run % count) {
                    run.is_over = true;
                    self.world.kill(run.work.task);
                    self.world.settle();
                }
            }
            Step::Cancel { host, run } => {
                let count = self.begun.len().max(1);
                if let Some(run) = self.begun.get(run % count) {
                    let recipient = Recipient::Run(run.work.run.id());
                    self.send(host, recipient, None, None);
                }
            }
            Step::CancelTicket { host, ticket } => {
                let run = self.tickets[ticket % self.tickets.len()].0.run();
                self.send(host, Recipient::Run(run), None, None);
            }
            Step::CancelKey { host, key } => {
                self.send(host, Recipient::Key(Self::key(key)), Some(key), None);
            }
            Step::Block { host, key, seconds } => {
                let lifetime = Some(SECOND * seconds as u32);
                self.send(host, Recipient::Block(Self::key(key)), Some(key), lifetime);
            }
            Step::Unblock { host, key } => {
                self.unblocked.push(Unblocked { key, start: self.now() });
                let bus = self.hosts[host].bus.clone();
                self.world.spawn(async move { _ = bus.unblock_key(&Self::key(key)).await });
                self.world.settle();
            }
            Step::Resend { host, request } => {
                if !self.sent.is_empty() {
                    let at = request % self.sent.len();
                    self.attempt(host, at);
                }
            }
            Step::Restart { host } => self.restart(host),
            Step::Stop { host } => {
                if self.stopped[host].is_none() {
                    let driver = self.hosts[host].driver;
                    self.stopped[host] = Some(Box::new(self.world.stop(driver)));
                }
            }
            Step::Continue { host } => self.resume(host),
            Step::Pass { millis } => self.world.pass(Duration::from_millis(millis)),
        }
    }

    fn begin(&mut self, host: usize, ticket: Ticket, key: Option<usize>) {
        let registered = self.now();
        let shielded = SECOND * (self.begun.len() as u32 % 3 * 2);
        let work = self.world.shielded_work(&self.hosts[host], ticket, shielded);
        let begun = Rc::new(RefCell::new(None));
        let (note, run, operation) = (begun.clone(), work.run.clone(), work.operation.clone());
        let clock = self.clock();
        self.world.spawn(async move {
            while !run.begun().await {
                if operation.status().is_final() {
                    return;
                }
            }
            *note.borrow_mut() = Some(clock());
        });
        self.world.settle();
        let process = self.processes[host];
        self.begun.push(Begun { work, key, process, registered, begun, is_over: false });
    }

    /// Returns a function that reads the virtual clock, for tasks.
    fn clock(&self) -> impl Fn() -> Instant + use<> {
        let (start, clock) =
            (self.now(), Rc::new(cancelable::Limit::after(Duration::from_secs(1 << 30))));
        let _ = cancelable::testing::Wakes::new().poll(std::pin::pin!(clock.reached()));
        move || start + (Duration::from_secs(1 << 30) - clock.remaining().unwrap())
    }

    fn send(
        &mut self,
        host: usize,
        recipient: Recipient,
        key: Option<usize>,
        lifetime: Option<Duration>,
    ) {
        // The reason names the request.
        let reason = RemoteReason::from(self.sent.len().to_string());
        let mut request = Request::new(recipient, reason);
        if let Some(lifetime) = lifetime {
            request = request.keep_for(lifetime);
        }
        let (start, answers) = (self.now(), Rc::default());
        self.sent.push(Sent { request, key, start, answers, attempts: 0 });
        self.attempt(host, self.sent.len() - 1);
    }

    fn attempt(&mut self, host: usize, at: usize) {
        let clock = self.clock();
        let sent = &mut self.sent[at];
        sent.attempts += 1;
        let (request, answers) = (sent.request.clone(), sent.answers.clone());
        let bus = self.hosts[host].bus.clone();
        self.world.spawn(async move {
            let ok = bus.send(&request).await.is_ok();
            answers.borrow_mut().push((clock(), ok));
        });
        self.world.settle();
    }

    fn restart(&mut self, host: usize) {
        self.stopped[host] = None;
        self.world.kill(self.hosts[host].driver);
        for run in self.begun.iter_mut().filter(|run| run.process == self.processes[host]) {
            run.is_over = true;
            self.world.kill(run.work.task);
        }
        self.hosts[host] = self.start();
        self.processes[host] = self.started;
        self.world.settle();
    }

    fn resume(&mut self, host: usize) {
        if let Some(resume) = self.stopped[host].take() {
            resume(&mut self.world);
            self.world.settle();
        }
    }
}

#[test]
fn promises_hold_in_random_histories() {
    check_random(100, (any::<u64>(), steps()), |(seed, steps)| {
        let mut history = History::new(seed);
        for step in steps {
            history.step(step);
        }
        history.check();
    });
}
