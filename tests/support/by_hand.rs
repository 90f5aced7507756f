//! An executor that is driven by hand: a task is polled only when the test says so.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use cancelable::TaskGroup;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The executor. Clones drive the same tasks.
#[derive(Clone, Default)]
pub struct ByHand(Arc<Mutex<Vec<Arc<Entry>>>>);

struct Entry {
    /// `None` once the task has ended, and while it is polled.
    task: Mutex<Option<Task>>,
    woken: AtomicBool,
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
    }
}

impl ByHand {
    pub fn new() -> Self {
        ByHand::default()
    }

    /// Returns a group whose tasks are driven by this executor.
    pub fn group<T: Send + 'static, E: Send + 'static>(&self) -> TaskGroup<'static, T, E> {
        let executor = self.clone();
        TaskGroup::fallible(move |task| executor.spawn(task))
    }

    pub fn spawn(&self, task: Task) {
        let entry = Entry { task: Mutex::new(Some(task)), woken: AtomicBool::new(true) };
        self.0.lock().unwrap().push(Arc::new(entry));
    }

    /// Returns the number of tasks that were spawned.
    pub fn spawned(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Returns the number of tasks that have not ended.
    pub fn pending(&self) -> usize {
        self.entries().iter().filter(|entry| entry.task.lock().unwrap().is_some()).count()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.0.lock().unwrap().clone()
    }

    /// Polls task number `number` if it was woken. Returns whether it was.
    pub fn step(&self, number: usize) -> bool {
        let entry = self.entries()[number].clone();
        if !entry.woken.swap(false, Ordering::SeqCst) {
            return false;
        }
        let Some(mut task) = entry.task.lock().unwrap().take() else { return false };
        let waker = Waker::from(entry.clone());
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *entry.task.lock().unwrap() = Some(task);
        }
        true
    }

    /// Returns the numbers of the tasks that were woken and have not ended.
    pub fn woken(&self) -> Vec<usize> {
        let is_woken = |(number, entry): (usize, &Arc<Entry>)| {
            let is_woken =
                entry.woken.load(Ordering::SeqCst) && entry.task.lock().unwrap().is_some();
            is_woken.then_some(number)
        };
        self.entries().iter().enumerate().filter_map(is_woken).collect()
    }

    /// Returns how many wakers of tasks exist.
    pub fn wakers(&self) -> usize {
        self.0.lock().unwrap().iter().map(|entry| Arc::strong_count(entry) - 1).sum()
    }

    /// Polls tasks until none is woken.
    pub fn run(&self) {
        while (0..self.spawned()).filter(|number| self.step(*number)).count() > 0 {}
    }

    pub fn wake_all(&self) {
        self.entries().iter().for_each(|entry| entry.woken.store(true, Ordering::SeqCst));
    }

    /// Wakes every task, and runs.
    pub fn run_all(&self) {
        self.wake_all();
        self.run();
    }

    /// Drops task number `number`, as an executor that shuts down does.
    pub fn drop_task(&self, number: usize) {
        let task = self.entries()[number].task.lock().unwrap().take();
        drop(task);
    }
}
