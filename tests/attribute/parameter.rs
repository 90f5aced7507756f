//! The parameter of type `Operation`, which receives the handle.

use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use cancelable::prelude::*;

use crate::support::{self, block_on, poll_once};

/// Returns whether this is the current operation, and has this name.
fn is_here(operation: &Operation, name: &str) -> bool {
    Operation::current().as_ref() == Some(operation) && operation.name() == Some(name)
}

#[test]
fn places_and_paths() {
    #[cancelable]
    async fn only(operation: Operation) -> Result<bool, Cancelled> {
        Ok(is_here(&operation, "only"))
    }

    #[cancelable(source = never())]
    async fn first(op: cancelable::Operation, number: u32) -> Result<(bool, u32), Cancelled> {
        Ok((is_here(&op, "first"), number))
    }

    #[cancelable]
    async fn between<'a>(
        text: &'a str,
        op: ::cancelable::Operation,
        items: impl Iterator<Item = u32>,
    ) -> Result<(bool, &'a str, u32), Cancelled> {
        ready(()).await;
        Ok((is_here(&op, "between"), text, items.sum()))
    }

    #[cancelable]
    async fn last<T>(value: T, op: Operation) -> Result<(bool, T), Cancelled> {
        Ok((is_here(&op, "last"), value))
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(only()), Ok(true));
    assert_eq!(block_on(first(3)), Ok((true, 3)));
    assert_eq!(block_on(between("text", 1..4)), Ok((true, "text", 6)));
    assert_eq!(block_on(last('x')), Ok((true, 'x')));
}

#[test]
fn patterns() {
    #[cancelable]
    async fn ignored(_: Operation) -> Result<Option<Operation>, Cancelled> {
        Ok(Operation::current())
    }

    #[cancelable]
    async fn underscored(_operation: Operation) -> Result<Option<Operation>, Cancelled> {
        Ok(Operation::current())
    }

    #[cancelable]
    async fn mutable(mut operation: Operation) -> Result<bool, Cancelled> {
        let own = operation.clone();
        operation = support::unpolled("");
        Ok(operation != own && is_here(&own, "mutable"))
    }

    /// An unused handle causes a warning like any unused argument, and keeps its attributes.
    #[cancelable]
    async fn with_attributes(
        #[cfg(feature = "macros")]
        #[expect(unused_variables, reason = "to see that the compiler says so")]
        operation: Operation,
        number: u32,
    ) -> Result<u32, Cancelled> {
        Ok(number)
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(ignored()).unwrap().unwrap().status(), Status::Completed);
    assert_eq!(block_on(underscored()).unwrap().unwrap().status(), Status::Completed);
    assert_eq!(block_on(mutable()), Ok(true));
    assert_eq!(block_on(with_attributes(2)), Ok(2));
}

/// Names that the expansion uses.
#[cfg(feature = "time")]
#[test]
fn names() {
    use std::time::Duration;

    use cancelable::source::Never;

    macro_rules! are_here {
        ($($name:ident)*) => {$(
            #[cancelable(source = source, grace = grace * 2)]
            async fn $name(
                $name: Operation,
                source: Never,
                grace: Duration,
            ) -> Result<bool, Cancelled> {
                Ok(is_here(&$name, stringify!($name)))
            }

            let grace = Duration::from_secs(1);
            assert_eq!(block_on($name(never(), grace)), Ok(true), stringify!($name));
        )*};
    }

    let _watchdog = support::watchdog();
    are_here!(operation handle name work way run result source0);
}

#[test]
fn in_macro() {
    macro_rules! function {
        ($name:ident, $operation:ident: $ty:ty, $key:ident = $value:expr) => {
            #[cancelable($key = $value)]
            async fn $name($operation: $ty, number: u32) -> Result<(bool, u32), Cancelled> {
                Ok((is_here(&$operation, "through"), number))
            }
        };
    }
    function!(run, operation: Operation, name = "through");

    let _watchdog = support::watchdog();
    assert_eq!(block_on(run(7)), Ok((true, 7)));
}

/// Values may use the handle like any argument.
#[test]
fn used_in_values() {
    /// Fires when this much progress has been reported.
    async fn reported(operation: Operation, steps: u64) -> Reason {
        poll_fn(|_| {
            let progress = operation.snapshot().progress;
            match progress.and_then(|progress| progress.counted()) {
                Some((done, _)) if done >= steps => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        Reason::manual("far enough")
    }

    #[cancelable(source = reported(op.clone(), 3), name = format!("of {}", op.status()))]
    async fn run(op: Operation) -> Result<(), Cancelled> {
        assert!(is_here(&op, &format!("of {}", Status::Pending)));
        for done in 1.. {
            op.report_progress(Progress::steps(done, 10));
            futures::pending!();
        }
        Ok(())
    }

    let _watchdog = support::watchdog();
    let mut run = pin!(run());
    for _ in 0..3 {
        assert!(poll_once(run.as_mut()).is_pending());
    }
    // The body reports the third step. The source sees the report in the next poll.
    assert_eq!(poll_once(run), Poll::Ready(Err(Cancelled::new("far enough"))));
}

#[derive(Default)]
struct Service {
    calls: u32,
}

trait Serve {
    type Answer;

    /// The trait does not mention operations.
    async fn serve(&mut self, question: &str) -> Result<Self::Answer, Cancelled>;
}

impl Serve for Service {
    type Answer = (usize, u32, bool);

    #[cancelable(name = format!("serve {question}"))]
    async fn serve(&mut self, op: Operation, question: &str) -> Result<Self::Answer, Cancelled> {
        self.calls += 1;
        Ok((question.len(), self.calls, is_here(&op, "serve why")))
    }
}

impl Service {
    #[cancelable]
    async fn shared(&self, op: Operation) -> Result<bool, Cancelled> {
        Ok(is_here(&op, "shared"))
    }

    #[cancelable]
    async fn by_value(mut self, op: Operation, add: u32) -> Result<(Self, bool), Cancelled> {
        self.calls += add;
        Ok((self, is_here(&op, "by_value")))
    }

    #[cancelable]
    async fn counted(self: Arc<Self>, op: Operation) -> Result<(usize, bool), Cancelled> {
        Ok((Arc::strong_count(&self), is_here(&op, "counted")))
    }

    #[cancelable]
    async fn pinned(mut self: Pin<&mut Self>, op: Operation) -> Result<(u32, bool), Cancelled> {
        self.calls += 1;
        Ok((self.as_ref().calls, is_here(&op, "pinned")))
    }

    #[cancelable]
    async fn associated(op: Operation) -> Result<(Self, bool), Cancelled> {
        Ok((Self::default(), is_here(&op, "associated")))
    }
}

#[test]
fn methods() {
    let _watchdog = support::watchdog();
    block_on(async {
        let (mut service, here) = Service::associated().await?;
        assert!(here);
        assert_eq!(service.shared().await, Ok(true));
        assert_eq!(service.serve("why").await, Ok((3, 1, true)));
        let (mut service, here) = service.by_value(5).await?;
        assert!(here);
        assert_eq!(Pin::new(&mut service).pinned().await, Ok((7, true)));
        assert_eq!(Arc::new(service).counted().await, Ok((1, true)));
        Ok::<(), Cancelled>(())
    })
    .unwrap();
}

/// A parameter for an operation that the caller passes is declared with another name of the type.
#[test]
fn operation_of_caller() {
    use cancelable::Operation as Handle;

    #[cancelable]
    async fn run(above: &Handle, own: Operation, beside: Handle) -> Result<bool, Cancelled> {
        Ok(*above == beside && own != beside && is_here(&own, "run"))
    }

    let _watchdog = support::watchdog();
    let other_run = async {}.cancelable(never());
    let other = other_run.operation();
    assert_eq!(block_on(run(&other, other.clone())), Ok(true));
}

#[test]
fn type_parameter() {
    #[cancelable]
    async fn run<Operation: Copy>(
        operation: Operation,
    ) -> Result<(Operation, Operation), Cancelled> {
        Ok((operation, operation))
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(run(7)), Ok((7, 7)));
}

#[test]
fn two_attributes() {
    #[cancelable(name = "upper")]
    #[cancelable(name = "lower")]
    async fn run(op: Operation) -> Result<bool, Cancelled> {
        let snapshot = op.snapshot();
        Ok(is_here(&op, "upper") && snapshot.parent_id.is_some())
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(run()), Ok(true));
}

#[test]
fn send() {
    #[cancelable(token = token)]
    async fn run(token: CancellationToken, op: Operation) -> Result<bool, Cancelled> {
        ready(()).await;
        let here = is_here(&op, "run");
        token.cancel_with("done");
        if here { pending().await } else { Ok(false) }
    }

    let _watchdog = support::watchdog();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let task = runtime.spawn(run(CancellationToken::new()));
    assert_eq!(runtime.block_on(task).unwrap(), Err(Cancelled::new("done")));
}

#[test]
fn size() {
    #[cancelable(token = token)]
    async fn attribute(
        token: CancellationToken,
        buffer: [u8; 256],
        op: Operation,
    ) -> Result<u8, Cancelled> {
        ready(()).await;
        op.check()?;
        Ok(buffer[0])
    }

    async fn by_hand(token: CancellationToken, buffer: [u8; 256]) -> Result<u8, Cancelled> {
        let work = async move |op: Operation| {
            ready(()).await;
            op.check()?;
            Ok(buffer[0])
        };
        try_scope(token.clone(), work).named("by_hand").await
    }

    let _watchdog = support::watchdog();
    let (attribute, by_hand) = (
        attribute(CancellationToken::new(), [0; 256]),
        by_hand(CancellationToken::new(), [0; 256]),
    );
    assert!(size_of_val(&attribute) <= size_of_val(&by_hand));
}
