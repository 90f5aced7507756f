//! A grace period inside a race that waits for a section.

use std::pin::{Pin, pin};
use std::time::Duration;

use cancelable::prelude::*;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::support::{self, Log, Wakes, kept, lost, poll_while_woken};

/// Whether a combinator with wakers of its own is between two futures.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    Nothing,
    Combinator,
}

type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Between {
    /// Awaits all of the parts.
    async fn all(self, parts: Vec<Boxed<'_>>) {
        match self {
            Between::Nothing => drop(futures::future::join_all(parts).await),
            Between::Combinator => {
                let mut parts: FuturesUnordered<_> = parts.into_iter().collect();
                while parts.next().await.is_some() {}
            }
        }
    }
}

/// Many shields, and many operations, come after the cancellation. None of them begins or continues, and they do not
/// wake the task all the time.
#[test]
fn g10_new_section_in_an_inner_grace_does_not_begin() {
    let _watchdog = support::watchdog();
    for (around, inside) in [Between::Nothing, Between::Combinator]
        .into_iter()
        .flat_map(|around| [(around, Between::Nothing), (around, Between::Combinator)])
    {
        let ([gate, token], log) = ([(); 2].map(|()| CancellationToken::new()), Log::new());
        let part = async || {
            token.cancelled().await;
            shield(async { log.note("section") }).await;
            log.note("after the section");
        };
        let child = async || {
            let _ = std::future::pending::<()>().cancelable(never()).named("child").await;
            log.note("after the child");
        };
        let parts = (0..100).map(|_| Box::pin(part()) as Boxed<'_>);
        let parts = parts.chain((0..100).map(|_| Box::pin(child()) as Boxed<'_>)).collect();
        let inner = async {
            let inner = inside.all(parts).cancelable(&token).named("inner");
            let _ = inner.grace(Duration::MAX).await;
            log.note("after the grace period");
        };
        let section = async {
            shield(gate.cancelled()).await;
            log.note("after the awaited section");
        };
        let run = around.all(vec![Box::pin(section), Box::pin(inner)]).cancelable(&token);
        let (mut run, wakes) = (pin!(run), Wakes::new());
        assert!(wakes.poll(run.as_mut()).is_pending());
        token.cancel_with("stop");
        assert!(poll_while_woken(&wakes, run.as_mut()).is_pending());
        assert_eq!(log.take(), [""; 0], "{around:?}, {inside:?}");
        gate.cancel();
        assert_eq!(lost(poll_while_woken(&wakes, run.as_mut())), Reason::manual("stop"));
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(kept(&wakes), 0);
    }
}
