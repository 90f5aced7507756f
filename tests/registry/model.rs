//! Random steps, compared with a simple list as the model.

use std::collections::BTreeMap;

use cancelable::operation::OperationId;
use cancelable::prelude::*;
use cancelable::registry::Filter;
use proptest::prelude::*;

use crate::helpers::{Run, ids};
use crate::support::{self, check_random, poll_once};

#[derive(Clone, Debug)]
enum Step {
    Enter { name: usize, polled: bool },
    Poll(usize),
    Drop(usize),
    Cancel(usize),
    CancelAll { name: usize },
    LimitHistory(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, polled)| Step::Enter { name, polled }),
        3 => (0..20_usize).prop_map(Step::Poll),
        3 => (0..20_usize).prop_map(Step::Drop),
        3 => (0..20_usize).prop_map(Step::Cancel),
        1 => (0..NAMES.len()).prop_map(|name| Step::CancelAll { name }),
        1 => (0..6_usize).prop_map(Step::LimitHistory),
        1 => Just(Step::Close),
    ]
}

const NAMES: [&str; 3] = ["fetch", "Fetcher", "parse"];

struct One {
    run: Run,
    name: &'static str,
    status: Status,
    cancelled: bool,
}

#[derive(Default)]
struct Model {
    live: BTreeMap<OperationId, One>,
    past: Vec<(OperationId, Status)>,
    limit: usize,
    ended: u64,
    refused: u64,
    closed: bool,
}

impl Model {
    fn pick(&self, number: usize) -> Option<OperationId> {
        let count = self.live.len();
        self.live.keys().nth(number.checked_rem(count)?).copied()
    }

    fn end(&mut self, id: OperationId, status: Status) {
        self.live.remove(&id);
        self.ended += 1;
        self.past.push((id, status));
        self.trim();
    }

    fn trim(&mut self) {
        let before = self.past.len().saturating_sub(self.limit);
        self.past.drain(..before);
    }

    fn apply(&mut self, registry: &Registry, step: Step) {
        match step {
            Step::Enter { name, polled } => {
                let run = std::future::pending::<()>().cancelable(never()).named(NAMES[name]);
                let run = run.registered_in(registry);
                let id = run.operation().id();
                let mut run: Run = Box::pin(run);
                if self.closed {
                    self.refused += 1;
                    let outcome = poll_once(run.as_mut());
                    assert_eq!(
                        outcome,
                        std::task::Poll::Ready(Err(Cancelled::new("shutting down")))
                    );
                    return;
                }
                if polled {
                    assert!(poll_once(run.as_mut()).is_pending());
                }
                let status = if polled { Status::Running } else { Status::Pending };
                self.live.insert(id, One { run, name: NAMES[name], status, cancelled: false });
            }
            Step::Poll(number) => {
                let Some(id) = self.pick(number) else { return };
                let one = self.live.get_mut(&id).unwrap();
                let ready = poll_once(one.run.as_mut()).is_ready();
                assert_eq!(ready, one.cancelled);
                if ready {
                    self.end(id, Status::Cancelled);
                } else {
                    one.status = Status::Running;
                }
            }
            Step::Drop(number) => {
                let Some(id) = self.pick(number) else { return };
                self.end(id, Status::Cancelled);
            }
            Step::Cancel(number) => {
                let Some(id) = self.pick(number) else { return };
                let one = self.live.get_mut(&id).unwrap();
                assert_eq!(registry.cancel(id, "one"), !one.cancelled);
                one.cancel();
            }
            Step::CancelAll { name } => {
                let part = NAMES[name].to_lowercase();
                let fits =
                    |one: &&mut One| one.name.to_lowercase().contains(&part) && !one.cancelled;
                let count = self.live.values_mut().filter(fits).map(One::cancel).count();
                assert_eq!(registry.cancel_all(Filter::all().name(&part), "all"), count);
            }
            Step::LimitHistory(limit) => {
                registry.set_history_limit(limit);
                self.limit = limit;
                self.trim();
            }
            Step::Close => {
                assert_eq!(registry.close(), !self.closed);
                self.closed = true;
            }
        }
    }

    fn check(&self, registry: &Registry) {
        let expected: Vec<_> = self.live.iter().map(|(id, one)| (*id, one.status)).collect();
        let listed = registry.list();
        let found: Vec<_> = listed.iter().map(|found| (found.id, found.status)).collect();
        assert_eq!(found, expected);
        assert_eq!(registry.len(), expected.len());
        let records = registry.history(Filter::all());
        let past: Vec<_> =
            records.iter().map(|record| (record.snapshot.id, record.snapshot.status)).collect();
        assert_eq!(past, self.past);
        let stats = registry.stats();
        assert_eq!((stats.active(), stats.ended()), (expected.len(), self.ended));
        assert_eq!(stats.refused, self.refused);
        assert_eq!(registry.is_closed(), self.closed);
        let cancelling = ids(&registry.find(Filter::all().status(Status::Cancelling)));
        let expected = self.live.iter().filter(|(_, one)| one.status == Status::Cancelling);
        assert_eq!(cancelling, expected.map(|(id, _)| *id).collect::<Vec<_>>());
    }
}

impl One {
    fn cancel(&mut self) {
        self.cancelled = true;
        if self.status == Status::Running {
            self.status = Status::Cancelling;
        }
    }
}

#[test]
fn agrees_with_a_list() {
    let _watchdog = support::watchdog();
    check_random(256, prop::collection::vec(step(), 1..60), |steps| {
        let registry = Registry::with_history_limit(4);
        let mut model = Model { limit: 4, ..Model::default() };
        for step in steps {
            model.apply(&registry, step);
            model.check(&registry);
        }
        drop(std::mem::take(&mut model.live));
        assert!(registry.is_empty());
    });
}
