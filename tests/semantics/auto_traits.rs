//! Guarantee 15: which types are `Send`, `Sync`, `Unpin` and `'static`, how large they are, and how
//! often values are dropped.

mod dropped;
mod operations;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt::Debug;
use std::future::{Pending, pending, ready};
use std::hash::Hash;
use std::io;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::size_of;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use cancelable::operation::{
    Call, Fallible, InScope, OperationId, ParseOperationIdError, Snapshot,
};
use cancelable::reason::ParentCause;
use cancelable::registry::{
    Drained, Event, Events, Filter, HistoryQuery, Inspection, Phase, Record, Stats,
};
use cancelable::source::{
    AllOf, AnyOf, Because, BoxSource, Never, WaitForCancellation, WaitForCancellationOwned,
};
use cancelable::source::{DropGuard, Registration, Unregister};
use cancelable::{
    Cancelable, CancelableExt, CancellationToken, Cancelled, Operation, Progress, Reason,
    ReasonKind, Registry, Shield, Signal, Status, Text, TryCancelable, all_of, any_of, never,
};

use crate::support::{self, poll_once};

/// Evaluates at compile time whether a type has an auto trait. The inherent constant exists only if the bound holds. If it
/// exists, it hides the constant of the trait.
macro_rules! probes {
    ($($probe:ident $fallback:ident: $bound:ident;)*) => {$(
        struct $probe<T: ?Sized>(PhantomData<T>);

        trait $fallback {
            const HOLDS: bool = false;
        }

        impl<T: ?Sized> $fallback for $probe<T> {}

        #[allow(dead_code, reason = "where it is missing, the fallback tells")]
        impl<T: ?Sized + $bound> $probe<T> {
            const HOLDS: bool = true;
        }
    )*};
}

probes! {
    IsSend NotSend: Send;
    IsSync NotSync: Sync;
    IsUnpin NotUnpin: Unpin;
    IsUnwindSafe NotUnwindSafe: UnwindSafe;
    IsRefUnwindSafe NotRefUnwindSafe: RefUnwindSafe;
}

macro_rules! assert_all {
    ($probe:ident: $($type:ty),* $(,)?) => {
        $(const { assert!($probe::<$type>::HOLDS, stringify!($probe $type)) };)*
    };
}

macro_rules! assert_none {
    ($probe:ident: $($type:ty),* $(,)?) => {
        $(const { assert!(!$probe::<$type>::HOLDS, stringify!($probe $type)) };)*
    };
}

/// A future that is `Send`, `Sync` and `Unpin`.
type Free = Pending<()>;

/// A future that is not `Send`.
struct Bound(#[allow(dead_code, reason = "only its type counts")] Rc<()>);

impl Future for Bound {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Reason> {
        Poll::Pending
    }
}

/// A future that is `Send` but not `Sync`.
struct Unshared(#[allow(dead_code, reason = "only its type counts")] Cell<u8>);

impl Future for Unshared {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Reason> {
        Poll::Pending
    }
}

/// A future that is not `Unpin`.
struct Pinned(#[allow(dead_code, reason = "only its type counts")] PhantomPinned);

impl Future for Pinned {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Reason> {
        Poll::Pending
    }
}

#[test]
fn g15_probes_work() {
    let _watchdog = support::watchdog();
    assert_all!(IsSend: u8, Free, Unshared, Pinned);
    assert_none!(IsSend: Rc<()>, Bound);
    assert_all!(IsSync: u8, Free, Pinned);
    assert_none!(IsSync: Cell<u8>, Bound, Unshared);
    assert_all!(IsUnpin: u8, Free, Bound, Unshared);
    assert_none!(IsUnpin: PhantomPinned, Pinned);
    assert_all!(IsUnwindSafe: u8);
    assert_none!(IsUnwindSafe: &mut u8);
    assert_none!(IsRefUnwindSafe: Cell<u8>);
}

#[test]
fn g15_public_types() {
    let _watchdog = support::watchdog();
    macro_rules! everything {
        ($($type:ty),* $(,)?) => {
            assert_all!(IsSend: $($type),*);
            assert_all!(IsSync: $($type),*);
            assert_all!(IsUnpin: $($type),*);
        };
    }
    everything!(
        Reason,
        ReasonKind,
        Text,
        Signal,
        Cancelled,
        CancellationToken,
        DropGuard,
        Registration,
        Unregister,
        WaitForCancellation<'static>,
        WaitForCancellationOwned,
        Never,
        Because<Free>,
        AnyOf<(Never, WaitForCancellationOwned)>,
        AnyOf<[Never; 2]>,
        AnyOf<Vec<Never>>,
        AllOf<(Never, WaitForCancellationOwned)>,
        AllOf<[Never; 2]>,
        AllOf<Vec<Never>>,
        Cancelable<Free, WaitForCancellation<'static>>,
        TryCancelable<Free, AnyOf<(Never, Never)>>,
        ParentCause,
        Operation,
        OperationId,
        ParseOperationIdError,
        Status,
        Progress,
        Snapshot,
        Shield<Free>,
        InScope<Free>,
        Call<Free>,
        Fallible<Result<(), Cancelled>>,
        TryCancelable<Pending<Result<(), Cancelled>>, Never>,
        Registry,
        Filter,
        HistoryQuery,
        Record,
        Stats,
        Event,
        Events,
        Inspection,
        Phase,
        Drained,
    );
    assert_all!(IsSend: BoxSource<'static>);
    assert_all!(IsUnpin: BoxSource<'static>);
    #[cfg(feature = "time")]
    {
        use cancelable::Limit;
        use cancelable::source::{
            Async, Condition, Deadline, Inline, Labelled, Timeout, WaitForLimit,
        };
        use std::future::Ready;
        everything!(
            Limit,
            WaitForLimit,
            Labelled<Timeout>,
            Timeout,
            Deadline,
            Condition<Inline<fn() -> bool>>
        );
        everything!(Condition<Async<fn() -> Ready<bool>, Ready<bool>>>);
        assert_none!(IsSend: Condition<Inline<Rc<()>>>);
        use cancelable::registry::{
            ServiceEnd, Shutdown, ShutdownPhases, ShutdownPlan, ShutdownReport, ShutdownWhen,
        };
        everything!(ShutdownPhases);
        everything!(Shutdown, ShutdownPlan, ShutdownReport, ShutdownWhen<Never>, ServiceEnd);
        // It holds a boxed source of any kind.
        assert_none!(IsSend: ShutdownWhen<Bound>);
        assert_none!(IsSync: ShutdownWhen<Unshared>);
        assert_none!(IsUnpin: ShutdownWhen<Pinned>);
    }
    #[cfg(feature = "blocking")]
    {
        use cancelable::source::{Blocking, Condition};
        everything!(Condition<Blocking<fn() -> bool>>);
    }
    #[cfg(feature = "signal")]
    everything!(cancelable::source::SignalSource);
}

#[test]
fn g15_types_follow_their_parts() {
    let _watchdog = support::watchdog();
    assert_none!(IsSend:
        Cancelable<Bound, Never>, Cancelable<Free, Bound>,
        TryCancelable<Bound, Never>, TryCancelable<Free, Bound>,
        AnyOf<(Never, Bound)>, AnyOf<[Bound; 2]>, AnyOf<Vec<Bound>>,
        AllOf<(Never, Bound)>, AllOf<[Bound; 2]>, AllOf<Vec<Bound>>,
        Because<Bound>,
        Shield<Bound>, InScope<Bound>, Call<Bound>,
    );
    assert_all!(IsSend:
        Shield<Unshared>, InScope<Unshared>, Call<Unshared>,
        Cancelable<Unshared, Unshared>, AnyOf<(Unshared,)>, AnyOf<Vec<Unshared>>,
        AllOf<(Unshared,)>, AllOf<Vec<Unshared>>, Because<Unshared>,
    );
    assert_none!(IsSync:
        Cancelable<Unshared, Never>, Cancelable<Free, Unshared>,
        TryCancelable<Unshared, Never>, TryCancelable<Free, Unshared>,
        AnyOf<(Never, Unshared)>, AnyOf<[Unshared; 2]>,
        AllOf<(Never, Unshared)>, Because<Unshared>,
        Shield<Unshared>, InScope<Unshared>, Call<Unshared>,
    );
    assert_none!(IsUnpin:
        Cancelable<Pinned, Never>, Cancelable<Free, Pinned>,
        TryCancelable<Pinned, Never>, TryCancelable<Free, Pinned>,
        AnyOf<(Never, Pinned)>, AllOf<(Never, Pinned)>, Because<Pinned>,
        Shield<Pinned>, InScope<Pinned>, Call<Pinned>,
    );
    // Lists box their sources, and boxes are `Unpin`.
    assert_all!(IsUnpin: AnyOf<[Pinned; 2]>, AnyOf<Vec<Pinned>>);
    assert_all!(IsUnpin: AllOf<[Pinned; 2]>, AllOf<Vec<Pinned>>);
}

#[test]
fn g15_unwind_safety() {
    let _watchdog = support::watchdog();
    assert_all!(IsUnwindSafe: CancellationToken, DropGuard, ReasonKind, Text, Signal, Never);
    assert_all!(IsRefUnwindSafe: CancellationToken, DropGuard, ReasonKind, Text, Signal, Never);
    assert_all!(IsUnwindSafe: Registry);
    assert_all!(IsRefUnwindSafe: Registry);

    // A token inside a closure that panics stays usable.
    let token = CancellationToken::new();
    let within = token.clone();
    let caught = catch_unwind(move || {
        within.cancel_with("panicking");
        panic!("within");
    });
    assert!(caught.is_err());
    assert_eq!(token.reason(), Some(Reason::manual("panicking")));
}

#[test]
fn g15_clone_eq_and_error() {
    let _watchdog = support::watchdog();
    fn cloned<T: Clone>() {}
    fn compared<T: Eq>() {}
    fn hashed<T: Hash>() {}
    fn printed<T: Debug>() {}
    fn thrown<T: Error + Clone + Send + Sync + 'static>() {}
    fn ordered<T: Ord>() {}
    cloned::<(Reason, ReasonKind, Text, Cancelled, CancellationToken)>();
    cloned::<(Operation, OperationId, Status, Progress, Snapshot, ParentCause)>();
    compared::<(Reason, ReasonKind, Text, Cancelled, CancellationToken)>();
    compared::<(Operation, OperationId, Status, ParentCause)>();
    cloned::<(Registry, Filter, HistoryQuery, Record, Stats, Event, Inspection, Phase)>();
    compared::<(Registry, Stats, Phase)>();
    // They contain floating-point numbers.
    fn alike<T: PartialEq>() {}
    alike::<(Progress, Snapshot)>();
    alike::<(Record, Event, Inspection)>();
    hashed::<(ReasonKind, Text, CancellationToken, Signal)>();
    hashed::<(Operation, OperationId, Status)>();
    ordered::<(OperationId, Status)>();
    printed::<(Operation, Shield<Bound>, InScope<Bound>, Call<Bound>)>();
    printed::<(Snapshot, Progress)>();
    printed::<(Registry, Filter, HistoryQuery, Record, Stats, Event, Events, Inspection, Drained)>(
    );
    printed::<(Cancelable<Free, Never>, AnyOf<(Never,)>, AllOf<[Never; 1]>, Registration)>();
    thrown::<Cancelled>();
    thrown::<ParseOperationIdError>();
    let _: io::Error = Cancelled::new("x").into();
    let _: Box<dyn Error + Send + Sync> = Cancelled::new("x").into();
}

#[test]
fn g15_work_and_sources_may_borrow() {
    let _watchdog = support::watchdog();
    let mut numbers = vec![1, 2, 3];
    let token = CancellationToken::new();
    let name = String::from("borrowed");

    // The work borrows mutably, the source borrows the token, and the value borrows the numbers.
    let outcome = {
        let numbers = &mut numbers;
        let work = async {
            numbers.push(4);
            &numbers[3]
        };
        let Poll::Ready(outcome) = poll_once(pin!(work.cancelable(&token))) else {
            panic!("still pending");
        };
        *outcome.unwrap()
    };
    assert_eq!((outcome, numbers.len()), (4, 4));

    // Each kind of list, with sources that borrow.
    let waits = async {
        token.cancelled().await;
        Reason::from(name.clone())
    };
    let boxed: BoxSource<'_> = Box::pin(waits);
    let nested = any_of((&token, all_of([&token, &token]), any_of(vec![boxed])));
    let mut race = pin!(pending::<()>().cancelable(nested));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel_with("done");
    assert!(poll_once(race).is_ready());

    #[cfg(feature = "time")]
    {
        let checked = Cell::new(0);
        let check = cancelable::condition(|| {
            checked.set(checked.get() + name.len());
            true
        });
        assert!(poll_once(pin!(pending::<()>().cancelable(check))).is_ready());
        assert_eq!(checked.get(), name.len());
    }
}

#[test]
fn g15_work_need_not_be_send() {
    let _watchdog = support::watchdog();
    let shared = Rc::new(RefCell::new(Vec::new()));
    let noted = shared.clone();
    let work = async move {
        noted.borrow_mut().push(1);
        Rc::new(7)
    };
    let source = Bound(Rc::new(()));
    let Poll::Ready(Ok(value)) = poll_once(pin!(work.cancelable(source))) else {
        panic!("the work is ready");
    };
    assert_eq!((*value, shared.borrow().len()), (7, 1));
}

#[test]
fn g15_races_move_between_threads() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut race = Box::pin(pending::<()>().cancelable(any_of((token.clone(), never()))));
    assert!(poll_once(race.as_mut()).is_pending());
    token.cancel_with("moved");
    let polled = std::thread::spawn(move || poll_once(race.as_mut())).join().unwrap();
    assert_eq!(polled, Poll::Ready(Err(Cancelled::new("moved"))));
}

#[test]
fn reasons_and_races_are_small() {
    let _watchdog = support::watchdog();
    let word = size_of::<u64>();
    assert!(size_of::<Reason>() <= 4 * word);
    assert!(size_of::<Option<Reason>>() <= 4 * word, "no word for the `Option`");
    assert!(size_of::<Cancelled>() <= 2 * word);
    assert!(size_of::<Result<(), Cancelled>>() <= 2 * word);
    assert!(size_of::<Result<u64, Cancelled>>() <= 2 * word);
    assert_eq!(size_of::<CancellationToken>(), size_of::<usize>());
    assert_eq!(size_of::<Option<CancellationToken>>(), size_of::<usize>());

    // A race is as large as its parts and at most three words. Two of the words say whether the work and the source still
    // exist, one is a flag.
    fn overhead<F: Future, S: Future<Output = Reason>>(work: F, source: S) -> usize {
        let parts = size_of::<F>() + size_of::<S>();
        size_of_val(&work.cancelable(source)) - parts
    }
    let token = CancellationToken::new();
    assert!(overhead(ready(7u64), never()) <= 3 * word);
    assert!(overhead(pending::<()>(), token.cancelled()) <= 3 * word);
    let array = [0u8; 1024];
    let large = async move {
        std::future::ready(()).await;
        array
    };
    assert!(overhead(large, any_of((token.cancelled(), never()))) <= 3 * word);
    assert!(size_of::<WaitForCancellation<'_>>() <= 6 * word);
    #[cfg(feature = "time")]
    assert!(size_of::<cancelable::source::Timeout>() <= 8 * word);
}
