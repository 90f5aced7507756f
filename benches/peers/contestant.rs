//! The contestants, and the places where their jobs run: two loops that poll by hand, and a task.

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
    /// A loop that polls by hand, with a counting waker. The future is polled where it was made.
    InPlace,
    /// The same loop, but a function takes the future by value, polls it, and returns its output.
    ByValue,
    /// One task, on the runtime.
    Task(&'static Runtime),
}

/// Runs a job `times` times, with work that is pending `pends` times, and returns how often the value
/// was right.
type ByHand = Box<dyn FnMut(u32, u64, &mut Context<'_>) -> u64>;

/// Does the same within a task, and also returns the elapsed time.
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

    /// Runs this contestant within its own runtime.
    pub(crate) fn within(self, runtime: &'static Runtime) -> Self {
        Contestant { runtime: Some(runtime), ..self }
    }

    /// Returns the nanoseconds per job over `times` jobs. Checks that each job yields the value and,
    /// if wakes can be counted, wakes as often as the work does.
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

/// Defines a contestant: its name, the future it wraps around the work, and how to find the value in
/// the output. State that the future borrows (`state = ..`) is made once for all its jobs, or once per
/// task.
///
/// The loop is compiled separately for each job and place, with its own type of work, so that no call
/// is measured that a user would not make.
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
