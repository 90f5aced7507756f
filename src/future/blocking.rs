//! `run_blocking`: blocking code on the thread pool, within an operation.

use blocking::Task;

use super::Call;
use crate::Operation;

impl Operation {
    /// Runs a closure that blocks on the thread pool of the crate `blocking`, within this operation:
    /// there it is the [current](Operation::current) one, so that `operation.check()?` can be
    /// called between steps.
    ///
    /// The closure is put in line at once, unless the operation is cancelled already. When it is
    /// cancelled, the awaiting side leaves at once. A closure that has begun
    /// goes on to its end; what it returns is dropped. One that has not begun is not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping it does the same as cancelling.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](crate::Cancelled) if the operation is cancelled first.
    ///
    /// # Panics
    ///
    /// A panic of the closure goes through to who awaits.
    ///
    /// # Examples
    ///
    /// ```
    /// use cancelable::prelude::*;
    ///
    /// # smol::block_on(async {
    /// let operation = async {}.cancelable(never()).operation();
    /// let sum = operation.run_blocking(|| {
    ///     let operation = Operation::current().unwrap();
    ///     (1..=4).try_fold(0, |sum, number| operation.check().map(|()| sum + number))
    /// });
    /// assert_eq!(sum.await??, 10);
    /// # Ok::<(), Cancelled>(()) }).unwrap();
    /// ```
    pub fn run_blocking<T: Send + 'static>(
        &self,
        closure: impl FnOnce() -> T + Send + 'static,
    ) -> Call<Task<T>> {
        let operation = self.clone();
        self.call(|| {
            blocking::unblock(move || {
                let _inside = operation.enter();
                closure()
            })
        })
    }
}
