//! Signals that are refused at construction, which then registers nothing.

use std::io::ErrorKind;

use cancelable::prelude::*;

use crate::alone::{FOREVER, alone, dies_of, raise, raise_heard};
use crate::support;

const REFUSED: [Signal; 6] =
    [Signal::Kill, Signal::Stop, Signal::Ill, Signal::Fpe, Signal::Segv, Signal::Bus];

#[test]
fn uncatchable() {
    let _watchdog = support::watchdog();
    alone(|| {
        for refused in REFUSED {
            let error = signal(refused).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(refused.name()), "{error}");
            let error = signals([Signal::Usr1, refused, Signal::Usr2]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        // Other sources still work.
        raise_heard(Signal::Usr1);
    });
}

#[test]
fn empty_list() {
    let _watchdog = support::watchdog();
    alone(|| assert_eq!(signals([]).unwrap_err().kind(), ErrorKind::InvalidInput));
}

#[test]
fn registers_nothing() {
    let _watchdog = support::watchdog();
    dies_of(Signal::Term, || {
        for refused in REFUSED {
            assert!(signals([Signal::Term, refused]).is_err());
            assert!(signals([refused, Signal::Term]).is_err());
        }
        raise(Signal::Term);
        std::thread::sleep(FOREVER);
    });
}

#[test]
fn named_twice() {
    let _watchdog = support::watchdog();
    alone(|| {
        let source = signals([Signal::Usr1, Signal::Usr1]).unwrap();
        raise(Signal::Usr1);
        assert_eq!(support::block_on(source), Reason::signal(Signal::Usr1));
    });
}

#[test]
fn unknown_numbers_and_names() {
    let _watchdog = support::watchdog();
    for number in [0, -1, -15, 65, 1000, i32::MIN, i32::MAX] {
        let error = Signal::try_from(number).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}");
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
    for name in ["", "SIG", "SIGNONE", "15", " TERM", "SIGSIGTERM", "sig term"] {
        let error = name.parse::<Signal>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
    assert_eq!("sigterm".parse::<Signal>().unwrap(), Signal::Term);
    assert_eq!("Usr1".parse::<Signal>().unwrap(), Signal::Usr1);
}
