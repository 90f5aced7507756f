//! Models of the `Protection` that a shield and the races around it share: the section in the shield ends, and races wait
//! for that end. The last two models are about `Tracer`, the waker of a race that waits for shields.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::thread;

use super::{Count, block_on, model};
use crate::poll_context::{Protection, Section, Traced, Tracer};

fn protection() -> Arc<Protection> {
    Arc::new(Protection::new(Section::CleanUp, 0))
}

/// Makes a race begin to wait, on another thread. Returns whether the section was still active then.
fn wait(protection: &Arc<Protection>) -> thread::JoinHandle<bool> {
    let race = protection.clone();
    thread::spawn(move || {
        race.wait_for(&Tracer::new());
        race.is_active()
    })
}

fn poll(protection: &Protection, count: &Arc<Count>) -> bool {
    protection.poll_awaited(&Context::from_waker(&Waker::from(count.clone())))
}

/// A race begins to wait while the section ends. Either the race finds that the section has ended, or the section finds that
/// a race waits for it. So it cannot happen that the race waits while the work runs on into the code after the section.
#[test]
fn an_end_is_seen_or_sees() {
    model(|| {
        let protection = protection();
        let race = wait(&protection);
        protection.end();
        let stopped = protection.is_awaited();
        let waits = race.join().unwrap();
        assert!(stopped || !waits, "the one waits, the other goes on");
        assert!(protection.is_awaited() && !protection.is_active());
    });
}

/// The task of a section asks whether a race waits. It sees that a race waits, or is woken as soon as a race begins to wait.
#[test]
fn no_wake_up_is_lost() {
    model(|| {
        let protection = protection();
        let race = wait(&protection);
        block_on(poll_fn(|cx| match protection.poll_awaited(cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }));
        race.join().unwrap();
    });
}

/// As above, with wake-ups counted: a task that is not woken has seen that a race waits.
#[test]
fn told_or_woken() {
    model(|| {
        let protection = protection();
        let race = wait(&protection);
        let count = Count::new();
        let told = poll(&protection, &count);
        race.join().unwrap();
        assert!(told || count.get() == 1);
        assert!(count.get() <= 1);
    });
}

/// A section is polled with a second waker while a race begins to wait. The poll sees the race, or the second waker is
/// woken.
#[test]
fn the_last_waker_is_woken() {
    model(|| {
        let protection = protection();
        let (first, last) = (Count::new(), Count::new());
        assert!(!poll(&protection, &first));
        let race = wait(&protection);
        let told = poll(&protection, &last);
        race.join().unwrap();
        assert!(told || last.get() == 1);
    });
}

/// Two races begin to wait at the same time. The task is woken once, and sees at its next poll that a race waits.
#[test]
fn two_races_wake_once() {
    model(|| {
        let protection = protection();
        let count = Count::new();
        assert!(!poll(&protection, &count));
        let race = wait(&protection);
        protection.wait_for(&Tracer::new());
        race.join().unwrap();
        assert_eq!(count.get(), 1);
        assert!(poll(&protection, &count));
    });
}

/// A section registers the waker of its task and then ends, while a race begins to wait. In every order, the task is woken
/// at most once, and no waker is left behind.
#[test]
fn an_end_leaves_no_waker_behind() {
    model(|| {
        let protection = protection();
        let race = wait(&protection);
        let count = Count::new();
        poll(&protection, &count);
        protection.end();
        race.join().unwrap();
        assert_eq!(Arc::strong_count(&count), 1);
        assert!(count.get() <= 1);
    });
}

/// A thread that sees the end of a section also sees what the section wrote before.
#[test]
fn an_end_publishes_what_came_before() {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    model(|| {
        let protection = protection();
        let done = Arc::new(AtomicUsize::new(0));
        let (section, written) = (protection.clone(), done.clone());
        let section = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            section.end();
        });
        if !protection.is_active() {
            assert_eq!(done.load(Ordering::Relaxed), 1);
        }
        section.join().unwrap();
    });
}

/// A race begins to wait while the section ends on another thread. The race finds that the section has ended, or is woken.
#[test]
fn a_race_is_woken_by_an_end_elsewhere() {
    model(|| {
        let (protection, tracer, count) = (protection(), Tracer::new(), Count::new());
        let section = protection.clone();
        let section = thread::spawn(move || section.end());
        let waker = Waker::from(count.clone());
        protection.wait_for(&tracer);
        drop(Traced::enter(&tracer, &waker));
        let waits = protection.keeps(&tracer);
        section.join().unwrap();
        assert!(!waits || count.get() == 1, "it waits, and nothing wakes it");
    });
}

/// A future stays pending because it expects to be dropped with the work, and is dropped while the race ends. The waker of
/// the future is woken at most once, and is dropped.
#[test]
fn a_stopped_future_goes_while_the_race_ends() {
    model(|| {
        let (tracer, count) = (Tracer::new(), Count::new());
        let place = tracer.keep(count.clone().into());
        let race = tracer.clone();
        let race = thread::spawn(move || race.race_is_over());
        drop(tracer.give_back(place));
        race.join().unwrap();
        assert!(count.get() <= 1);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

/// As above, but the future is not dropped. It is woken when the race ends.
#[test]
fn a_stopped_future_that_stays_is_woken() {
    model(|| {
        let (tracer, count) = (Tracer::new(), Count::new());
        tracer.keep(count.clone().into());
        let race = tracer.clone();
        thread::spawn(move || race.race_is_over()).join().unwrap();
        assert_eq!(count.get(), 1);
    });
}
