//! `try_cancelable`: one `Result` instead of two.

use super::*;

/// An error type of the caller.
#[derive(Debug, PartialEq)]
enum Failed {
    Cancelled(Reason),
    Number(std::num::ParseIntError),
}

impl From<Cancelled> for Failed {
    fn from(cancelled: Cancelled) -> Self {
        Failed::Cancelled(cancelled.into_reason())
    }
}

impl From<std::num::ParseIntError> for Failed {
    fn from(error: std::num::ParseIntError) -> Self {
        Failed::Number(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

async fn parse(text: &str) -> Result<i32, Failed> {
    Ok(text.parse()?)
}

#[test]
fn own_error() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    assert_eq!(block_on(parse("7").try_cancelable(&token)), Ok(7));
    let failed = block_on(parse("x").try_cancelable(&token)).unwrap_err();
    assert!(matches!(failed, Failed::Number(_)), "{failed}");
    token.cancel_with("stop");
    let failed = block_on(parse("7").try_cancelable(&token)).unwrap_err();
    assert_eq!(failed, Failed::Cancelled(Reason::manual("stop")));
}

#[test]
fn io_error() {
    let _watchdog = support::watchdog();
    let run = pending::<io::Result<()>>().try_cancelable(timeout(Duration::ZERO));
    let error = block_on(run).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let inner = error.get_ref().unwrap().downcast_ref::<Cancelled>().unwrap();
    assert!(inner.is_timeout());
    let run = pending::<io::Result<()>>().try_cancelable(cancelled_token("stop"));
    assert_eq!(block_on(run).unwrap_err().kind(), io::ErrorKind::Interrupted);
    // Errors of the work come through unchanged.
    let not_found = async { io::Result::<()>::Err(io::ErrorKind::NotFound.into()) };
    let error = block_on(not_found.try_cancelable(never())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn cancelled_and_boxed_errors() {
    let _watchdog = support::watchdog();
    let run = pending::<Result<(), Cancelled>>().try_cancelable(cancelled_token("stop"));
    assert_eq!(block_on(run), Err(Cancelled::new("stop")));
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    let run = pending::<Result<(), Boxed>>().try_cancelable(cancelled_token("stop"));
    let error = block_on(run).unwrap_err();
    assert_eq!(*error.downcast::<Cancelled>().unwrap(), Cancelled::new("stop"));
}

#[test]
fn question_marks() {
    let _watchdog = support::watchdog();
    async fn steps(token: &CancellationToken) -> Result<i32, Failed> {
        let one = parse("1").try_cancelable(token).await?;
        let two = async { 2 }.cancelable(token).await?;
        let three = parse("3").cancelable(token).await??;
        token.check()?;
        Ok(one + two + three)
    }
    let token = CancellationToken::new();
    assert_eq!(block_on(steps(&token)), Ok(6));
    token.cancel_with("stop");
    assert_eq!(block_on(steps(&token)), Err(Failed::Cancelled(Reason::manual("stop"))));
}

#[test]
fn same_rules() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let tally = Tally::new();
    let mut run = Box::pin(tally.ready_at(2).map(Ok::<_, Failed>).try_cancelable(&token));
    assert!(poll_once(run.as_mut()).is_pending());
    token.cancel();
    // The value wins.
    assert_eq!(poll_once(run.as_mut()), Poll::Ready(Ok(2)));
    assert_eq!(tally.drops(), 1);
    let mut run = Box::pin(tally.ready_at(1).map(Ok::<_, Failed>).try_cancelable(&token));
    assert!(matches!(poll_once(run.as_mut()), Poll::Ready(Err(Failed::Cancelled(_)))));
    // The work is never polled.
    assert_eq!((tally.polls(), tally.drops()), (2, 2));
}

#[test]
fn nameable_type() {
    let _watchdog = support::watchdog();
    let run: TryCancelable<_, cancelable::source::Never> =
        ready(Ok::<_, Failed>(7)).try_cancelable(never());
    assert_eq!(block_on(run), Ok(7));
}
