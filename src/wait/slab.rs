//! `Slab`: values with stable indices.

use crate::visits::visit;

/// An empty slab keeps capacity for at most this many values, so that one burst does not hold memory forever.
const CAPACITY_KEPT: usize = 64;

/// Values with stable indices, so that a value is removed without a search. Indices are reused.
///
/// Most slabs hold one value at a time. That value is stored inline, without an allocation.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// The value at index 0.
    first: Option<T>,
    /// The values from index 1 on. Boxed, so that a slab with one value is small.
    others: Option<Box<Entries<T>>>,
}

#[derive(Debug)]
struct Entries<T> {
    entries: Vec<Entry<T>>,
    /// The number of occupied entries.
    occupied: usize,
    /// The index of the entry that was vacated last: the head of the list of vacant entries. It is `entries.len()` if no
    /// entry is vacant.
    vacant: usize,
}

#[derive(Debug)]
enum Entry<T> {
    Occupied(T),
    /// The index of the next vacant entry.
    Vacant(usize),
}

impl<T> Entries<T> {
    #[inline]
    fn insert(&mut self, value: T) -> usize {
        let index = self.vacant;
        match self.entries.get_mut(index) {
            None => {
                self.vacant = index + 1;
                self.entries.push(Entry::Occupied(value));
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
        match self.entries.get_mut(index)? {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }
    }

    #[inline]
    fn remove(&mut self, index: usize) -> Option<T> {
        let entry = self.entries.get_mut(index)?;
        if let Entry::Vacant(_) = entry {
            return None;
        }
        let removed = std::mem::replace(entry, Entry::Vacant(self.vacant));
        self.vacant = index;
        self.occupied -= 1;
        removed.into_value()
    }
}

impl<T> Entry<T> {
    #[inline]
    fn into_value(self) -> Option<T> {
        match self {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Entries { entries: Vec::new(), occupied: 0, vacant: 0 }
    }
}

impl<T> Slab<T> {
    /// An empty slab. A constant, so that it is written in place and not copied.
    pub(crate) const EMPTY: Self = Slab { first: None, others: None };

    /// Adds a value and returns its index.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> usize {
        visit();
        if self.first.is_none() {
            self.first = Some(value);
            0
        } else {
            self.insert_other(value)
        }
    }

    // Not inlined, like `remove_other`, so that the path for a single value saves no registers.
    #[inline(never)]
    fn insert_other(&mut self, value: T) -> usize {
        self.others.get_or_insert_default().insert(value) + 1
    }

    /// Returns the value at an index.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match index.checked_sub(1) {
            None => self.first.as_mut(),
            Some(index) => self.others.as_mut()?.get_mut(index),
        }
    }

    /// Replaces the value at an index and returns the previous one.
    #[inline]
    pub(crate) fn replace(&mut self, index: usize, value: T) -> Option<T> {
        match index.checked_sub(1) {
            None => self.first.replace(value),
            Some(index) => Some(std::mem::replace(self.others.as_mut()?.get_mut(index)?, value)),
        }
    }

    /// Removes the value at an index, unless everything was [taken](Self::take) in the meantime.
    #[inline]
    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        visit();
        match index.checked_sub(1) {
            None => self.first.take(),
            Some(index) => self.remove_other(index),
        }
    }

    #[inline(never)]
    fn remove_other(&mut self, index: usize) -> Option<T> {
        let others = self.others.as_mut()?;
        let value = others.remove(index);
        if others.occupied == 0 && others.entries.capacity() > CAPACITY_KEPT {
            // It is empty, so dropping it runs no user code.
            self.others = None;
        }
        value
    }

    /// Takes all values out.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Maps all values, and leaves out those for which `f` returns `None`. Returns the result for index 0 separately from
    /// the others. If `R` has the size of an entry, the vector of the other results reuses the allocation of the entries.
    pub(crate) fn filter_map<R>(self, mut f: impl FnMut(T) -> Option<R>) -> (Option<R>, Vec<R>) {
        let first = self.first.and_then(&mut f);
        let others = self.others.map_or_else(Vec::new, |others| {
            let values = others.entries.into_iter().inspect(|_| visit());
            values.filter_map(Entry::into_value).filter_map(f).collect()
        });
        (first, others)
    }

    /// Takes the value at index 0 out if the slab has no memory for other values. Otherwise leaves all values in place.
    #[inline]
    pub(crate) fn take_only(&mut self) -> Option<T> {
        if self.others.is_some() { None } else { self.first.take() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.as_ref().is_none_or(|others| others.occupied == 0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let others = self.others.iter().flat_map(|others| &others.entries).inspect(|_| visit());
        self.first.iter().chain(others.filter_map(|entry| match entry {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant(_) => None,
        }))
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.occupied)
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
        IntoIter { first: self.first, others: self.others.map(|others| others.entries.into_iter()) }
    }
}

/// The values of a slab, by index.
#[derive(Debug)]
pub(crate) struct IntoIter<T> {
    first: Option<T>,
    others: Option<std::vec::IntoIter<Entry<T>>>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        visit();
        self.first.take().or_else(|| self.others.as_mut()?.find_map(Entry::into_value))
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
        assert!(slab.is_empty() && slab.others.is_none());
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
        for index in [0, 1, 500, 999] {
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
