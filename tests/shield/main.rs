//! Shields: a section finishes before a cancellation takes effect.

#[path = "../support/mod.rs"]
mod support;

mod at_once;
mod block_on;
mod executors;
mod gone;
#[cfg(feature = "time")]
mod in_grace;
mod lent;
#[cfg(feature = "time")]
mod limited;
mod or_spawn;
mod random;

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::Poll;

use cancelable::prelude::*;
use futures::future::FusedFuture;
use support::{Gate, Log, Wakes, kept, lost, panic_of, poll_once};

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), Cancelled>> + 'a>>;

/// Returns a plain race and an operation with the same work. Both wait for shields.
fn both<'a, F: Future<Output = ()> + 'a>(
    token: &'a CancellationToken,
    work: impl Fn() -> F,
) -> [Run<'a>; 2] {
    [Box::pin(work().cancelable(token)), Box::pin(work().cancelable(token).named("run"))]
}

#[test]
fn g10_section_finishes_first() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (gate, log, token) = (Gate::new(), Log::new(), CancellationToken::new());
        let work = || async {
            log.note("before");
            shield(async {
                gate.pass().await;
                log.note("section");
            })
            .await;
            log.note("after");
        };
        let [plain, operation] = both(&token, work);
        let mut run = if kind == 0 { plain } else { operation };
        let wakes = Wakes::new();
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert_eq!(wakes.count(), 1);
        assert!(wakes.poll(run.as_mut()).is_pending(), "the section is not over");
        assert!(wakes.poll(run.as_mut()).is_pending());
        gate.open();
        assert_eq!(lost(wakes.poll(run.as_mut())), Reason::manual("stop"), "in the same poll");
        assert_eq!(log.take(), ["before", "section"]);
        assert_eq!(kept(&wakes), 0);
    }
}

#[test]
fn g10_uncancelled() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    for mut run in both(&token, || async {
        let value = shield(async {
            futures::pending!();
            7
        });
        assert_eq!(value.await, 7);
        futures::pending!();
    }) {
        assert!(poll_once(run.as_mut()).is_pending());
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(())));
    }
}

#[test]
fn cancellation_after_the_section() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let token = CancellationToken::new();
        let [plain, operation] = both(&token, || async {
            shield(async { futures::pending!() }).await;
            pending::<()>().await;
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run.as_mut()).is_ready(), "nothing is shielded any more");
    }
}

#[test]
fn section_ending_in_the_last_poll() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (gate, log, token) = (Gate::new(), Log::new(), CancellationToken::new());
        let [plain, operation] = both(&token, || async {
            shield(gate.pass()).await;
            log.note("after");
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        token.cancel();
        assert!(lost(poll_once(run.as_mut())) == Reason::Manual { message: None });
        assert_eq!(log.take(), [""; 0]);
    }
}

#[test]
fn not_begun_after_a_cancellation() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (gate, log, token) = (Gate::new(), Log::new(), CancellationToken::new());
        let [plain, operation] = both(&token, || async {
            gate.pass().await;
            log.note("before");
            shield(async { log.note("section") }).await;
            log.note("after");
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        gate.open();
        token.cancel();
        assert!(poll_once(run.as_mut()).is_ready());
        assert_eq!(log.take(), ["before"]);
    }
}

#[test]
fn cancelled_inside_the_section() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        for pauses in 0..3 {
            let (log, token) = (Log::new(), CancellationToken::new());
            let [plain, operation] = both(&token, || async {
                shield(async {
                    token.cancel_with("from within");
                    for _ in 0..pauses {
                        futures::pending!();
                    }
                    log.note("section");
                })
                .await;
                log.note("after");
                pending::<()>().await;
            });
            let mut run = if kind == 0 { plain } else { operation };
            let mut polled = poll_once(run.as_mut());
            while polled.is_pending() {
                polled = poll_once(run.as_mut());
            }
            assert_eq!(lost(polled), Reason::manual("from within"));
            // Without a pause, no poll would read the token before the section ends.
            let seen = if pauses == 0 { vec!["section", "after"] } else { vec!["section"] };
            assert_eq!(log.take(), seen);
        }
    }
}

#[test]
fn outermost_ends_the_protection() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (inner, outer, log) = (Gate::new(), Gate::new(), Log::new());
        let token = CancellationToken::new();
        let [plain, operation] = both(&token, || async {
            shield(async {
                shield(inner.pass()).await;
                log.note("inner");
                shield(async { log.note("begun when cancelled") }).await;
                outer.pass().await;
                log.note("outer");
            })
            .await;
            log.note("after");
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        token.cancel();
        assert!(poll_once(run.as_mut()).is_pending());
        inner.open();
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(log.take(), ["inner", "begun when cancelled"]);
        outer.open();
        assert!(poll_once(run.as_mut()).is_ready());
        assert_eq!(log.take(), ["outer"]);
    }
}

/// Three races around one shield. The first two may be operations.
#[test]
fn g10_every_race_around_it_waits() {
    let _watchdog = support::watchdog();
    for operations in 0..4 {
        for fires in 1..8 {
            let (gate, log) = (Gate::new(), Log::new());
            let tokens = [(); 3].map(|()| CancellationToken::new());
            let work = async {
                shield(gate.pass()).await;
                log.note("work");
                pending::<()>().await;
            };
            let innermost: Run = Box::pin(work.cancelable(&tokens[0]));
            let middle = async {
                let lost = innermost.await.is_err();
                log.note("innermost");
                assert!(lost);
                pending::<()>().await;
            };
            let middle: Run = if operations & 1 == 0 {
                Box::pin(middle.cancelable(&tokens[1]))
            } else {
                Box::pin(middle.cancelable(&tokens[1]).named("middle"))
            };
            let outer = async {
                let lost = middle.await.is_err();
                log.note("middle");
                assert!(lost);
                pending::<()>().await;
            };
            let mut outer: Run = if operations & 2 == 0 {
                Box::pin(outer.cancelable(&tokens[2]))
            } else {
                Box::pin(outer.cancelable(&tokens[2]).named("outer"))
            };
            assert!(poll_once(outer.as_mut()).is_pending());
            for (number, token) in tokens.iter().enumerate() {
                if fires & (1 << number) != 0 {
                    token.cancel();
                }
            }
            for _ in 0..2 {
                assert!(poll_once(outer.as_mut()).is_pending());
            }
            assert_eq!(log.take(), [""; 0], "all wait: {fires:03b}");
            gate.open();
            let polled = poll_once(outer.as_mut());
            // The outermost cancelled race ends, together with everything inside it.
            assert_eq!(polled.is_ready(), fires >= 4, "{fires:03b}");
            let expected: &[&str] = match fires {
                4.. => &[],
                2.. => &["middle"],
                _ => &["innermost"],
            };
            assert_eq!(log.take(), expected, "{fires:03b} {operations:02b}");
        }
    }
}

#[test]
fn inner_race_follows_its_own_source() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (log, outer, inner, gate) =
            (Log::new(), CancellationToken::new(), CancellationToken::new(), Gate::new());
        let [plain, operation] = both(&outer, || async {
            shield(async {
                let cut = pending::<()>().cancelable(&inner).await;
                log.note(format_args!("inner: {}", cut.unwrap_err()));
                gate.pass().await;
            })
            .await;
            log.note("after");
        });
        let mut run = if kind == 0 { plain } else { operation };
        assert!(poll_once(run.as_mut()).is_pending());
        outer.cancel_with("outer");
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(log.take(), [""; 0], "the cancellation does not reach into the section");
        inner.cancel_with("inner");
        assert!(poll_once(run.as_mut()).is_pending());
        assert_eq!(log.take(), ["inner: cancelled: inner"]);
        gate.open();
        assert_eq!(lost(poll_once(run.as_mut())), Reason::manual("outer"));
        assert_eq!(log.take(), [""; 0]);
    }
}

#[test]
fn outside_of_a_race() {
    let _watchdog = support::watchdog();
    assert_eq!(support::block_on(shield(async { 7 })), 7);
    let mut section = pin!(shield(async { futures::pending!() }));
    assert!(!section.is_terminated());
    assert!(poll_once(section.as_mut()).is_pending());
    assert!(poll_once(section.as_mut()).is_ready());
    assert!(section.is_terminated());
    let said = panic_of(|| poll_once(section.as_mut()).is_ready());
    assert_eq!(said, "`Shield` polled after completion");
}

#[test]
fn method_of_operation() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let run = scope(never(), async |operation: Operation| {
        operation.shield(gate.pass()).await;
        log.note("after");
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel();
    assert!(poll_once(run.as_mut()).is_pending());
    gate.open();
    assert!(poll_once(run.as_mut()).is_ready());
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn leaving_on_a_cancellation() {
    let _watchdog = support::watchdog();
    let gate = Gate::new();
    let run = try_scope(never(), async |operation: Operation| {
        shield(async {
            gate.pass().await;
            // `check` would return `Ok`.
            operation.reason().map_or(Ok(()), |reason| Err(Cancelled::from(reason)))
        })
        .await?;
        unreachable!("what follows the shield does not run");
        #[expect(unreachable_code, reason = "it gives the type of the body")]
        Ok::<(), Cancelled>(())
    });
    let operation = run.operation();
    let mut run = pin!(run);
    assert!(poll_once(run.as_mut()).is_pending());
    operation.cancel_with("stop");
    gate.open();
    assert_eq!(lost(poll_once(run)), Reason::manual("stop"));
    assert_eq!(operation.status(), Status::Cancelled);
}

#[test]
fn section_in_a_child_keeps_its_parents() {
    let _watchdog = support::watchdog();
    let (gate, log) = (Gate::new(), Log::new());
    let outer = scope(never(), async |_| {
        let inner = scope(never(), async |inner: Operation| {
            shield(gate.pass()).await;
            log.note("after");
            drop(inner);
        });
        log.watch(&inner.operation());
        let _ = inner.await;
        log.note("after the inner one");
    });
    let operation = outer.named("outer");
    let handle = operation.operation();
    let mut outer = pin!(operation);
    assert!(poll_once(outer.as_mut()).is_pending());
    handle.cancel_with("stop");
    assert!(poll_once(outer.as_mut()).is_pending());
    gate.open();
    assert_eq!(lost(poll_once(outer)), Reason::manual("stop"));
    // The inner operation was cancelled too. After that, the outer work is either dropped at once or continues to the end of
    // its last poll.
    let seen = log.take();
    assert_eq!(seen[0], "hook: parent `outer` cancelled: stop");
    assert!(!seen.contains(&"after".to_owned()));
    assert!(!seen.contains(&"after the inner one".to_owned()), "{seen:?}");
}

#[test]
fn later_outer_cancellation() {
    let _watchdog = support::watchdog();
    for kind in 0..2 {
        let (gate, log) = (Gate::new(), Log::new());
        let [inner, outer] = [(); 2].map(|()| CancellationToken::new());
        let [plain, operation] = both(&outer, || async {
            let [plain, operation] = both(&inner, || async {
                shield(gate.pass()).await;
                log.note("inner");
            });
            let _ = if kind == 0 { operation } else { plain }.await;
            log.note("outer");
        });
        let mut run = if kind == 0 { plain } else { operation };
        for token in [None, Some(&inner), Some(&outer)] {
            token.map(CancellationToken::cancel);
            assert!(poll_once(run.as_mut()).is_pending());
        }
        gate.open();
        assert!(poll_once(run.as_mut()).is_ready());
        assert_eq!(log.take(), [""; 0]);
    }
}
