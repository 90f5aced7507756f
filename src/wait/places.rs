//! `Places`: things, each at a place that its owner remembers.

use slab::Slab;

/// With nothing in it, it keeps at most this much room, so that one busy moment is not paid for for
/// ever.
const ROOM_KEPT: usize = 64;

/// Things, each at a place that its owner remembers, so that none is ever looked for. A place that
/// was left is used again.
///
/// Where there is one thing only, as there mostly is, it allocates nothing.
#[derive(Debug)]
pub(crate) struct Places<T> {
    /// At place 0.
    first: Option<T>,
    /// From place 1 on.
    others: Slab<T>,
}

impl<T> Places<T> {
    /// Adds a thing and tells its place.
    #[inline]
    pub(crate) fn insert(&mut self, thing: T) -> usize {
        if self.first.is_none() {
            self.first = Some(thing);
            0
        } else {
            self.others.insert(thing) + 1
        }
    }

    /// Puts another thing at a place and hands out the one that was there.
    #[inline]
    pub(crate) fn replace(&mut self, place: usize, thing: T) -> Option<T> {
        match place.checked_sub(1) {
            None => self.first.replace(thing),
            Some(place) => Some(std::mem::replace(&mut self.others[place], thing)),
        }
    }

    /// Frees a place and hands out what was there, unless all was taken in the meantime.
    #[inline]
    pub(crate) fn remove(&mut self, place: usize) -> Option<T> {
        let Some(place) = place.checked_sub(1) else { return self.first.take() };
        let thing = self.others.try_remove(place);
        if self.others.capacity() > ROOM_KEPT && self.others.is_empty() {
            // There is nothing in it: dropping it runs nobody's code.
            self.others = Slab::new();
        }
        thing
    }

    /// Takes everything out.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Places { first: None, others: Slab::new() }
    }
}

impl<T> IntoIterator for Places<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, Things<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(Things(self.others.into_iter()))
    }
}

/// What the slab gives, without the places.
#[derive(Debug)]
pub(crate) struct Things<T>(slab::IntoIter<T>);

impl<T> Iterator for Things<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next().map(|(_, thing)| thing)
    }
}

impl<T> DoubleEndedIterator for Things<T> {
    fn next_back(&mut self) -> Option<T> {
        self.0.next_back().map(|(_, thing)| thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_reused() {
        let mut places = Places::default();
        let kept = places.insert(0);
        for number in 1..1000 {
            let place = places.insert(number);
            assert_eq!(place, 1);
            assert_eq!(places.remove(place), Some(number));
        }
        assert_eq!(places.remove(kept), Some(0));
        assert_eq!(places.insert(1), 0);
        assert_eq!(places.len(), 1);
    }

    #[test]
    fn with_nothing_in_it_it_gives_its_room_back() {
        let mut places = Places::default();
        let taken: Vec<_> = (0..10_000).map(|number| places.insert(number)).collect();
        for place in taken {
            assert!(places.remove(place).is_some());
        }
        assert!(places.is_empty() && places.others.capacity() <= ROOM_KEPT);
    }

    #[test]
    fn once_all_is_taken_nothing_is_found() {
        let mut places = Places::default();
        let taken = [places.insert("a"), places.insert("b")];
        assert_eq!(places.take().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(taken.map(|place| places.remove(place)), [None, None]);
    }

    #[test]
    fn what_is_replaced_is_handed_out() {
        let mut places = Places::default();
        let taken = [places.insert("a"), places.insert("b")];
        assert_eq!(taken.map(|place| places.replace(place, "c")), [Some("a"), Some("b")]);
        assert_eq!(places.into_iter().collect::<Vec<_>>(), ["c", "c"]);
    }
}
