//! The pages of `docs/`. There is no code here.
//!
//! The pages link to other files of the repository. Such links do not work in this documentation, so `docs/links.txt`
//! defines them again, with targets that work here. The file is included above the text of a page, because the first
//! definition of a link is the one that is used. The pictures of a page are defined again in the same way, as data URIs that
//! `tests/package/pictures.rs` draws.

/// The contract of the crate, number by number.
///
#[doc = include_str!("../docs/pictures/states.uri")]
#[doc = include_str!("../docs/pictures/polls.uri")]
#[doc = include_str!("../docs/pictures/timeline.uri")]
#[doc = include_str!("../docs/semantics.md")]
pub mod semantics {}

/// Threads, descriptors, precision, signals, and differences between platforms.
#[doc = include_str!("../docs/platforms.md")]
pub mod platforms {}

/// What an upgrade may change, the oldest Rust that is supported, and the features.
///
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/versions.md")]
pub mod versions {}

/// How the crate is built.
///
#[doc = include_str!("../docs/pictures/layers.uri")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/design.md")]
pub mod design {}

/// What the crate costs, compared with other crates, and the commands that print the figures.
///
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

/// Behaviours that the tests of other libraries assert, and whether they hold here.
#[doc = include_str!("../docs/ported.md")]
pub mod ported {}

/// The README, so that its snippets are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub mod readme {}

/// The guide, in reading order.
///
/// 1. [First steps](guide::first_steps): a race, its result, ties, and its cost.
/// 2. [Sources](guide::sources): timeouts, deadlines, tokens, signals, conditions, and your own.
/// 3. [Composition](guide::composition): `any_of`, `all_of`, and lists.
/// 4. [Tokens](guide::tokens): children, links, callbacks, guards and threads.
/// 5. [Errors](guide::errors): reasons, and work that can fail.
/// 6. [Runtimes](guide::runtimes): threads, spawning, blocking work.
/// 7. [Command-line tools](guide::command_line_tools): Ctrl-C, exit codes, clean-up.
/// 8. [The attribute](guide::attribute): a whole function as an operation.
/// 9. [Operations](guide::operations): handles, status, hooks, progress, parents, deadlines.
/// 10. [Clean-up](guide::clean_up): shields, `finally`, and grace periods.
/// 11. [Shields](guide::shields): the rules, and when not to use one.
/// 12. [Retries](guide::retries): loops that stop when they are cancelled.
/// 13. [Streams](guide::streams): limits, chunks, and partial results.
/// 14. [Registry](guide::registry): list operations, cancel them, and wait for their end.
/// 15. [Testing](guide::testing): virtual time, cancellation at every await, and tokio's paused clock.
/// 16. [Limits that move](guide::limits): work that may take long while it makes progress.
/// 17. [Tasks](guide::tasks): groups that own their tasks.
/// 18. [Shutdown](guide::shutdown): let a service finish, then stop it; axum, hyper and tower.
/// 19. [Readers and writers](guide::readers_and_writers): code that reads and writes by itself.
/// 20. [Services](guide::services): HTTP and gRPC requests as operations, with the package `cancelable-tower`.
/// 21. [Spans and metrics](guide::spans_and_metrics): operations in `tracing`, `tokio-console`, Prometheus and Grafana.
/// 22. [Child processes](guide::child_processes): ask them to end, then kill them.
pub mod guide {
    #[doc = include_str!("../docs/pictures/polls.uri")]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/01-first-steps.md")]
    pub mod first_steps {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/02-sources.md")]
    pub mod sources {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/03-composition.md")]
    pub mod composition {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/04-tokens.md")]
    pub mod tokens {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/05-errors.md")]
    pub mod errors {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/06-runtimes.md")]
    pub mod runtimes {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/07-command-line-tools.md")]
    pub mod command_line_tools {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/08-attribute.md")]
    pub mod attribute {}

    #[doc = include_str!("../docs/pictures/states.uri")]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/09-operations.md")]
    pub mod operations {}

    #[doc = include_str!("../docs/pictures/timeline.uri")]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/10-clean-up.md")]
    pub mod clean_up {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/11-shields.md")]
    pub mod shields {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/12-retries.md")]
    pub mod retries {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/13-streams.md")]
    pub mod streams {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/14-registry.md")]
    pub mod registry {}

    #[cfg(feature = "testing-tokio")]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/15-testing.md")]
    pub mod testing {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/16-limits.md")]
    pub mod limits {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/17-tasks.md")]
    pub mod tasks {}

    #[cfg(feature = "signal")]
    #[doc = include_str!("../docs/pictures/shutdown.uri")]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/18-shutdown.md")]
    pub mod shutdown {}

    #[cfg(all(feature = "io", feature = "testing"))]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/19-readers-and-writers.md")]
    pub mod readers_and_writers {}

    // The package `cancelable-tower` compiles the snippets of this page.
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/20-services.md")]
    pub mod services {}

    #[cfg(all(feature = "tracing", feature = "metrics"))]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/21-spans-and-metrics.md")]
    pub mod spans_and_metrics {}

    #[cfg(feature = "process")]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/guide/22-child-processes.md")]
    pub mod child_processes {}
}

/// Coming from another library: terms, snippets and differences.
///
/// * [From tokio-util](migration::from_tokio_util)
/// * [From Go's context](migration::from_go)
/// * [From .NET](migration::from_dotnet)
/// * [From the Python library](migration::from_python)
/// * [From tower-http and tonic](migration::from_tower_http)
pub mod migration {
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/migration/from-tokio-util.md")]
    pub mod from_tokio_util {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/migration/from-go.md")]
    pub mod from_go {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/migration/from-dotnet.md")]
    pub mod from_dotnet {}

    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/migration/from-python.md")]
    pub mod from_python {}

    // The package `cancelable-tower` compiles the snippets of this page.
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/links.txt")]
    #[doc = include_str!("../docs/migration/from-tower-http.md")]
    pub mod from_tower_http {}
}
