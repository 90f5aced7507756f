//! `Slab`: values with stable indices.

use crate::visits::visit;

/// An empty slab keeps capacity for at most this many values, so that one burst does not hold memory forever.
const CAPACITY_KEPT: usize = 64;

/// Values with stable indices, so that a value is removed without a search. Indices are reused.
///
/// Most slabs hold one value at a time. That value is stored inline, without an allocation.
// The fields are in this order, so that an insertion into a slab with many values touches the fewest cache lines: it
// does not look at `first`. The vector is not boxed for the same reason.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slab<T> {
    /// The entries from index 1 on.
    others: Vec<Entry<T>>,
    /// The number of values in `others`.
    occupied: usize,
    /// The index that was vacated last: the head of the list of vacant indices. If no index is vacant, it is the index of
    /// the entry that is pushed to `others` next.
    vacant: usize,
    /// The entry at index 0.
    first: Entry<T>,
}

#[derive(Debug)]
enum Entry<T> {
    Occupied(T),
    /// The index of the next vacant entry.
    Vacant(usize),
}

impl<T> Entry<T> {
    #[inline]
    fn into_value(self) -> Option<T> {
        match self {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }
    }

    #[inline]
    fn value(&self) -> Option<&T> {
        match self {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }
    }

    /// Stores a value in a vacant entry, and returns the next vacant index.
    #[inline]
    fn occupy(&mut self, value: T) -> usize {
        let Entry::Vacant(next) = *self else { unreachable!("listed as vacant") };
        *self = Entry::Occupied(value);
        next
    }

    /// Takes the value out, if there is one. `next` is the next vacant index.
    #[inline]
    fn vacate(&mut self, next: usize) -> Option<T> {
        match self {
            Entry::Occupied(_) => std::mem::replace(self, Entry::Vacant(next)).into_value(),
            Entry::Vacant(_) => None,
        }
    }
}

impl<T> Slab<T> {
    /// An empty slab. A constant, so that it is written in place and not copied.
    pub(crate) const EMPTY: Self =
        Slab { others: Vec::new(), occupied: 0, vacant: 0, first: Entry::Vacant(1) };

    /// Adds a value and returns its index.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> usize {
        visit();
        if self.vacant == 0 {
            self.vacant = self.first.occupy(value);
            0
        } else {
            self.insert_other(value)
        }
    }

    // Not inlined, like `remove_other`, so that the path for a single value saves no registers.
    #[inline(never)]
    fn insert_other(&mut self, value: T) -> usize {
        let index = self.vacant;
        match self.others.get_mut(index - 1) {
            None => {
                self.vacant = index + 1;
                self.others.push(Entry::Occupied(value));
            }
            Some(entry) => self.vacant = entry.occupy(value),
        }
        self.occupied += 1;
        index
    }

    /// Returns the value at an index.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let entry = match index.checked_sub(1) {
            None => &mut self.first,
            Some(index) => self.others.get_mut(index)?,
        };
        match entry {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }
    }

    /// Replaces the value at an index and returns the previous one.
    #[inline]
    pub(crate) fn replace(&mut self, index: usize, value: T) -> Option<T> {
        Some(std::mem::replace(self.get_mut(index)?, value))
    }

    /// Removes the value at an index, unless everything was [taken](Self::take) in the meantime.
    #[inline]
    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        visit();
        if index == 0 { self.remove_first() } else { self.remove_other(index) }
    }

    #[inline]
    fn remove_first(&mut self) -> Option<T> {
        let removed = self.first.vacate(self.vacant)?;
        self.vacant = 0;
        Some(removed)
    }

    #[inline(never)]
    fn remove_other(&mut self, index: usize) -> Option<T> {
        let removed = self.others.get_mut(index - 1)?.vacate(self.vacant)?;
        self.vacant = index;
        self.occupied -= 1;
        if self.occupied == 0 && self.others.capacity() > CAPACITY_KEPT {
            // It holds no value, so dropping it runs no user code.
            self.others = Vec::new();
            self.vacant = match &mut self.first {
                Entry::Occupied(_) => 1,
                Entry::Vacant(next) => {
                    *next = 1;
                    0
                }
            };
        }
        Some(removed)
    }

    /// Takes all values out.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Maps all values, and leaves out those for which `f` returns `None`. Returns the result for index 0 separately from
    /// the others. If `R` has the size of an entry, the vector of the other results reuses the allocation of the entries.
    pub(crate) fn filter_map<R>(self, mut f: impl FnMut(T) -> Option<R>) -> (Option<R>, Vec<R>) {
        let first = self.first.into_value().and_then(&mut f);
        let others = self.others.into_iter().inspect(|_| visit());
        (first, others.filter_map(Entry::into_value).filter_map(f).collect())
    }

    /// Takes the value at index 0 out if the slab has no memory for other values. Otherwise leaves all values in place.
    #[inline]
    pub(crate) fn take_only(&mut self) -> Option<T> {
        if self.others.capacity() > 0 { None } else { self.remove_first() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.occupied == 0 && self.first.value().is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let others = self.others.iter().inspect(|_| visit());
        self.first.value().into_iter().chain(others.filter_map(Entry::value))
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.value().is_some()) + self.occupied
    }
}

impl<T> Default for Slab<T> {
    #[inline]
    fn default() -> Self {
        Slab::EMPTY
    }
}

impl<T> IntoIterator for Slab<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { first: self.first.into_value(), others: self.others.into_iter() }
    }
}

/// The values of a slab, by index.
#[derive(Debug)]
pub(crate) struct IntoIter<T> {
    first: Option<T>,
    others: std::vec::IntoIter<Entry<T>>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        visit();
        self.first.take().or_else(|| self.others.find_map(Entry::into_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_reused() {
        let mut slab = Slab::default();
        let kept = slab.insert(0);
        for number in 1..1000 {
            let index = slab.insert(number);
            assert_eq!(index, 1);
            assert_eq!(slab.remove(index), Some(number));
        }
        assert_eq!(slab.remove(kept), Some(0));
        assert_eq!(slab.insert(1), 0);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn empty_slab_frees_its_memory() {
        let mut slab = Slab::default();
        let taken: Vec<_> = (0..10_000).map(|number| slab.insert(number)).collect();
        for index in taken {
            assert!(slab.remove(index).is_some());
        }
        assert!(slab.is_empty() && slab.others.capacity() == 0);
    }

    #[test]
    fn burst_beside_the_first_value_frees_its_memory() {
        let mut slab = Slab::default();
        let taken: Vec<_> = (0..10_000).map(|number| slab.insert(number)).collect();
        for &index in &taken[1..] {
            assert!(slab.remove(index).is_some());
        }
        assert_eq!((slab.len(), slab.others.capacity()), (1, 0));
        assert_eq!([slab.insert(1), slab.insert(2)], [1, 2]);
        assert_eq!(slab.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn nothing_to_remove_after_take() {
        let mut slab = Slab::default();
        let taken = [slab.insert("a"), slab.insert("b")];
        assert_eq!(slab.take().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(taken.map(|index| slab.remove(index)), [None, None]);
    }

    #[test]
    fn filter_map_in_place() {
        let mut slab = Slab::default();
        for number in 0..1000_usize {
            slab.insert(Box::new(number));
        }
        for index in [999, 500, 1, 0] {
            assert_eq!(slab.remove(index), Some(Box::new(index)));
        }
        slab.insert(Box::new(1000));
        let (first, others) = slab.filter_map(|number| (*number % 3 != 0).then_some((*number, 0)));
        assert_eq!(first, Some((1000, 0)));
        let expected = (0..1000).filter(|number| number % 3 != 0 && ![1, 500].contains(number));
        assert!(others.iter().map(|(number, _)| *number).eq(expected));
    }

    #[test]
    fn removed_once() {
        let mut slab = Slab::default();
        let taken: Vec<_> = (0..10).map(|number| slab.insert(number)).collect();
        for index in [3, 7, 5] {
            assert_eq!(slab.remove(taken[index]), Some(index));
            assert_eq!(slab.remove(taken[index]), None);
            assert_eq!(slab.replace(taken[index], 0), None);
        }
        // The index that was vacated last is reused first. Then the slab grows.
        assert_eq!([10, 11, 12, 13].map(|number| slab.insert(number)), [5, 7, 3, 10]);
        assert_eq!(slab.len(), 11);
        let values: Vec<_> = slab.into_iter().collect();
        assert_eq!(values, [0, 1, 2, 12, 4, 10, 6, 11, 8, 9, 13]);
    }

    #[test]
    fn replace_returns_the_previous_value() {
        let mut slab = Slab::default();
        let taken = [slab.insert("a"), slab.insert("b")];
        assert_eq!(taken.map(|index| slab.replace(index, "c")), [Some("a"), Some("b")]);
        assert_eq!(slab.into_iter().collect::<Vec<_>>(), ["c", "c"]);
    }
}
