//! `visit`: counts the entries that lists and walks look at. Tests use the count to check how the cost of an action grows.
//!
//! Outside of this crate's own tests, `visit` does nothing. The tests count visits because, unlike time and instructions,
//! the count does not depend on the machine and the build.

#[cfg(test)]
thread_local! {
    static VISITS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts an entry that a list or a walk looks at.
#[inline(always)]
pub(crate) fn visit() {
    #[cfg(test)]
    VISITS.set(VISITS.get() + 1);
}

/// Returns how many entries `f` looks at on this thread.
#[cfg(all(test, feature = "time", not(cancelable_loom)))]
fn visits_of(f: impl FnOnce()) -> usize {
    let before = VISITS.get();
    f();
    VISITS.get() - before
}

/// Tests that an action on n things makes at most a fixed number of visits for each of them.
#[cfg(all(test, feature = "time", not(cancelable_loom)))]
mod tests {
    use std::future::{Future, pending};
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use futures::FutureExt;
    use futures::channel::oneshot;
    use futures::stream::{FuturesUnordered, StreamExt};

    use super::visits_of;
    use crate::clock;
    use crate::future::CancelableExt;
    use crate::group::TaskGroup;
    use crate::operation::Operation;
    use crate::registry::{Registry, Shutdown, ShutdownPlan};
    use crate::shield::shield;
    use crate::source::{CancellationToken, Limit, WaitForLimit, never};
    use crate::wait::CountWakes;

    type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

    const LONG: Duration = Duration::from_secs(3600);

    /// Checks that `f(n)` makes at most `each` visits for each of the n things.
    #[track_caller]
    fn assert_linear(each: usize, f: impl Fn(usize)) {
        for number in [100, 1_000, 10_000] {
            let visits = visits_of(|| f(number));
            assert!(visits > 0 && visits <= each * number, "{visits} visits for {number}");
        }
    }

    fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn operation() -> (Boxed, Operation) {
        let run = pending::<()>().cancelable(never());
        let operation = run.operation();
        (Box::pin(run.map(drop)), operation)
    }

    #[test]
    fn waits_for_an_end() {
        assert_linear(8, |number| {
            let (run, operation) = operation();
            let counts: Vec<_> = (0..number).map(|_| Arc::new(CountWakes::default())).collect();
            let mut waits: Vec<_> = (0..number).map(|_| Box::pin(operation.ended())).collect();
            for (wait, count) in waits.iter_mut().zip(&counts) {
                let waker = count.clone().into();
                assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            waits.drain(..number / 2);
            drop(run);
            assert!(counts[..number / 2].iter().all(|count| count.get() == 0));
            assert!(counts[number / 2..].iter().all(|count| count.get() == 1));
            waits.iter_mut().for_each(|wait| assert!(poll(wait.as_mut()).is_ready()));
        });
    }

    #[test]
    fn children_come_and_go() {
        assert_linear(16, |number| {
            let (_run, parent) = operation();
            let mut waits = pin!(parent.children_ended());
            let child = || pending::<()>().cancelable(never()).child_of(&parent);
            let mut children: Vec<_> = (0..number).map(|_| child()).collect();
            assert!(poll(waits.as_mut()).is_pending());
            // Each new child joins the others, and then an older child leaves.
            for _ in 0..number {
                children.push(child());
                drop(children.swap_remove(0));
            }
            assert!(poll(waits.as_mut()).is_pending());
            drop(children);
            assert!(poll(waits).is_ready());
        });
    }

    /// The parent has ended, and its list of children becomes empty after each child.
    #[test]
    fn children_of_an_ended_parent() {
        assert_linear(16, |number| {
            let (top_run, top) = operation();
            let (run, parent) = {
                let run = pending::<()>().cancelable(never()).child_of(&top);
                let parent = run.operation();
                (run, parent)
            };
            drop(run);
            for _ in 0..number {
                let child = pending::<()>().cancelable(never()).child_of(&parent);
                assert_eq!((top.child_count(), parent.child_count()), (1, 1));
                drop(child);
                assert_eq!((top.child_count(), parent.child_count()), (0, 0));
            }
            drop(top_run);
        });
    }

    /// Each operation gets a child token, and then a parent, from the top of the chain down.
    #[test]
    fn chain_from_the_top_down() {
        assert_linear(16, |number| {
            let mut chain = vec![pending::<()>().cancelable(never())];
            let mut tokens = Vec::new();
            for _ in 1..number {
                let run = pending::<()>().cancelable(never());
                tokens.push(run.operation().token().child_token());
                let above = chain[chain.len() - 1].operation();
                chain.push(run.child_of(&above));
            }
            assert!(chain[0].operation().cancel());
            assert!(tokens.iter().all(CancellationToken::is_cancelled));
        });
    }

    #[test]
    fn members_of_a_group() {
        for by_handles in [false, true] {
            assert_linear(24, |number| {
                let tasks = Arc::new(crate::sync::Mutex::new(Vec::new()));
                let spawner = tasks.clone();
                let group =
                    TaskGroup::<usize>::new(move |task| spawner.lock().push(Box::pin(task)));
                let handles: Vec<_> =
                    (0..number).map(|member| group.spawn(async move { member })).collect();
                let handles = Some(handles).filter(|_| by_handles).unwrap_or_default();
                let mut join = pin!(group.join());
                assert!(poll(join.as_mut()).is_pending());
                let mut tasks = std::mem::take(&mut *tasks.lock());
                for task in &mut tasks {
                    assert!(poll(task.as_mut()).is_ready());
                }
                let Poll::Ready(Ok(results)) = poll(join) else { panic!("all have ended") };
                assert_eq!(results.len(), if by_handles { 0 } else { number });
                for mut handle in handles {
                    assert!(poll(Pin::new(&mut handle)).is_ready());
                }
            });
        }
    }

    #[test]
    fn waits_for_a_limit() {
        assert_linear(16, |number| {
            let limit = Limit::after(LONG);
            let count = Arc::new(CountWakes::default());
            let waker = count.clone().into();
            let mut waits: Vec<_> = (0..number).map(|_| Box::pin(limit.reached())).collect();
            let poll_all = |waits: &mut [Pin<Box<WaitForLimit>>]| {
                for wait in waits {
                    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                }
            };
            poll_all(&mut waits);
            // Moving the limit to a later time wakes no task.
            (0..number).for_each(|_| assert!(limit.extend(LONG)));
            assert_eq!(count.get(), 0);
            // Moving it to an earlier time wakes each task once.
            assert!(limit.set(clock::now() + LONG / 2));
            assert_eq!(count.get(), number);
            poll_all(&mut waits);
        });
    }

    #[test]
    fn sections_and_clean_up_begin() {
        assert_linear(16, |number| {
            let one = || async { pending::<()>().cancelable(never()).finally(|_| async {}).await };
            let mut all: FuturesUnordered<_> = (0..number).map(|_| one()).collect();
            let all = async { while all.next().await.is_some() {} }.cancelable(never());
            assert!(poll(pin!(all.cancelable(never()).named("all"))).is_pending());
        });
    }

    /// The race is polled after the end of each section.
    #[test]
    fn sections_end_after_a_cancellation() {
        assert_linear(16, |number| {
            let token = CancellationToken::new();
            let (ends, sections): (Vec<_>, Vec<_>) =
                (0..number).map(|_| oneshot::channel::<()>()).unzip();
            let mut all: FuturesUnordered<_> = sections.into_iter().map(shield).collect();
            let all = async { while all.next().await.is_some() {} };
            let mut run = pin!(all.cancelable(&token));
            assert!(poll(run.as_mut()).is_pending());
            token.cancel();
            for end in ends {
                assert!(poll(run.as_mut()).is_pending());
                end.send(()).unwrap();
            }
            assert!(poll(run).is_ready());
        });
    }

    /// The shutdown is polled after the end of each operation.
    #[test]
    fn operations_of_phases() {
        assert_linear(40, |number| {
            let registries = [Registry::new(), Registry::new()];
            let run = |registry| pending::<()>().cancelable(never()).registered_in(registry);
            let runs = registries.each_ref().map(|registry| {
                let runs = (0..number / 2).map(|_| Box::pin(run(registry)));
                runs.collect::<Vec<_>>()
            });
            let [intake, workers] = &registries;
            let phases = Shutdown::phases().then("intake", intake, Duration::ZERO);
            let phases = phases.then("workers", workers, Duration::ZERO);
            let stop = async { crate::reason::Reason::manual("stop") };
            let mut ends = pin!(phases.shutdown_when(stop, ShutdownPlan::new().grace(LONG)));
            assert!(poll(ends.as_mut()).is_pending());
            let mut runs: Vec<_> = runs.into_iter().flatten().collect();
            runs.reverse();
            while let Some(run) = runs.pop() {
                drop(run);
                assert_eq!(poll(ends.as_mut()).is_ready(), runs.is_empty());
            }
        });
    }
}
