//! What may be used as a source.

use super::*;

async fn after_polls(mut polls: usize) -> Reason {
    poll_fn(|_| {
        polls -= 1;
        if polls == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Reason::Disconnected
}

fn returned() -> impl Future<Output = Reason> {
    after_polls(2)
}

/// Not a future, but a source.
struct Alarm(Reason);

impl Source for Alarm {
    type Future = std::future::Ready<Reason>;

    fn into_source(self) -> Self::Future {
        ready(self.0)
    }
}

fn outcome<S: Source>(source: S) -> Reason {
    block_on(pending::<()>().cancelable(source)).unwrap_err().into_reason()
}

#[test]
fn any_future_of_a_reason() {
    let _watchdog = support::watchdog();
    assert_eq!(outcome(async { Reason::manual("block") }), Reason::manual("block"));
    assert_eq!(outcome(returned()), Reason::Disconnected);
    assert_eq!(outcome(after_polls(1)), Reason::Disconnected);
    assert_eq!(outcome(Alarm(Reason::Dropped)), Reason::Dropped);
    assert_eq!(outcome(any_of((never(), Alarm(Reason::Dropped)))), Reason::Dropped);
    let boxed: Pin<Box<dyn Future<Output = Reason>>> = Box::pin(returned());
    assert_eq!(outcome(boxed), Reason::Disconnected);
    assert_eq!(outcome(pin!(returned())), Reason::Disconnected);
    let number = ready(7).map(|number| Reason::manual(format!("number {number}")));
    assert_eq!(outcome(number), Reason::manual("number 7"));
}

#[test]
fn tokens_by_value_and_reference() {
    let _watchdog = support::watchdog();
    let token = cancelled_token("stop");
    assert_eq!(outcome(&token), Reason::manual("stop"));
    assert_eq!(outcome(token.cancelled()), Reason::manual("stop"));
    assert_eq!(outcome(token), Reason::manual("stop"));
}

#[test]
fn borrowed_source_continues() {
    let _watchdog = support::watchdog();
    let clock = support::Clock::start();
    let start = clock.now();
    let mut limit = pin!(timeout(Duration::from_millis(30)));
    assert_eq!(clock.block_on(async { 1 }.cancelable(limit.as_mut())), Ok(1));
    assert!(!limit.is_terminated());
    clock.pass(Duration::from_millis(20));
    // The countdown continues and does not start again.
    assert!(clock.block_on(pending::<()>().cancelable(limit.as_mut())).is_err());
    assert!(limit.is_terminated());
    clock.assert_passed(start, Duration::from_millis(30));
}
