//! `Collector`: a subscriber that records spans and events.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, with_default};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

pub(crate) type Fields = BTreeMap<String, String>;

/// A span that was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) parent: Option<u64>,
    pub(crate) fields: Fields,
    /// Its events: the message, and the other fields.
    pub(crate) events: Vec<String>,
    /// How often it was entered and exited.
    pub(crate) entered: usize,
    pub(crate) exited: usize,
    handles: usize,
}

impl Seen {
    pub(crate) fn is_closed(&self) -> bool {
        self.handles == 0
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value)
    }

    /// The name of the operation.
    pub(crate) fn name(&self) -> &str {
        self.field("operation.name")
    }
}

#[derive(Default)]
struct State {
    /// The span with the id `n` is at `n - 1`.
    spans: Vec<Seen>,
    entered: HashMap<ThreadId, Vec<u64>>,
}

/// Records the spans and events of all targets.
#[derive(Clone)]
pub(crate) struct Collector {
    state: Arc<Mutex<State>>,
    level: Level,
}

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Collector {
    pub(crate) fn new(level: Level) -> Self {
        Collector { state: Arc::default(), level }
    }

    /// Calls `f` with a collector, and returns the spans.
    pub(crate) fn of(f: impl FnOnce()) -> Vec<Seen> {
        let collector = Collector::new(Level::TRACE);
        with_default(collector.clone(), f);
        collector.spans()
    }

    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.state.lock().unwrap().spans.clone()
    }
}

/// Returns the name of the operation whose span is the parent of this one.
pub(crate) fn parent_of(spans: &[Seen], name: &str) -> Option<String> {
    let span = named(spans, name);
    Some(spans[usize::try_from(span.parent?).unwrap() - 1].name().to_owned())
}

#[track_caller]
pub(crate) fn named<'a>(spans: &'a [Seen], name: &str) -> &'a Seen {
    let found = spans.iter().find(|span| span.name() == name);
    found.unwrap_or_else(|| panic!("no span of an operation `{name}`"))
}

impl Subscriber for Collector {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Not `always`, because other tests of this process have other subscribers.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let current = self.current_span();
        let parent = match attributes.parent() {
            Some(parent) => Some(parent),
            None if attributes.is_contextual() => current.id(),
            None => None,
        };
        let mut fields = Fields::new();
        attributes.record(&mut Write(&mut fields));
        let mut state = self.state.lock().unwrap();
        if let Some(parent) = parent {
            // As the registry of `tracing-subscriber` does.
            let parent = &state.spans[usize::try_from(parent.into_u64()).unwrap() - 1];
            assert!(!parent.is_closed(), "the parent is closed");
        }
        state.spans.push(Seen {
            metadata: attributes.metadata(),
            parent: parent.map(Id::into_u64),
            fields,
            events: Vec::new(),
            entered: 0,
            exited: 0,
            handles: 1,
        });
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.with(id, |span| values.record(&mut Write(&mut span.fields)));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(id) = event.parent() else { return };
        let mut fields = Fields::new();
        event.record(&mut Write(&mut fields));
        let mut text = fields.remove("message").unwrap_or_default();
        for (name, value) in fields {
            write!(text, ", {name}={value}").unwrap();
        }
        self.with(id, |span| span.events.push(text));
    }

    fn enter(&self, id: &Id) {
        self.with(id, |span| span.entered += 1);
        let mut state = self.state.lock().unwrap();
        state.entered.entry(thread::current().id()).or_default().push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        self.with(id, |span| span.exited += 1);
        let mut state = self.state.lock().unwrap();
        let left = state.entered.entry(thread::current().id()).or_default().pop();
        assert_eq!(left, Some(id.into_u64()), "spans are exited in order");
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.with(id, |span| span.handles += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.with(&id, |span| {
            span.handles -= 1;
            span.is_closed()
        })
    }

    fn current_span(&self) -> Current {
        let state = self.state.lock().unwrap();
        let entered = state.entered.get(&thread::current().id());
        match entered.and_then(|entered| entered.last()) {
            Some(&id) => {
                let metadata = state.spans[usize::try_from(id).unwrap() - 1].metadata;
                Current::new(Id::from_u64(id), metadata)
            }
            None => Current::none(),
        }
    }
}

impl Collector {
    fn with<R>(&self, id: &Id, f: impl FnOnce(&mut Seen) -> R) -> R {
        let mut state = self.state.lock().unwrap();
        let span = &mut state.spans[usize::try_from(id.into_u64()).unwrap() - 1];
        assert!(!span.is_closed(), "the span is closed");
        f(span)
    }
}
