//! `Reason`, `ReasonKind`, `Cancelled`, `Text` and `Signal`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cancelable::{Cancelled, Reason, ReasonKind, Signal, Text};

use crate::support;

const SECOND: Duration = Duration::from_secs(1);

/// An error type of a user.
#[derive(Debug, PartialEq)]
struct DiskFull {
    bytes: u64,
}

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes do not fit", self.bytes)
    }
}

impl Error for DiskFull {}

fn disk_full() -> Reason {
    Reason::error(DiskFull { bytes: 7 })
}

/// Returns one reason of each kind.
fn every_kind() -> [(ReasonKind, Reason); 9] {
    [
        (ReasonKind::Timeout, Reason::timeout(SECOND)),
        (ReasonKind::Manual, Reason::manual("stop")),
        (ReasonKind::Signal, Reason::signal(Signal::Term)),
        (ReasonKind::Condition, Reason::condition("disk", 3)),
        (ReasonKind::Parent, Reason::parent(Reason::manual("stop"))),
        (ReasonKind::All, Reason::all([Reason::manual("stop"), Reason::Dropped])),
        (ReasonKind::Error, disk_full()),
        (ReasonKind::Disconnected, Reason::Disconnected),
        (ReasonKind::Dropped, Reason::Dropped),
    ]
}

/// Returns reasons of every kind, each with its text.
fn sentences() -> Vec<(Reason, &'static str)> {
    vec![
        (Reason::timeout(Duration::from_secs(30)), "timed out after 30s"),
        (Reason::timeout(Duration::from_millis(250)), "timed out after 250ms"),
        (Reason::timeout(Duration::from_micros(1500)), "timed out after 1.5ms"),
        (Reason::timeout(Duration::ZERO), "timed out after 0ns"),
        (Reason::Manual { message: None }, "cancelled"),
        (Reason::manual("stop"), "cancelled: stop"),
        (Reason::signal(Signal::Term), "received SIGTERM (15)"),
        (Reason::signal(Signal::Int), "received SIGINT (2)"),
        (Reason::condition("disk", 0), "condition `disk` met after 0 checks"),
        (Reason::condition("disk", 1), "condition `disk` met after 1 check"),
        (Reason::condition("disk", 3), "condition `disk` met after 3 checks"),
        (Reason::parent(Reason::manual("stop")), "parent cancelled: stop"),
        (Reason::parent(Reason::Manual { message: None }), "parent cancelled"),
        (Reason::parent(Reason::timeout(SECOND)), "parent cancelled: timed out after 1s"),
        (Reason::parent(Reason::Disconnected), "parent cancelled: the other side disconnected"),
        (
            Reason::all([Reason::manual("a"), Reason::Disconnected]),
            "all of: cancelled: a; the other side disconnected",
        ),
        (Reason::all([Reason::timeout(SECOND)]), "all of: timed out after 1s"),
        (Reason::all([]), "all of"),
        (disk_full(), "cancelled by an error: 7 bytes do not fit"),
        (Reason::Disconnected, "the other side disconnected"),
        (Reason::Dropped, "dropped before it was done"),
    ]
}

#[test]
fn display() {
    let _watchdog = support::watchdog();
    for (reason, sentence) in sentences() {
        assert_eq!(reason.to_string(), sentence);
        // The error has the same text.
        assert_eq!(Cancelled::from(reason).to_string(), sentence);
    }
}

#[test]
fn message() {
    let _watchdog = support::watchdog();
    for (reason, sentence) in sentences() {
        match &reason {
            Reason::Manual { message } => {
                assert_eq!(reason.message().as_deref(), message.as_deref());
            }
            other => assert_eq!(other.message().as_deref(), Some(sentence)),
        }
    }
    assert_eq!(Reason::manual("stop").message().as_deref(), Some("stop"));
    assert_eq!(Reason::manual("").message().as_deref(), Some(""));
    assert_eq!(Reason::Manual { message: None }.message(), None);
    // The message is borrowed, not copied.
    assert!(matches!(Reason::manual("stop").message(), Some(Cow::Borrowed("stop"))));
}

#[test]
fn kind() {
    let _watchdog = support::watchdog();
    for (kind, reason) in every_kind() {
        assert_eq!(reason.kind(), kind);
        assert_eq!(Cancelled::from(reason).kind(), kind);
    }
}

#[test]
fn kinds_in_words() {
    let _watchdog = support::watchdog();
    let words: Vec<_> = every_kind().iter().map(|(kind, _)| kind.to_string()).collect();
    let expected = [
        "timeout",
        "manual",
        "signal",
        "condition",
        "parent",
        "all",
        "error",
        "disconnected",
        "dropped",
    ];
    assert_eq!(words, expected);
    for (kind, _) in every_kind() {
        assert_eq!(kind.as_str(), kind.to_string());
    }
    assert_eq!(format!("[{:>8}]", ReasonKind::All), "[     all]");
    let counts: HashMap<_, _> = every_kind().map(|(kind, _)| (kind, 1)).into();
    assert_eq!(counts.len(), 9);
}

#[test]
fn debug() {
    let _watchdog = support::watchdog();
    for (_, reason) in every_kind() {
        let shown = format!("{reason:?}");
        let variant = format!("{:?}", reason.kind());
        assert!(shown.starts_with(&variant), "{shown}");
        assert!(format!("{:?}", Cancelled::from(reason)).contains(&shown));
    }
}

#[test]
fn size() {
    let _watchdog = support::watchdog();
    assert!(size_of::<Reason>() <= 4 * size_of::<u64>());
    assert!(size_of::<Cancelled>() <= 4 * size_of::<u64>());
    assert!(size_of::<Option<Reason>>() <= 4 * size_of::<u64>());
}

#[test]
fn send_sync_static() {
    let _watchdog = support::watchdog();
    fn all<T: Send + Sync + Clone + 'static>() {}
    all::<Reason>();
    all::<Cancelled>();
    all::<Text>();
    all::<Signal>();
    all::<ReasonKind>();
}

#[test]
fn parents_are_flat() {
    let _watchdog = support::watchdog();
    let top = Reason::timeout(SECOND);
    let mut reason = top.clone();
    for _ in 0..100_000 {
        reason = Reason::parent(reason);
    }
    assert_eq!(reason, Reason::parent(top.clone()));
    let Reason::Parent { reason: above, .. } = &reason else { panic!("{reason:?}") };
    assert_eq!(***above, top);
    assert_eq!(reason.root(), &top);
}

#[test]
fn all_is_flat() {
    let _watchdog = support::watchdog();
    let [a, b, c] = ["a", "b", "c"].map(Reason::manual);
    let inner = Reason::all([a.clone(), Reason::all([b.clone()]), Reason::all([])]);
    let outer = Reason::all([inner, c.clone(), Reason::parent(Reason::all([a.clone()]))]);
    assert_eq!(outer.leaves(), [a.clone(), b, c, Reason::parent(a)]);
    assert!(Reason::all([]).leaves().is_empty());
    assert_eq!(outer.root(), &outer);
}

#[test]
fn root_and_leaves() {
    let _watchdog = support::watchdog();
    for (kind, reason) in every_kind() {
        if kind != ReasonKind::Parent {
            assert_eq!(reason.root(), &reason);
        }
        if kind != ReasonKind::All {
            assert_eq!(reason.leaves(), std::slice::from_ref(&reason));
        }
    }
}

#[test]
fn equality() {
    let _watchdog = support::watchdog();
    let (left, right) = (every_kind(), every_kind());
    for (a, one) in &left {
        assert_eq!(*one, one.clone());
        for (b, other) in &right {
            // Two errors with the same text are not equal.
            assert_eq!(one == other, a == b && *a != ReasonKind::Error, "{one:?} and {other:?}");
        }
    }
    assert_ne!(Reason::timeout(SECOND), Reason::timeout(SECOND * 2));
    assert_ne!(Reason::manual("a"), Reason::manual("b"));
    assert_ne!(Reason::manual(""), Reason::Manual { message: None });
    assert_ne!(Reason::signal(Signal::Int), Reason::signal(Signal::Term));
    assert_ne!(Reason::condition("a", 1), Reason::condition("b", 1));
    assert_ne!(Reason::condition("a", 1), Reason::condition("a", 2));
    assert_ne!(Reason::parent(Reason::Dropped), Reason::Dropped);
    let [a, b] = ["a", "b"].map(Reason::manual);
    assert_ne!(Reason::all([a.clone(), b.clone()]), Reason::all([b.clone(), a.clone()]));
    assert_ne!(Reason::all([a.clone(), b]), Reason::all([a]));
    // A literal and a built text are equal.
    assert_eq!(Reason::manual("a"), Reason::manual(String::from("a")));
}

#[test]
fn error_downcasts() {
    let _watchdog = support::watchdog();
    let reason = disk_full();
    assert_eq!(reason.downcast_ref::<DiskFull>(), Some(&DiskFull { bytes: 7 }));
    assert!(reason.downcast_ref::<io::Error>().is_none());
    let parent = Reason::parent(reason);
    assert_eq!(parent.downcast_ref::<DiskFull>(), Some(&DiskFull { bytes: 7 }));
    assert!(Reason::manual("7 bytes do not fit").downcast_ref::<DiskFull>().is_none());
    assert!(Reason::all([Reason::Dropped, disk_full()]).downcast_ref::<DiskFull>().is_some());
    // A message is an error too, of a type of the standard library.
    assert_eq!(Reason::error("in words").to_string(), "cancelled by an error: in words");
}

#[test]
fn cloning_shares() {
    let _watchdog = support::watchdog();
    let reason = disk_full();
    let (Reason::Error { error: a, .. }, Reason::Error { error: b, .. }) =
        (&reason, &reason.clone())
    else {
        panic!("{reason:?}")
    };
    assert!(Arc::ptr_eq(a, b));
    let reason = Reason::all([Reason::Dropped]);
    assert_eq!(reason.leaves().as_ptr(), reason.clone().leaves().as_ptr());
}

#[test]
fn conversions() {
    let _watchdog = support::watchdog();
    let stop = Reason::manual("stop");
    assert_eq!(Reason::from("stop"), stop);
    assert_eq!(Reason::from(String::from("stop")), stop);
    assert_eq!(Reason::from(Text::from("stop")), stop);
    assert_eq!(Reason::from(Cancelled::new("stop")), stop);
    assert_eq!(Cancelled::from(stop.clone()), Cancelled::new("stop"));
    assert_eq!(Cancelled::new(String::from("stop")).reason(), &stop);
    assert_eq!(Cancelled::new(Cancelled::new("stop")).into_reason(), stop);
    for (_, reason) in every_kind() {
        assert_eq!(Cancelled::new(reason.clone()).reason(), &reason);
        assert_eq!(Cancelled::new(reason.clone()).into_reason(), reason);
    }
}

#[test]
fn cancelled_kinds() {
    let _watchdog = support::watchdog();
    for (kind, reason) in every_kind() {
        let cancelled = Cancelled::from(reason);
        let answers = [
            (ReasonKind::Timeout, cancelled.is_timeout()),
            (ReasonKind::Manual, cancelled.is_manual()),
            (ReasonKind::Signal, cancelled.is_signal()),
            (ReasonKind::Condition, cancelled.is_condition()),
            (ReasonKind::Parent, cancelled.is_parent()),
            (ReasonKind::All, cancelled.is_all()),
            (ReasonKind::Error, cancelled.is_error()),
            (ReasonKind::Disconnected, cancelled.is_disconnected()),
            (ReasonKind::Dropped, cancelled.is_dropped()),
        ];
        for (asked, answer) in answers {
            assert_eq!(answer, asked == kind, "is it {asked}? {cancelled}");
        }
    }
    // Only the outermost kind counts.
    assert!(!Cancelled::new(Reason::parent(Reason::timeout(SECOND))).is_timeout());
    assert!(!Cancelled::new(Reason::all([Reason::timeout(SECOND)])).is_timeout());
}

#[test]
fn cancelled_error_source() {
    let _watchdog = support::watchdog();
    for reason in [disk_full(), Reason::parent(disk_full())] {
        let cancelled = Cancelled::from(reason);
        let source = cancelled.source().unwrap();
        assert_eq!(source.downcast_ref::<DiskFull>(), Some(&DiskFull { bytes: 7 }));
    }
    for (kind, reason) in every_kind() {
        let has_source = Cancelled::from(reason).source().is_some();
        assert_eq!(has_source, kind == ReasonKind::Error, "{kind}");
    }
}

#[test]
fn cancelled_into_io_error() {
    let _watchdog = support::watchdog();
    use io::ErrorKind::{Interrupted, TimedOut};
    let second = || Reason::timeout(SECOND);
    let cases = [
        (TimedOut, second()),
        (TimedOut, Reason::all([second(), second()])),
        (TimedOut, Reason::parent(second())),
        (TimedOut, Reason::parent(Reason::all([second(), second()]))),
        (TimedOut, Reason::all([second(), Reason::parent(second())])),
        (Interrupted, Reason::all([second(), Reason::manual("stop")])),
        (Interrupted, Reason::all([])),
        (Interrupted, Reason::parent(Reason::manual("stop"))),
        (Interrupted, Reason::manual("stop")),
        (Interrupted, Reason::signal(Signal::Term)),
        (Interrupted, Reason::condition("disk", 1)),
        (Interrupted, disk_full()),
        (Interrupted, Reason::Disconnected),
        (Interrupted, Reason::Dropped),
    ];
    for (kind, reason) in cases {
        let cancelled = Cancelled::from(reason);
        let error = io::Error::from(cancelled.clone());
        assert_eq!(error.kind(), kind, "{cancelled}");
        assert_eq!(error.to_string(), cancelled.to_string());
        // The `Cancelled` is stored in the `io::Error`, and can be taken out again.
        let inner = error.into_inner().unwrap();
        assert_eq!(*inner.downcast::<Cancelled>().unwrap(), cancelled);
    }
}

mod text {
    use super::*;

    #[test]
    fn from_every_kind_of_string() {
        let _watchdog = support::watchdog();
        let texts = [
            Text::from("disk"),
            Text::from(String::from("disk")),
            Text::from(Arc::<str>::from("disk")),
            Text::from(Cow::Borrowed("disk")),
            Text::from(Cow::<'static, str>::Owned(String::from("disk"))),
        ];
        for text in &texts {
            assert_eq!(text, &texts[0]);
            assert_eq!(text.as_str(), "disk");
            assert_eq!(AsRef::<str>::as_ref(text), "disk");
            assert_eq!(*text, "disk");
            assert_eq!(*text, *"disk");
            assert_eq!((text.to_string(), format!("{text:?}")), ("disk".into(), "\"disk\"".into()));
            assert_eq!(format!("[{text:>6}]"), "[  disk]");
            // Through `Deref`.
            assert!(text.starts_with("di") && text.len() == 4);
        }
    }

    #[test]
    fn clones_do_not_copy() {
        let _watchdog = support::watchdog();
        let shared = Arc::<str>::from("disk");
        for text in [
            Text::from("disk"),
            Text::from(String::from("disk")),
            Text::from(shared.clone()),
            Text::from(Cow::<'static, str>::Owned(String::from("disk"))),
        ] {
            assert_eq!(text.clone().as_str().as_ptr(), text.as_str().as_ptr());
        }
        assert_eq!(Text::from(shared.clone()).as_str().as_ptr(), shared.as_ptr());
        assert_eq!(Text::default(), "");
        let literal = "disk";
        assert_eq!(Text::from(Cow::Borrowed(literal)).as_str().as_ptr(), literal.as_ptr());
    }

    #[test]
    fn compares_orders_and_hashes_as_str() {
        let _watchdog = support::watchdog();
        let words = ["", "a", "b", "ab", "B", "é", "disk"];
        let literal = |word: &'static str| Text::from(word);
        let built = |word: &str| Text::from(String::from(word));
        for a in words {
            for b in words {
                assert_eq!(literal(a) == built(b), a == b);
                assert_eq!(literal(a).cmp(&built(b)), a.cmp(b));
                assert_eq!(literal(a).partial_cmp(&built(b)), a.partial_cmp(b));
            }
        }
        let set: HashSet<_> = words.iter().map(|word| literal(word)).collect();
        assert_eq!(set.len(), words.len());
        assert!(words.iter().all(|word| set.contains(&built(word))));
        let in_order: BTreeSet<_> = words.iter().map(|word| built(word)).collect();
        let in_order: Vec<_> = in_order.into_iter().collect();
        let mut expected = words;
        expected.sort_unstable();
        assert_eq!(in_order, expected);
        // The same hash as a `str`.
        let hash = |value: &dyn Fn(&mut std::hash::DefaultHasher)| {
            let mut hasher = std::hash::DefaultHasher::new();
            value(&mut hasher);
            std::hash::Hasher::finish(&hasher)
        };
        use std::hash::Hash;
        assert_eq!(hash(&|h| built("disk").hash(h)), hash(&|h| "disk".hash(h)));
    }
}

mod signal {
    use super::*;

    #[test]
    fn display() {
        let _watchdog = support::watchdog();
        assert_eq!(Signal::Term.to_string(), "SIGTERM (15)");
        assert_eq!(Signal::Int.to_string(), "SIGINT (2)");
        assert_eq!(Signal::Hup.to_string(), "SIGHUP (1)");
        assert_eq!(Signal::Kill.to_string(), "SIGKILL (9)");
        assert_eq!((Signal::Term.name(), Signal::Term.number()), ("SIGTERM", 15));
    }

    /// Returns the signals that have a name, among all numbers.
    fn all() -> Vec<Signal> {
        (-10..200).filter_map(|number| Signal::try_from(number).ok()).collect()
    }

    #[test]
    fn from_numbers() {
        let _watchdog = support::watchdog();
        assert_eq!(Signal::try_from(15).unwrap(), Signal::Term);
        assert!(all().len() >= 20, "{:?}", all());
        for signal in all() {
            assert_eq!(Signal::try_from(signal.number()).unwrap(), signal);
        }
        for number in [0, -1, 9999, i32::MIN, i32::MAX] {
            let error = Signal::try_from(number).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&number.to_string()), "{error}");
        }
    }

    #[test]
    fn from_names() {
        let _watchdog = support::watchdog();
        for name in ["SIGTERM", "sigterm", "SigTerm", "TERM", "term", "Term"] {
            assert_eq!(name.parse::<Signal>().unwrap(), Signal::Term, "{name}");
        }
        for signal in all() {
            let full = signal.name();
            let short = full.strip_prefix("SIG").unwrap();
            for name in [full, short, &full.to_lowercase(), &short.to_lowercase()] {
                assert_eq!(name.parse::<Signal>().unwrap(), signal, "{name}");
            }
        }
        for name in ["", "SIG", "sig", "SIGSIGTERM", "TERMINATE", "SIGTERM ", "15", "é", "sé"] {
            let error = name.parse::<Signal>().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn as_a_key() {
        let _watchdog = support::watchdog();
        assert_eq!(all().into_iter().collect::<HashSet<_>>().len(), all().len());
        assert_eq!(all().into_iter().collect::<BTreeSet<_>>().len(), all().len());
        assert_eq!(format!("{:?}", Signal::Term), "Term");
    }
}

#[test]
fn all_flattens_a_parent_of_all() {
    let _watchdog = support::watchdog();
    let both = Reason::all([Reason::manual("a"), Reason::manual("b")]);
    let nested = Reason::all([Reason::parent(both), Reason::Dropped]);
    let parent = |text: &'static str| Reason::parent(Reason::manual(text));
    assert_eq!(nested.leaves(), [parent("a"), parent("b"), Reason::Dropped]);
}

/// However often a reason is wrapped, it does not get deeper, so dropping it does not recurse.
#[test]
fn repeated_wrapping_stays_shallow() {
    let _watchdog = support::watchdog();
    let mut reason = Reason::Dropped;
    for _ in 0..100_000 {
        reason = Reason::all([Reason::parent(reason)]);
    }
    assert_eq!(reason.leaves(), [Reason::parent(Reason::Dropped)]);
}

#[test]
fn cause_in_an_all() {
    let _watchdog = support::watchdog();
    let cause = Reason::error(std::fmt::Error);
    let all = Reason::all([Reason::Dropped, Reason::parent(cause)]);
    assert!(all.downcast_ref::<std::fmt::Error>().is_some());
    assert!(Error::source(&Cancelled::from(Reason::parent(all))).is_some());
}

#[test]
fn all_timeouts_are_a_timeout() {
    let _watchdog = support::watchdog();
    let limit = || Reason::timeout(Duration::from_secs(1));
    let nested = Reason::all([Reason::parent(Reason::all([limit(), limit()])), limit()]);
    let error = io::Error::from(Cancelled::from(nested));
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
