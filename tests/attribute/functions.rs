//! Functions outside of an `impl`.

use std::cell::Cell;
use std::fmt::{self, Debug, Display};
use std::future::{pending, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::mpsc::Receiver;

use cancelable::prelude::*;

use crate::support::{self, Tally, block_on, poll_once};

#[derive(Debug, PartialEq)]
enum Failed {
    Stopped(Cancelled),
    Parse(std::num::ParseIntError),
    Odd,
}

impl From<Cancelled> for Failed {
    fn from(cancelled: Cancelled) -> Self {
        Failed::Stopped(cancelled)
    }
}

impl From<std::num::ParseIntError> for Failed {
    fn from(error: std::num::ParseIntError) -> Self {
        Failed::Parse(error)
    }
}

/// The body knows its error type without an annotation, as in any function.
#[cancelable(source = never())]
async fn half(text: &str) -> Result<u32, Failed> {
    let number = text.parse()?;
    if number == 0 {
        return Ok(0);
    }
    for divisor in 1.. {
        ready(()).await;
        if divisor * 2 == number {
            return Ok(divisor);
        }
        if divisor > number {
            break;
        }
    }
    Err(Failed::Odd)
}

#[test]
fn return_question_mark_and_tail() {
    let _watchdog = support::watchdog();
    assert_eq!(block_on(half("12")), Ok(6));
    assert_eq!(block_on(half("0")), Ok(0));
    assert_eq!(block_on(half("7")), Err(Failed::Odd));
    assert!(matches!(block_on(half("x")), Err(Failed::Parse(_))));
}

#[test]
fn reason_becomes_error() {
    #[cancelable(token = token)]
    async fn typed(token: &CancellationToken) -> Result<(), Failed> {
        pending().await
    }

    #[cancelable(token = token)]
    async fn boxed(token: &CancellationToken) -> Result<(), Box<dyn std::error::Error>> {
        Err("never seen")?
    }

    #[cancelable(token = token)]
    async fn of_io(token: &CancellationToken) -> io::Result<()> {
        pending().await
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    token.cancel_with("stop");
    assert_eq!(block_on(typed(&token)), Err(Failed::Stopped(Cancelled::new("stop"))));
    assert_eq!(block_on(boxed(&token)).unwrap_err().to_string(), "`boxed` cancelled: stop");
    assert_eq!(block_on(of_io(&token)).unwrap_err().kind(), io::ErrorKind::Interrupted);
}

#[test]
fn result_aliases() {
    mod mine {
        pub(super) type Answer = Result<u32, cancelable::Cancelled>;
        pub(super) type Option<T> = Result<T, cancelable::Cancelled>;
    }
    use mine::Answer;

    #[cancelable(source = never())]
    async fn without_arguments(answer: Answer) -> Answer {
        Ok(answer? + 1)
    }

    #[cancelable(source = never())]
    async fn named_like_another_type(answer: Answer) -> mine::Option<u32> {
        Ok(answer? + 2)
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(without_arguments(Ok(1))), Ok(2));
    assert_eq!(block_on(named_like_another_type(Ok(1))), Ok(3));
}

#[test]
fn body_dropped_before_error() {
    #[cancelable(token = token)]
    async fn run<F: Future>(token: CancellationToken, work: F) -> Result<F::Output, Cancelled> {
        Ok(work.await)
    }

    let _watchdog = support::watchdog();
    let (token, tally) = (CancellationToken::new(), Tally::new());
    let mut started = pin!(run(token.clone(), tally.ready_at(0)));
    assert!(poll_once(started.as_mut()).is_pending());
    token.cancel();
    assert!(poll_once(started.as_mut()).is_ready());
    assert_eq!(tally.drops(), 1);

    // The arguments are dropped even if the body was never polled.
    let mut late = pin!(run(token, tally.ready_at(0)));
    assert!(poll_once(late.as_mut()).is_ready());
    assert_eq!((tally.polls(), tally.drops()), (2, 2));
}

#[test]
fn dropped() {
    #[cancelable(source = never())]
    async fn run<F: Future>(work: F) -> Result<F::Output, Cancelled> {
        Ok(work.await)
    }

    let _watchdog = support::watchdog();
    let tally = Tally::new();
    drop(run(tally.ready_at(0)));
    assert_eq!((tally.polls(), tally.drops()), (0, 1));
    {
        let started = pin!(run(tally.ready_at(0)));
        assert!(poll_once(started).is_pending());
    }
    assert_eq!((tally.polls(), tally.drops()), (1, 2));
}

#[test]
fn generics() {
    #[cancelable(token = token)]
    async fn longest<'a, 'b: 'a, T, const N: usize>(
        token: &CancellationToken,
        first: &'a [T],
        second: &'b [T; N],
    ) -> Result<&'a [T], Cancelled>
    where
        T: PartialOrd,
    {
        Ok(if first.len() > N { first } else { second })
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let long = [1, 2, 3];
    let found = {
        let run = longest(&token, &[9], &long);
        block_on(run)
    };
    assert_eq!(found, Ok(&long[..]));
}

#[test]
fn elided_lifetime() {
    #[cancelable(source = never())]
    async fn word(text: &str) -> Result<&str, Cancelled> {
        Ok(text.split(' ').next().unwrap_or_default())
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(word("one two")), Ok("one"));
}

#[test]
fn impl_and_dyn_arguments() {
    #[cancelable(source = stop.cancelled())]
    async fn show(
        stop: &CancellationToken,
        items: impl Iterator<Item = impl Display>,
        last: &(dyn Debug + Sync),
    ) -> Result<String, Cancelled> {
        let mut shown = String::new();
        for item in items {
            shown += &format!("{item} ");
            ready(()).await;
        }
        Ok(shown + &format!("{last:?}"))
    }

    let _watchdog = support::watchdog();
    let stop = CancellationToken::new();
    assert_eq!(block_on(show(&stop, 1..3, &"end")), Ok("1 2 \"end\"".to_owned()));
}

#[test]
fn impl_and_dyn_results() {
    #[cancelable(source = never())]
    async fn hidden(number: u32) -> Result<impl Display + Copy, Cancelled> {
        Ok(number)
    }

    #[cancelable(source = never())]
    async fn boxed(number: u32) -> Result<Box<dyn Display>, Box<dyn std::error::Error>> {
        if number == 0 {
            return Err(Box::new(fmt::Error));
        }
        // Coerced to a trait object on return, as in any function.
        Ok(Box::new(number))
    }

    let _watchdog = support::watchdog();
    assert_eq!(block_on(hidden(7)).unwrap().to_string(), "7");
    assert_eq!(block_on(boxed(7)).unwrap().to_string(), "7");
    assert!(block_on(boxed(0)).is_err());
}

#[test]
fn patterns() {
    struct Point {
        x: u32,
        y: u32,
    }

    #[cancelable(token = &tokens[0])]
    async fn sum(
        (a, mut b): (u32, u32),
        Point { x, y: renamed }: Point,
        mut rest: Vec<u32>,
        [first, ..]: &[u32; 3],
        tokens: &[CancellationToken],
        _: String,
    ) -> Result<u32, Cancelled> {
        b += a;
        rest.push(b);
        rest.push(x + renamed);
        Ok(rest.iter().sum::<u32>() + first)
    }

    let _watchdog = support::watchdog();
    let tokens = [CancellationToken::new()];
    let sum = sum((1, 2), Point { x: 3, y: 4 }, vec![5], &[6, 0, 0], &tokens, String::new());
    assert_eq!(block_on(sum), Ok(21));
}

#[test]
fn recursion() {
    #[cancelable(token = token)]
    async fn depth(token: &CancellationToken, levels: u32) -> Result<u32, Cancelled> {
        if levels == 0 {
            return Ok(0);
        }
        let below: Pin<Box<dyn Future<Output = _>>> = Box::pin(depth(token, levels - 1));
        Ok(below.await? + 1)
    }

    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(depth(&token, 20)), Ok(20));
    token.cancel();
    assert!(block_on(depth(&token, 20)).is_err());
}

/// Arguments that are `Send` but not `Sync` are moved into the body, not borrowed.
#[cancelable(token = token)]
async fn sendable(
    token: CancellationToken,
    cell: Cell<u32>,
    receiver: Receiver<u32>,
) -> Result<u32, Cancelled> {
    cell.set(cell.get() + receiver.try_recv().unwrap_or_default());
    ready(()).await;
    Ok(cell.get() + receiver.try_recv().unwrap_or_default() + u32::from(token.is_cancelled()))
}

#[test]
fn send() {
    let _watchdog = support::watchdog();
    let (sender, receiver) = std::sync::mpsc::channel();
    sender.send(2).unwrap();
    sender.send(4).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let task = runtime.spawn(sendable(CancellationToken::new(), Cell::new(1), receiver));
    assert_eq!(runtime.block_on(task).unwrap(), Ok(7));
}

#[test]
fn size() {
    #[cancelable(token = token, source = never())]
    async fn attribute(token: CancellationToken, buffer: [u8; 256]) -> Result<u8, Cancelled> {
        ready(()).await;
        Ok(buffer[0])
    }

    async fn by_hand(token: CancellationToken, buffer: [u8; 256]) -> Result<u8, Cancelled> {
        let sources = any_of((token.clone(), never()));
        let work = async move {
            ready(()).await;
            Ok(buffer[0])
        };
        work.try_cancelable(sources).await
    }

    let _watchdog = support::watchdog();
    let (attribute, by_hand) = (
        attribute(CancellationToken::new(), [0; 256]),
        by_hand(CancellationToken::new(), [0; 256]),
    );
    assert!(size_of_val(&attribute) <= size_of_val(&by_hand));
}
