//! `LazyToken`: the token of an operation, made when it is first needed.

use crate::source::CancellationToken;
use crate::sync::OnceLock;

#[derive(Default)]
pub(super) struct LazyToken {
    /// Made while the operation had a single handle. Such a token needs no `OnceLock`, which takes 80 instructions more.
    early: Option<CancellationToken>,
    late: OnceLock<CancellationToken>,
}

impl LazyToken {
    /// Returns the token if there is one. Lock-free.
    #[inline]
    pub(super) fn get(&self) -> Option<&CancellationToken> {
        self.early.as_ref().or_else(|| self.late.get())
    }

    /// Returns the token. Makes it if there is none.
    #[inline]
    pub(super) fn get_or_make(&self) -> &CancellationToken {
        match &self.early {
            Some(token) => token,
            None => self.late.get_or_init(CancellationToken::new),
        }
    }

    /// Makes the token if there is none. `&mut self` proves that the operation has a single handle.
    pub(super) fn make(&mut self) {
        if self.get().is_none() {
            self.early = Some(CancellationToken::new());
        }
    }
}
