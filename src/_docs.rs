//! The pages of `docs/`. There is no code here.
//!
//! A page links to other files, which works in the repository but not in this documentation. So each page has link
//! definitions of its own here, above its text: if a link is defined twice, the first definition counts. The pictures
//! are defined as data URIs, drawn by `tests/package/pictures.rs`.

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

/// How the crate is built.
///
/// [semantics.md]: crate::_docs::semantics
/// [performance.md]: crate::_docs::performance
#[doc = include_str!("../docs/pictures/layers.uri")]
#[doc = include_str!("../docs/design.md")]
pub mod design {}

/// Costs next to other crates, and the commands that print them.
///
/// [group]: crate::_docs::guide::tasks
#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

/// Behaviours that other libraries test, and whether they hold here.
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
/// 14. [Registry and shutdown](guide::registry): list operations, and stop a service.
/// 15. [Testing](guide::testing): virtual time, and cancellation at every await.
/// 16. [Limits that move](guide::limits): work that may take long while it makes progress.
/// 17. [Tasks](guide::tasks): groups that own their tasks.
pub mod guide {
    /// [Sources]: crate::_docs::guide::sources
    /// [Tokens]: crate::_docs::guide::tokens
    /// [Runtimes]: crate::_docs::guide::runtimes
    /// [Operations]: crate::_docs::guide::operations
    /// [Clean-up]: crate::_docs::guide::clean_up
    /// [timeout.rs]: https://docs.rs/crate/cancelable/latest/source/examples/timeout.rs
    #[doc = include_str!("../docs/pictures/polls.uri")]
    #[doc = include_str!("../docs/guide/01-first-steps.md")]
    pub mod first_steps {}

    /// [timeout.rs]: https://docs.rs/crate/cancelable/latest/source/examples/timeout.rs
    /// [Tokens]: crate::_docs::guide::tokens
    /// [token_from_task.rs]: https://docs.rs/crate/cancelable/latest/source/examples/token_from_task.rs
    /// [token_from_thread.rs]: https://docs.rs/crate/cancelable/latest/source/examples/token_from_thread.rs
    /// [Command-line tools]: crate::_docs::guide::command_line_tools
    /// [signals.rs]: https://docs.rs/crate/cancelable/latest/source/examples/signals.rs
    /// [condition.rs]: https://docs.rs/crate/cancelable/latest/source/examples/condition.rs
    /// [because.rs]: https://docs.rs/crate/cancelable/latest/source/examples/because.rs
    /// [custom_source.rs]: https://docs.rs/crate/cancelable/latest/source/examples/custom_source.rs
    /// [Composition]: crate::_docs::guide::composition
    #[doc = include_str!("../docs/guide/02-sources.md")]
    pub mod sources {}

    /// [any_of.rs]: https://docs.rs/crate/cancelable/latest/source/examples/any_of.rs
    /// [all_of.rs]: https://docs.rs/crate/cancelable/latest/source/examples/all_of.rs
    /// [nested.rs]: https://docs.rs/crate/cancelable/latest/source/examples/nested.rs
    /// [child token]: crate::_docs::guide::tokens
    /// [Sources]: crate::_docs::guide::sources
    /// [Tokens]: crate::_docs::guide::tokens
    #[doc = include_str!("../docs/guide/03-composition.md")]
    pub mod composition {}

    /// [token_from_task.rs]: https://docs.rs/crate/cancelable/latest/source/examples/token_from_task.rs
    /// [callbacks.rs]: https://docs.rs/crate/cancelable/latest/source/examples/callbacks.rs
    /// [blocking_thread.rs]: https://docs.rs/crate/cancelable/latest/source/examples/blocking_thread.rs
    /// [token_from_thread.rs]: https://docs.rs/crate/cancelable/latest/source/examples/token_from_thread.rs
    /// [Errors]: crate::_docs::guide::errors
    #[doc = include_str!("../docs/guide/04-tokens.md")]
    pub mod tokens {}

    /// [who wins]: crate::_docs::guide::first_steps
    /// [errors.rs]: https://docs.rs/crate/cancelable/latest/source/examples/errors.rs
    /// [Runtimes]: crate::_docs::guide::runtimes
    #[doc = include_str!("../docs/guide/05-errors.md")]
    pub mod errors {}

    /// [runtimes.rs]: https://docs.rs/crate/cancelable/latest/source/examples/runtimes.rs
    /// [blocking_thread.rs]: https://docs.rs/crate/cancelable/latest/source/examples/blocking_thread.rs
    /// [Operations]: crate::_docs::guide::operations
    /// [Command-line tools]: crate::_docs::guide::command_line_tools
    #[doc = include_str!("../docs/guide/06-runtimes.md")]
    pub mod runtimes {}

    /// [`finally`]: crate::_docs::guide::clean_up
    /// [command_line.rs]: https://docs.rs/crate/cancelable/latest/source/examples/command_line.rs
    /// [checksum]: https://docs.rs/crate/cancelable/latest/source/examples/checksum/main.rs
    #[doc = include_str!("../docs/guide/07-command-line-tools.md")]
    pub mod command_line_tools {}

    /// [Operations]: crate::_docs::guide::operations
    #[doc = include_str!("../docs/guide/08-attribute.md")]
    pub mod attribute {}

    /// [Clean-up]: crate::_docs::guide::clean_up
    /// [grace period]: crate::_docs::guide::clean_up
    /// [hooks.rs]: https://docs.rs/crate/cancelable/latest/source/examples/hooks.rs
    /// [progress_bar.rs]: https://docs.rs/crate/cancelable/latest/source/examples/progress_bar.rs
    /// [operations_tree.rs]: https://docs.rs/crate/cancelable/latest/source/examples/operations_tree.rs
    /// [blocking_pool.rs]: https://docs.rs/crate/cancelable/latest/source/examples/blocking_pool.rs
    #[doc = include_str!("../docs/pictures/states.uri")]
    #[doc = include_str!("../docs/guide/09-operations.md")]
    pub mod operations {}

    /// [Shields]: crate::_docs::guide::shields
    /// [save_on_ctrl_c.rs]: https://docs.rs/crate/cancelable/latest/source/examples/save_on_ctrl_c.rs
    /// [grace.rs]: https://docs.rs/crate/cancelable/latest/source/examples/grace.rs
    #[doc = include_str!("../docs/pictures/timeline.uri")]
    #[doc = include_str!("../docs/guide/10-clean-up.md")]
    pub mod clean_up {}

    /// [`finally`]: crate::_docs::guide::clean_up
    /// [Retries]: crate::_docs::guide::retries
    #[doc = include_str!("../docs/guide/11-shields.md")]
    pub mod shields {}

    /// [grace period]: crate::_docs::guide::clean_up
    /// [retry.rs]: https://docs.rs/crate/cancelable/latest/source/examples/retry.rs
    /// [retry_backon.rs]: https://docs.rs/crate/cancelable/latest/source/examples/retry_backon.rs
    /// [Streams]: crate::_docs::guide::streams
    #[doc = include_str!("../docs/guide/12-retries.md")]
    pub mod retries {}

    /// [operation]: crate::Operation
    /// [shield]: crate::shield()
    /// [stream.rs]: https://docs.rs/crate/cancelable/latest/source/examples/stream.rs
    /// [pipeline.rs]: https://docs.rs/crate/cancelable/latest/source/examples/pipeline.rs
    /// [Registry and shutdown]: crate::_docs::guide::registry
    #[doc = include_str!("../docs/guide/13-streams.md")]
    pub mod streams {}

    /// [registry.rs]: https://docs.rs/crate/cancelable/latest/source/examples/registry.rs
    /// [service]: https://docs.rs/crate/cancelable/latest/source/examples/service/main.rs
    /// [monitor.rs]: https://docs.rs/crate/cancelable/latest/source/examples/monitor.rs
    #[doc = include_str!("../docs/guide/14-registry.md")]
    pub mod registry {}

    /// [Sources]: crate::_docs::guide::sources
    /// [Operations]: crate::_docs::guide::operations
    #[cfg(feature = "testing")]
    #[doc = include_str!("../docs/guide/15-testing.md")]
    pub mod testing {}

    /// [Errors]: crate::_docs::guide::errors
    #[doc = include_str!("../docs/guide/16-limits.md")]
    pub mod limits {}

    /// [shields]: crate::_docs::guide::shields
    /// [crawler]: https://docs.rs/crate/cancelable/latest/source/examples/crawler/main.rs
    #[doc = include_str!("../docs/guide/17-tasks.md")]
    pub mod tasks {}
}

/// Coming from another library: terms, snippets and differences.
///
/// * [From tokio-util](migration::from_tokio_util)
/// * [From Go's context](migration::from_go)
/// * [From .NET](migration::from_dotnet)
/// * [From the Python library](migration::from_python)
pub mod migration {
    /// [Operations]: crate::_docs::guide::operations
    /// [Clean-up]: crate::_docs::guide::clean_up
    /// [Tasks]: crate::_docs::guide::tasks
    #[doc = include_str!("../docs/migration/from-tokio-util.md")]
    pub mod from_tokio_util {}

    /// [Shields]: crate::_docs::guide::shields
    /// [below an operation]: crate::_docs::guide::operations
    /// [Clean-up]: crate::_docs::guide::clean_up
    #[doc = include_str!("../docs/migration/from-go.md")]
    pub mod from_go {}

    /// [Clean-up]: crate::_docs::guide::clean_up
    /// [Runtimes]: crate::_docs::guide::runtimes
    #[doc = include_str!("../docs/migration/from-dotnet.md")]
    pub mod from_dotnet {}

    /// [The attribute]: crate::_docs::guide::attribute
    /// [Clean-up]: crate::_docs::guide::clean_up
    #[doc = include_str!("../docs/migration/from-python.md")]
    pub mod from_python {}
}
