//! Trees of `any_of` and `all_of` whose leaves fire in any order, between any polls.
//!
//! After every poll, the model says whether the tree has fired, and for what reason. After every leaf that fires, the model
//! says whether the next poll would find anything new. If so, the last waker must have been woken, and otherwise it must
//! not.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use cancelable::source::BoxSource;
use cancelable::{CancelableExt, CancellationToken, Reason, all_of, any_of, never};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::support::{self, Wakes, check_random};

/// A random tree.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Leaf),
    Any(List, Vec<Tree>),
    All(List, Vec<Tree>),
}

#[derive(Clone, Copy, Debug)]
enum Leaf {
    /// A future of this file, which panics if it is polled after it fired.
    Hand,
    /// The same, through `because`.
    Because,
    Token,
    Child,
    /// A token that is cancelled before the tree is made.
    Fired,
    Never,
}

/// The type of a list. A tuple of more than four becomes a `Vec`.
#[derive(Clone, Copy, Debug)]
enum List {
    Tuple,
    Array,
    Vec,
    Slice,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Fire(usize),
    Poll { changed_waker: bool },
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => Just(Leaf::Hand),
        2 => Just(Leaf::Because),
        3 => Just(Leaf::Token),
        2 => Just(Leaf::Child),
        1 => Just(Leaf::Fired),
        1 => Just(Leaf::Never),
    ];
    let list = prop_oneof![3 => Just(List::Tuple), 1 => Just(List::Array), 1 => Just(List::Vec), 1 => Just(List::Slice)];
    leaf.prop_map(Tree::Leaf).prop_recursive(5, 24, 4, move |inner| {
        (list.clone(), vec(inner, 0..=4), any::<bool>()).prop_map(|(list, trees, or)| {
            if or { Tree::Any(list, trees) } else { Tree::All(list, trees) }
        })
    })
}

/// Trees with long lists. Long lists are polled in another way than short ones.
fn wide_trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![4 => Just(Leaf::Hand), 2 => Just(Leaf::Token), 1 => Just(Leaf::Fired)];
    (vec(leaf.prop_map(Tree::Leaf), 29..=36), any::<bool>(), any::<bool>()).prop_map(
        |(leaves, or, wrapped)| {
            let wide = if or { Tree::Any(List::Vec, leaves) } else { Tree::All(List::Vec, leaves) };
            if wrapped { Tree::All(List::Tuple, vec![wide, Tree::Leaf(Leaf::Hand)]) } else { wide }
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<usize>().prop_map(Step::Fire),
        any::<bool>().prop_map(|changed_waker| Step::Poll { changed_waker }),
    ];
    vec(step, 0..40)
}

/// The model: what the polls of a tree have seen.
#[derive(Clone, Debug, PartialEq)]
enum Model {
    Leaf(usize),
    Any(Vec<Model>),
    All(Vec<Result<Reason, Model>>),
}

impl Model {
    /// Polls the model. Returns the reason of the tree, if the tree fires with these leaves.
    fn poll(&mut self, fired: &[Option<Reason>]) -> Option<Reason> {
        match self {
            Model::Leaf(leaf) => fired[*leaf].clone(),
            Model::Any(sources) => sources.iter_mut().find_map(|source| source.poll(fired)),
            Model::All(sources) => {
                for source in &mut *sources {
                    if let Err(pending) = source {
                        if let Some(reason) = pending.poll(fired) {
                            *source = Ok(reason);
                        }
                    }
                }
                let seen: Vec<&Reason> =
                    sources.iter().filter_map(|source| source.as_ref().ok()).collect();
                if seen.is_empty() || seen.len() < sources.len() {
                    return None;
                }
                let flat = seen.into_iter().flat_map(|reason| reason.leaves().to_vec());
                Some(Reason::all(flat.collect::<Vec<_>>()))
            }
        }
    }

    /// Returns whether a poll would find anything that the last poll did not.
    fn would_get_further(&self, fired: &[Option<Reason>]) -> bool {
        let mut polled = self.clone();
        polled.poll(fired).is_some() || polled != *self
    }
}

/// A source that is fired by hand.
struct Hand {
    switch: Arc<Mutex<HandState>>,
    reason: Reason,
}

#[derive(Default)]
struct HandState {
    fired: bool,
    seen: bool,
    waker: Option<Waker>,
}

impl Future for Hand {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        let mut state = self.switch.lock().unwrap();
        assert!(!state.seen, "a source is polled again after it has fired");
        if state.fired {
            state.seen = true;
            return Poll::Ready(self.reason.clone());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let waker = self.switch.lock().unwrap().waker.take();
        drop(waker);
    }
}

/// How a leaf is fired.
enum Switch {
    Hand(Arc<Mutex<HandState>>),
    Token(CancellationToken),
    Nothing,
}

/// A tree under test, and its model.
#[derive(Default)]
struct Built {
    switches: Vec<Switch>,
    /// Returns the reason of a leaf.
    reasons: Vec<Reason>,
    /// Which leaves have fired.
    fired: Vec<Option<Reason>>,
}

impl Built {
    fn build(&mut self, tree: &Tree) -> (BoxSource<'static>, Model) {
        match tree {
            Tree::Leaf(leaf) => self.leaf(*leaf),
            Tree::Any(list, trees) => {
                let (sources, models) = trees.iter().map(|tree| self.build(tree)).unzip();
                (first(*list, sources), Model::Any(models))
            }
            Tree::All(list, trees) => {
                let (sources, models): (_, Vec<_>) =
                    trees.iter().map(|tree| self.build(tree)).unzip();
                (every(*list, sources), Model::All(models.into_iter().map(Err).collect()))
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf) -> (BoxSource<'static>, Model) {
        let index = self.switches.len();
        let manual = Reason::manual(format!("leaf {index}"));
        let mut reason = manual.clone();
        let token = CancellationToken::new();
        let hand = Arc::<Mutex<HandState>>::default();
        let (source, switch): (BoxSource<'static>, _) = match leaf {
            Leaf::Hand => {
                let switch = hand.clone();
                (Box::pin(Hand { switch, reason: manual }), Switch::Hand(hand))
            }
            Leaf::Because => {
                let inner = Hand { switch: hand.clone(), reason: Reason::Disconnected };
                (Box::pin(inner.because(manual)), Switch::Hand(hand))
            }
            Leaf::Token => (Box::pin(token.clone().cancelled_owned()), Switch::Token(token)),
            Leaf::Child => {
                reason = Reason::parent(manual);
                (Box::pin(token.child_token().cancelled_owned()), Switch::Token(token))
            }
            Leaf::Fired => {
                token.cancel_with(manual);
                (Box::pin(token.cancelled_owned()), Switch::Nothing)
            }
            Leaf::Never => (Box::pin(never()), Switch::Nothing),
        };
        self.switches.push(switch);
        self.fired.push(matches!(leaf, Leaf::Fired).then(|| reason.clone()));
        self.reasons.push(reason);
        (source, Model::Leaf(index))
    }

    fn fire(&mut self, leaf: usize) {
        match &self.switches[leaf] {
            Switch::Nothing => return,
            Switch::Token(token) => {
                token.cancel_with(format!("leaf {leaf}"));
            }
            Switch::Hand(hand) => {
                let mut state = hand.lock().unwrap();
                state.fired = true;
                let waker = state.waker.take();
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
        self.fired[leaf] = Some(self.reasons[leaf].clone());
    }
}

macro_rules! compose {
    ($name:ident, $of:ident) => {
        fn $name(list: List, sources: Vec<BoxSource<'static>>) -> BoxSource<'static> {
            match list {
                List::Vec => Box::pin($of(sources)),
                List::Slice => Box::pin($of(sources.into_boxed_slice())),
                List::Array => match <[_; 2]>::try_from(sources) {
                    Ok(sources) => Box::pin($of(sources)),
                    Err(sources) => match <[_; 3]>::try_from(sources) {
                        Ok(sources) => Box::pin($of(sources)),
                        Err(sources) => match <[_; 0]>::try_from(sources) {
                            Ok(sources) => Box::pin($of(sources)),
                            Err(sources) => Box::pin($of(sources)),
                        },
                    },
                },
                List::Tuple => {
                    let count = sources.len();
                    let mut each = sources.into_iter();
                    let mut next = || each.next().unwrap();
                    match count {
                        1 => Box::pin($of((next(),))),
                        2 => Box::pin($of((next(), next()))),
                        3 => Box::pin($of((next(), next(), next()))),
                        4 => Box::pin($of((next(), next(), next(), next()))),
                        _ => Box::pin($of(each.collect::<Vec<_>>())),
                    }
                }
            }
        }
    };
}

compose!(first, any_of);
compose!(every, all_of);

/// Runs one program. With `raced`, the tree is the source of a race whose work never ends. The first poll of the race then
/// polls the tree twice: with a probe, and to register.
fn run(tree: &Tree, steps: &[Step], raced: bool) {
    let mut built = Built::default();
    let (source, mut model) = built.build(tree);
    let mut source: BoxSource<'static> = if raced {
        let race = pending::<()>().cancelable(source);
        Box::pin(async move { race.await.unwrap_err().into_reason() })
    } else {
        source
    };

    let mut waker = Wakes::new();
    // How often the waker of the last poll had been woken when that poll returned.
    let mut polled: Option<usize> = None;
    let fire_the_rest = (0..built.switches.len()).map(Step::Fire);
    let at_last = [Step::Poll { changed_waker: false }];
    let program: Vec<Step> = steps.iter().copied().chain(fire_the_rest).chain(at_last).collect();
    for step in program {
        match step {
            Step::Fire(_) if built.switches.is_empty() => {}
            Step::Fire(leaf) => built.fire(leaf % built.switches.len()),
            Step::Poll { changed_waker } => {
                if changed_waker {
                    waker = Wakes::new();
                }
                let expected = model.poll(&built.fired);
                match (waker.poll(source.as_mut()), expected) {
                    (Poll::Ready(reason), Some(expected)) => {
                        assert_eq!(reason, expected);
                        // Leaves that remain must not hold the waker any more.
                        drop(source);
                        (0..built.switches.len()).for_each(|leaf| built.fire(leaf));
                        assert_eq!(Arc::strong_count(&waker), 1, "a waker is left behind");
                        return;
                    }
                    (Poll::Pending, None) => polled = Some(waker.count()),
                    (polled, expected) => panic!("{polled:?}, but the model says {expected:?}"),
                }
            }
        }
        if let Some(before) = polled {
            let woken = waker.count() > before;
            assert_eq!(woken, model.would_get_further(&built.fired), "woken: {woken}");
        }
    }
    drop(source);
    assert_eq!(Arc::strong_count(&waker), 1, "a waker is left behind");
}

#[test]
fn random_trees() {
    let _watchdog = support::watchdog();
    check_random(1000, (trees(), steps(), any::<bool>()), |(tree, steps, raced)| {
        run(&tree, &steps, raced);
    });
}

#[test]
fn random_long_lists() {
    let _watchdog = support::watchdog();
    check_random(300, (wide_trees(), steps(), any::<bool>()), |(tree, steps, raced)| {
        run(&tree, &steps, raced);
    });
}
