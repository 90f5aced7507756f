//! `World`: tasks that are polled by hand on a virtual clock, and the processes that they stand for.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cancelable::prelude::*;
use cancelable::testing::{PausedTime, Wakes, pause};
use cancelable_bus::{Bus, BusBuilder, Key, Memory, Run, Ticket};
use private_harness::{Watchdog, watchdog};

/// The poll interval and the call limit of every bus here, which are the defaults.
pub(crate) const POLL: Duration = Duration::from_secs(2);
pub(crate) const CALL: Duration = Duration::from_secs(2);
pub(crate) const LEASE: Duration = Duration::from_secs(15);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn key(text: &'static str) -> Key {
    Key::new(text).unwrap()
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    wakes: Arc<Wakes>,
    /// The number of wakes when it was polled last.
    polled_at: Option<usize>,
}

/// Names a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskId(usize);

/// A clock, a store, and tasks.
pub(crate) struct World {
    tasks: Vec<Option<Task>>,
    /// Dropped after the tasks.
    pub(crate) store: Memory,
    pub(crate) time: PausedTime,
    _watchdog: Watchdog,
}

/// A process: a bus whose driver is a task.
pub(crate) struct Host {
    pub(crate) bus: Bus<Memory>,
    pub(crate) driver: TaskId,
}

/// An operation that is registered, and never ends by itself.
pub(crate) struct Work {
    pub(crate) operation: Operation,
    pub(crate) run: Run,
    pub(crate) task: TaskId,
}

impl World {
    pub(crate) fn new() -> Self {
        let time = pause();
        World { tasks: Vec::new(), store: Memory::new(), time, _watchdog: watchdog() }
    }

    /// Starts a process whose connection works.
    pub(crate) fn host(&mut self) -> Host {
        let connection = self.store.connection();
        self.host_on(connection)
    }

    pub(crate) fn host_on(&mut self, connection: Memory) -> Host {
        self.host_with(connection, |builder| builder)
    }

    pub(crate) fn host_with(
        &mut self,
        connection: Memory,
        set: impl FnOnce(BusBuilder<Memory>) -> BusBuilder<Memory>,
    ) -> Host {
        let (bus, driver) = set(Bus::builder(connection)).build().unwrap();
        Host { bus, driver: self.spawn(driver) }
    }

    /// Registers work that never ends by itself, waits for the beginning of its run, and then polls it.
    pub(crate) fn work(&mut self, host: &Host, ticket: impl Into<Ticket>) -> Work {
        self.shielded_work(host, ticket, Duration::ZERO)
    }

    /// The same, with work that begins with a shielded section of this length.
    pub(crate) fn shielded_work(
        &mut self,
        host: &Host,
        ticket: impl Into<Ticket>,
        shielded: Duration,
    ) -> Work {
        let work = async move {
            shield(timeout(shielded)).await;
            std::future::pending::<()>().await;
        };
        let work = work.cancelable(never());
        let operation = work.operation();
        let run = host.bus.register(&operation, ticket);
        let begins = run.clone();
        let task = self.spawn(async move {
            begins.begun().await;
            let _ = work.await;
        });
        self.settle();
        Work { operation, run, task }
    }

    pub(crate) fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let task = Task { future: Box::pin(future), wakes: Wakes::new(), polled_at: None };
        self.tasks.push(Some(task));
        TaskId(self.tasks.len() - 1)
    }

    /// Drops a task.
    pub(crate) fn kill(&mut self, task: TaskId) {
        self.tasks[task.0] = None;
    }

    /// Takes a task out of the world. Its process is stopped: nothing polls it.
    pub(crate) fn stop(&mut self, task: TaskId) -> impl FnOnce(&mut World) + use<> {
        let stopped = self.tasks[task.0].take();
        move |world| world.tasks[task.0] = stopped
    }

    pub(crate) fn has_ended(&self, task: TaskId) -> bool {
        self.tasks[task.0].is_none()
    }

    /// Polls the tasks that were woken, until none is.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.poll_woken() {
                return;
            }
        }
        panic!("the tasks wake each other without end");
    }

    fn poll_woken(&mut self) -> bool {
        let mut polled = false;
        for slot in &mut self.tasks {
            let Some(task) = slot else { continue };
            let count = task.wakes.count();
            if task.polled_at == Some(count) {
                continue;
            }
            task.polled_at = Some(count);
            polled = true;
            if task.wakes.poll(task.future.as_mut()).is_ready() {
                *slot = None;
            }
        }
        polled
    }

    /// Lets time pass, from limit to limit.
    pub(crate) fn pass(&mut self, mut by: Duration) {
        self.settle();
        loop {
            match self.time.until_next() {
                Some(step) if step <= by => {
                    self.time.advance(step);
                    by -= step;
                }
                _ => break self.time.advance(by),
            }
            self.settle();
        }
        self.settle();
    }

    /// Runs a future to its end, with the tasks beside it. Time passes while nothing else happens.
    pub(crate) fn run<F: Future>(&mut self, future: F) -> F::Output {
        let wakes = Wakes::new();
        let mut future = pin!(future);
        let mut polled_at = None;
        let end = self.time.now() + Duration::from_secs(24 * 3600);
        loop {
            self.settle();
            let count = wakes.count();
            if polled_at != Some(count) {
                polled_at = Some(count);
                if let Poll::Ready(output) = wakes.poll(future.as_mut()) {
                    self.settle();
                    return output;
                }
                continue;
            }
            match self.time.until_next() {
                Some(step) if self.time.now() + step < end => self.time.advance(step),
                _ => panic!("nothing ends the future"),
            }
        }
    }
}
