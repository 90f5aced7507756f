//! `Slab`: values with stable indices.

use crate::visits::visit;

/// An empty slab keeps capacity for at most this many values, so that one burst does not hold memory forever.
const CAPACITY_KEPT: usize = 64;

/// Values with stable indices, so that a value is removed without a search. Indices are reused.
///
/// Most slabs hold one value at a time. That value is stored inline, without an allocation.
// Each token has two slabs, so a slab must be small: the inline value and the vector share the same memory. The vector is
// not boxed, because a box would add a cache line to each access.
#[derive(Debug)]
pub(crate) enum Slab<T> {
    /// At most one value. Its index is 0.
    One(Option<T>),
    /// Any number of values.
    Many(Entries<T>),
}

/// The values of a slab, in a vector. The entry of a value that was removed is vacant.
#[derive(Debug)]
pub(crate) struct Entries<T> {
    list: Vec<Entry<T>>,
    /// The number of values.
    occupied: u32,
    /// The index that was vacated last: the head of the list of vacant indices. If no index is vacant, it is the length of
    /// `list`.
    vacant: u32,
}

#[derive(Debug)]
enum Entry<T> {
    Occupied(T),
    /// The index of the next vacant entry.
    Vacant(u32),
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
}

impl<T> Entries<T> {
    const EMPTY: Self = Entries { list: Vec::new(), occupied: 0, vacant: 0 };

    // Not inlined, like `Slab::remove_other`, so that the path for a single value saves no registers.
    #[inline(never)]
    fn insert(&mut self, value: T) -> usize {
        let index = self.vacant as usize;
        match self.list.get_mut(index) {
            None => {
                self.vacant = u32::try_from(index + 1).expect("fewer than 2^32 values");
                self.list.push(Entry::Occupied(value));
            }
            Some(entry) => {
                let Entry::Vacant(next) = *entry else { unreachable!("listed as vacant") };
                self.vacant = next;
                *entry = Entry::Occupied(value);
            }
        }
        self.occupied += 1;
        index
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match self.list.get_mut(index)? {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }
    }

    #[inline]
    fn remove(&mut self, index: usize) -> Option<T> {
        let entry = self.list.get_mut(index)?;
        if let Entry::Vacant(_) = entry {
            return None;
        }
        let removed = std::mem::replace(entry, Entry::Vacant(self.vacant));
        self.vacant = index as u32;
        self.occupied -= 1;
        removed.into_value()
    }

    /// Returns true if there is no value except at index 0.
    fn fits_inline(&self) -> bool {
        match self.list.first() {
            Some(Entry::Occupied(_)) => self.occupied == 1,
            _ => self.occupied == 0,
        }
    }
}

impl<T> Slab<T> {
    /// An empty slab. A constant, so that it is written in place and not copied.
    pub(crate) const EMPTY: Self = Slab::One(None);

    /// Adds a value and returns its index.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> usize {
        visit();
        match self {
            Slab::One(one @ None) => {
                *one = Some(value);
                0
            }
            Slab::One(Some(_)) => self.insert_second(value),
            Slab::Many(entries) => entries.insert(value),
        }
    }

    /// Moves the inline value to a vector, and adds another value.
    #[inline(never)]
    fn insert_second(&mut self, value: T) -> usize {
        let mut entries = Entries::EMPTY;
        if let Some(one) = self.take_only() {
            entries.insert(one);
        }
        let index = entries.insert(value);
        *self = Slab::Many(entries);
        index
    }

    /// Returns the value at an index.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match self {
            Slab::One(one) if index == 0 => one.as_mut(),
            Slab::One(_) => None,
            Slab::Many(entries) => entries.get_mut(index),
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
        match self {
            Slab::One(one) if index == 0 => one.take(),
            Slab::One(_) => None,
            Slab::Many(_) => self.remove_other(index),
        }
    }

    #[inline(never)]
    fn remove_other(&mut self, index: usize) -> Option<T> {
        let Slab::Many(entries) = self else { return None };
        let removed = entries.remove(index)?;
        if entries.occupied <= 1 && entries.list.capacity() > CAPACITY_KEPT && entries.fits_inline()
        {
            let first = std::mem::replace(&mut entries.list[0], Entry::Vacant(0));
            // The vector holds no value now, so dropping it runs no user code.
            *self = Slab::One(first.into_value());
        }
        Some(removed)
    }

    /// Takes all values out.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Maps all values, and leaves out those for which `f` returns `None`. Returns the result for an inline value separately
    /// from the others. If `R` has the size of an entry, the vector of the other results reuses the allocation of the
    /// entries.
    pub(crate) fn filter_map<R>(self, mut f: impl FnMut(T) -> Option<R>) -> (Option<R>, Vec<R>) {
        match self {
            Slab::One(one) => (one.and_then(f), Vec::new()),
            Slab::Many(entries) => {
                let entries = entries.list.into_iter().inspect(|_| visit());
                (None, entries.filter_map(|entry| f(entry.into_value()?)).collect())
            }
        }
    }

    /// Takes the value out if it is inline. Otherwise leaves all values in place.
    #[inline]
    pub(crate) fn take_only(&mut self) -> Option<T> {
        match self {
            Slab::One(one) => one.take(),
            Slab::Many(_) => None,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Slab::One(one) => one.is_none(),
            Slab::Many(entries) => entries.occupied == 0,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, entries) = match self {
            Slab::One(one) => (one.as_ref(), [].as_slice()),
            Slab::Many(entries) => (None, entries.list.as_slice()),
        };
        let entries = entries.iter().inspect(|_| visit());
        one.into_iter().chain(entries.filter_map(Entry::value))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Slab::One(one) => usize::from(one.is_some()),
            Slab::Many(entries) => entries.occupied as usize,
        }
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
        let (one, entries) = match self {
            Slab::One(one) => (one, Vec::new()),
            Slab::Many(entries) => (None, entries.list),
        };
        IntoIter { one, entries: entries.into_iter() }
    }
}

/// The values of a slab, by index.
#[derive(Debug)]
pub(crate) struct IntoIter<T> {
    one: Option<T>,
    entries: std::vec::IntoIter<Entry<T>>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        visit();
        self.one.take().or_else(|| self.entries.find_map(Entry::into_value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity<T>(slab: &Slab<T>) -> usize {
        match slab {
            Slab::One(_) => 0,
            Slab::Many(entries) => entries.list.capacity(),
        }
    }

    #[test]
    fn slabs_are_small() {
        assert!(size_of::<Slab<std::task::Waker>>() <= 32);
        assert!(size_of::<Entry<std::task::Waker>>() <= 16);
    }

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
        assert!(slab.is_empty() && capacity(&slab) == 0);
    }

    #[test]
    fn burst_beside_the_first_value_frees_its_memory() {
        let mut slab = Slab::default();
        let taken: Vec<_> = (0..10_000).map(|number| slab.insert(number)).collect();
        for &index in &taken[1..] {
            assert!(slab.remove(index).is_some());
        }
        assert_eq!((slab.len(), capacity(&slab)), (1, 0));
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
        let (one, others) = slab.filter_map(|number| (*number % 3 != 0).then_some((*number, 0)));
        assert_eq!((one, others[0]), (None, (1000, 0)));
        let expected = (0..1000).filter(|number| number % 3 != 0 && ![1, 500].contains(number));
        assert!(others[1..].iter().map(|(number, _)| *number).eq(expected));
    }

    #[test]
    fn filter_map_of_an_inline_value() {
        let mut slab = Slab::default();
        slab.insert(1);
        assert_eq!(slab.filter_map(|number| Some(number + 1)), (Some(2), Vec::new()));
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
