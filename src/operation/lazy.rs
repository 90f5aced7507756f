//! `Lazy`: a part of an operation that is made when it is first needed, such as its token.

use crate::sync::OnceLock;

pub(super) struct Lazy<T> {
    /// Made while the operation had a single handle. Such a value needs no `OnceLock`, which takes 80 instructions more.
    early: Option<T>,
    late: OnceLock<T>,
}

impl<T> Lazy<T> {
    pub(super) fn new() -> Self {
        Lazy { early: None, late: OnceLock::new() }
    }

    /// Returns the value if there is one. Lock-free.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.early.as_ref().or_else(|| self.late.get())
    }

    /// Returns the value. Makes it if there is none.
    #[inline]
    pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        match &self.early {
            Some(value) => value,
            None => self.late.get_or_init(make),
        }
    }

    /// Makes the value if there is none. `&mut self` proves that the operation has a single handle.
    pub(super) fn make_early(&mut self, make: impl FnOnce() -> T) {
        if self.get().is_none() {
            self.early = Some(make());
        }
    }
}
