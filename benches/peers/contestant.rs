//! The contestants, and the three places where their jobs run: two loops that poll by hand, and a task.
//!
//! A job is to race some work against limits that never fire, and to get the value of the work. A contestant is one way to
//! do the job: this crate, or a peer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::{LocalSet, spawn_local};

use crate::work::Wakes;

/// How the jobs run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// In a loop that polls by hand, with a waker that counts. The future is polled where it was made.
    InPlace,
    /// In the same loop, but a function takes the future by value, polls it, and returns its output.
    ByValue,
    /// In one task on the runtime.
    Task(&'static Runtime),
}

/// Takes `pends` and `times`. Runs the job `times` times, with work that is pending `pends` times, and returns how often the
/// value was right.
type ByHand = Box<dyn FnMut(u32, u64, &mut Context<'_>) -> u64>;

/// Does the same as [`ByHand`] within a task, and also returns the elapsed time.
type InTask = Box<dyn Fn(u32, u64) -> Pin<Box<dyn Future<Output = (u64, Duration)>>>>;

/// One way to do a job.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    in_place: ByHand,
    by_value: ByHand,
    in_task: InTask,
    runtime: Option<&'static Runtime>,
}

impl Contestant {
    pub(crate) fn new(
        name: &'static str,
        in_place: ByHand,
        by_value: ByHand,
        in_task: InTask,
    ) -> Self {
        Contestant { name, in_place, by_value, in_task, runtime: None }
    }

    /// Runs this contestant within a runtime of its own.
    pub(crate) fn within(self, runtime: &'static Runtime) -> Self {
        Contestant { runtime: Some(runtime), ..self }
    }

    /// Runs `times` jobs, and returns the nanoseconds per job. Checks that each job yields the value. If the jobs are polled by
    /// hand, also checks that no wake of the work is lost.
    pub(crate) fn take_turn(&mut self, way: Way, pends: u32, times: u64) -> f64 {
        let (values, taken) = match way {
            Way::InPlace | Way::ByValue => self.take_turn_by_hand(way, pends, times),
            Way::Task(runtime) => {
                let runtime = self.runtime.unwrap_or(runtime);
                let task = (self.in_task)(pends, times);
                let turn = LocalSet::new().block_on(runtime, async { spawn_local(task).await });
                turn.expect("the task ends by itself")
            }
        };
        assert_eq!(values, times, "{} lost values", self.name);
        taken.as_nanos() as f64 / times as f64
    }

    fn take_turn_by_hand(&mut self, way: Way, pends: u32, times: u64) -> (u64, Duration) {
        let by_value = matches!(way, Way::ByValue);
        let run = if by_value { &mut self.by_value } else { &mut self.in_place };
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let _entered = self.runtime.map(Runtime::enter);
        let start = Instant::now();
        let values = run(pends, times, &mut cx);
        let taken = start.elapsed();
        assert_eq!(wakes.count(), times * u64::from(pends), "{} lost wakes", self.name);
        (values, taken)
    }
}

/// Defines a contestant: its name, the future that it wraps around the work, and how to find the value in the output. If the
/// future borrows state (`state = ..`), the state is made once for all jobs of a loop or of a task.
///
/// For each contestant and place, the loop is compiled separately and has its own type of work. Code that several loops share
/// would not be inlined, and the calls, which a user's program does not make, would be measured too.
macro_rules! contestant {
    ($name:expr, $($state:ident = $make:expr,)? |$work:ident| $race:expr, $value:expr $(,)?) => {{
        enum InPlace {}
        enum ByValue {}
        enum InTask {}
        $crate::contestant::Contestant::new(
            $name,
            {
                $(let mut $state = $make;)?
                Box::new(move |pends, times, cx| {
                    let mut values = 0;
                    for _ in 0..times {
                        let $work = std::hint::black_box($crate::work::Work::<InPlace>::new(pends));
                        let value = $crate::work::drive($race, cx, $value);
                        let found = std::hint::black_box(value) == Some($crate::work::VALUE);
                        values += u64::from(found);
                    }
                    values
                })
            },
            {
                $(let mut $state = $make;)?
                Box::new(move |pends, times, cx| {
                    let mut values = 0;
                    for _ in 0..times {
                        let $work = std::hint::black_box($crate::work::Work::<ByValue>::new(pends));
                        let value = ($value)(&$crate::work::drive_by_value($race, cx));
                        let found = std::hint::black_box(value) == Some($crate::work::VALUE);
                        values += u64::from(found);
                    }
                    values
                })
            },
            Box::new(move |pends, times| {
                Box::pin(async move {
                    $(let mut $state = $make;)?
                    let mut values = 0;
                    let start = std::time::Instant::now();
                    for _ in 0..times {
                        let $work = std::hint::black_box($crate::work::Work::<InTask>::new(pends));
                        let value = ($value)(&$race.await);
                        let found = std::hint::black_box(value) == Some($crate::work::VALUE);
                        values += u64::from(found);
                    }
                    (values, start.elapsed())
                })
            }),
        )
    }};
}
pub(crate) use contestant;
