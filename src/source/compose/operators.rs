//! The operators `a | b` and `a & b` of this crate's sources.

use std::ops::{BitAnd, BitOr};

use super::{AllOf, AnyOf, Sources, all_of, any_of};
#[cfg(feature = "time")]
use crate::reason::Reason;
use crate::source::Source;
use crate::source::because::Because;
#[cfg(feature = "time")]
use crate::source::condition::{Check, Condition};
#[cfg(feature = "time")]
use crate::source::labelled::Labelled;
#[cfg(feature = "time")]
use crate::source::limit::{Limit, WaitForLimit};
use crate::source::never::Never;
#[cfg(feature = "signal")]
use crate::source::signal::SignalSource;
#[cfg(feature = "time")]
use crate::source::timeout::{Deadline, Timeout};
use crate::source::token::{CancellationToken, WaitForCancellation, WaitForCancellationOwned};

macro_rules! operators {
    ($($(#[$cfg:meta])? [$($generics:tt)*] $source:ty $(where $($bounds:tt)*)?;)*) => {$(
        /// Same as [`any_of`](crate::any_of()) of the two sources.
        $(#[$cfg])?
        impl<Other: Source, $($generics)*> BitOr<Other> for $source
        $(where $($bounds)*)?
        {
            type Output = AnyOf<(Self, Other)>;

            fn bitor(self, other: Other) -> Self::Output {
                any_of((self, other))
            }
        }

        /// Same as [`all_of`](crate::all_of()) of the two sources.
        $(#[$cfg])?
        impl<Other: Source, $($generics)*> BitAnd<Other> for $source
        $(where $($bounds)*)?
        {
            type Output = AllOf<(Self, Other)>;

            fn bitand(self, other: Other) -> Self::Output {
                all_of((self, other))
            }
        }
    )*};
}

operators! {
    [] CancellationToken;
    [] &CancellationToken;
    [] WaitForCancellation<'_>;
    [] WaitForCancellationOwned;
    [] Never;
    [F: Future] Because<F>;
    [L: Sources] AnyOf<L>;
    [L: Sources] AllOf<L>;
    #[cfg(feature = "time")] [] Timeout;
    #[cfg(feature = "time")] [] Deadline;
    #[cfg(feature = "time")] [] Limit;
    #[cfg(feature = "time")] [] &Limit;
    #[cfg(feature = "time")] [] WaitForLimit;
    #[cfg(feature = "time")] [S: Future<Output = Reason>] Labelled<S>;
    #[cfg(feature = "time")] [C: Check] Condition<C>;
    #[cfg(feature = "signal")] [] SignalSource;
}
