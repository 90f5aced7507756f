//! `Config`: what an `OperationLayer` does with each request.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::source::{BoxSource, Timeout};
use cancelable::{Operation, Reason, Registry, Text, any_of, timeout};
use http::request::Parts;
use pin_project::pin_project;

use crate::Inbound;
use crate::answer::Answers;
#[cfg(feature = "axum")]
use crate::answer::Protocol;

type Name = dyn Fn(&Parts) -> Text + Send + Sync;
type Value = dyn Fn(&Parts) -> Option<Text> + Send + Sync;
type MakeSource = dyn Fn(&Parts) -> BoxSource<'static> + Send + Sync;
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a layer does with each request.
#[derive(Clone, Default)]
pub(crate) struct Config {
    pub(crate) name: Option<Arc<Name>>,
    pub(crate) metadata: Vec<(Text, Arc<Value>)>,
    pub(crate) limit: Option<Duration>,
    pub(crate) inbound: Vec<Inbound>,
    pub(crate) sources: Vec<Arc<MakeSource>>,
    pub(crate) parent: Option<Operation>,
    pub(crate) registry: Option<Registry>,
    /// Whether requests are daemons of the registry.
    pub(crate) daemon: bool,
    pub(crate) grace: Option<Duration>,
    pub(crate) outermost: bool,
    pub(crate) spawner: Option<Arc<dyn Fn(Task) + Send + Sync>>,
    pub(crate) answers: Answers,
}

/// What the operation of a request starts with.
pub(crate) struct Start {
    pub(crate) name: Text,
    pub(crate) metadata: Vec<(Text, Text)>,
    pub(crate) source: RequestSource,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("limit", &self.limit)
            .field("inbound", &self.inbound)
            .field("sources", &self.sources.len())
            .field("parent", &self.parent.as_ref().map(Operation::id))
            .field("registered", &self.registry.is_some())
            .field("daemon", &self.daemon)
            .field("grace", &self.grace)
            .field("outermost", &self.outermost)
            .field("spawner", &self.spawner.is_some())
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Returns what the operation of a request starts with.
    pub(crate) fn start_of(&self, head: &Parts) -> Start {
        Start {
            name: self.name_of(head),
            metadata: self.metadata_of(head),
            source: self.source_of(head),
        }
    }

    fn name_of(&self, head: &Parts) -> Text {
        match &self.name {
            Some(name) => name(head),
            // Half the cost of `format!`.
            None => [head.method.as_str(), " ", route(head)].concat().into(),
        }
    }

    fn metadata_of(&self, head: &Parts) -> Vec<(Text, Text)> {
        let value_of = |(key, value): &(Text, Arc<Value>)| Some((key.clone(), value(head)?));
        self.metadata.iter().filter_map(value_of).collect()
    }

    /// Returns the limit of a request: the shortest of the layer's limit and those in the headers.
    fn limit_of(&self, head: &Parts) -> Option<Duration> {
        let inbound = self.inbound.iter().filter_map(|inbound| inbound.limit(&head.headers));
        inbound.chain(self.limit).min()
    }

    /// Returns the source that can cancel a request.
    fn source_of(&self, head: &Parts) -> RequestSource {
        let limit = self.limit_of(head);
        if self.sources.is_empty() {
            return limit.map_or(RequestSource::Never, |limit| {
                RequestSource::Limit(timeout(limit).started())
            });
        }
        let mut sources: Vec<_> = self.sources.iter().map(|source| source(head)).collect();
        if let Some(limit) = limit {
            sources.push(Box::pin(timeout(limit).started()));
        }
        RequestSource::Several(Box::pin(any_of(sources)))
    }
}

/// Returns the route of a request if it is known, and its path otherwise. A gRPC request always gets its path, because
/// the path names the method and one axum route stands for all methods of a service.
fn route(head: &Parts) -> &str {
    #[cfg(feature = "axum")]
    match head.extensions.get::<axum::extract::MatchedPath>() {
        Some(route) if Protocol::of(&head.headers) != Protocol::Grpc => return route.as_str(),
        _ => {}
    }
    head.uri.path()
}

/// The source that can cancel a request. It is boxed only if the user has added sources.
#[pin_project(project = RequestSourceProjection)]
pub(crate) enum RequestSource {
    Never,
    Limit(#[pin] Timeout),
    Several(BoxSource<'static>),
}

impl Future for RequestSource {
    type Output = Reason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reason> {
        match self.project() {
            RequestSourceProjection::Never => Poll::Pending,
            RequestSourceProjection::Limit(limit) => limit.poll(cx),
            RequestSourceProjection::Several(sources) => sources.as_mut().poll(cx),
        }
    }
}
