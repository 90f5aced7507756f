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
    /// From place 1 on. Apart, so that one thing by itself is small.
    others: Option<Box<Slab<T>>>,
}

impl<T> Places<T> {
    /// Nothing. A constant, so that it is written and not copied.
    pub(crate) const EMPTY: Self = Places { first: None, others: None };

    /// Adds a thing and tells its place.
    #[inline]
    pub(crate) fn insert(&mut self, thing: T) -> usize {
        if self.first.is_none() {
            self.first = Some(thing);
            0
        } else {
            self.others.get_or_insert_default().insert(thing) + 1
        }
    }

    /// Puts another thing at a place and hands out the one that was there.
    #[inline]
    pub(crate) fn replace(&mut self, place: usize, thing: T) -> Option<T> {
        match place.checked_sub(1) {
            None => self.first.replace(thing),
            Some(place) => Some(std::mem::replace(self.others.as_mut()?.get_mut(place)?, thing)),
        }
    }

    /// Frees a place and hands out what was there, unless all was taken in the meantime.
    #[inline]
    pub(crate) fn remove(&mut self, place: usize) -> Option<T> {
        let Some(place) = place.checked_sub(1) else { return self.first.take() };
        let others = self.others.as_mut()?;
        let thing = others.try_remove(place);
        if others.capacity() > ROOM_KEPT && others.is_empty() {
            // There is nothing in it: dropping it runs nobody's code.
            self.others = None;
        }
        thing
    }

    /// Takes everything out.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// The same, as what is at the first place and what is at the others.
    #[inline]
    pub(super) fn take_parts(&mut self) -> (Option<T>, Option<Box<Slab<T>>>) {
        (self.first.take(), self.others.take())
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.as_ref().is_none_or(|others| others.is_empty())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }
}

impl<T> Default for Places<T> {
    #[inline]
    fn default() -> Self {
        Places::EMPTY
    }
}

impl<T> IntoIterator for Places<T> {
    type Item = T;
    type IntoIter = Things<T>;

    fn into_iter(self) -> Things<T> {
        Things { first: self.first, others: self.others.map(|others| others.into_iter()) }
    }
}

/// What was there, by place.
#[derive(Debug)]
pub(crate) struct Things<T> {
    first: Option<T>,
    others: Option<slab::IntoIter<T>>,
}

impl<T> Iterator for Things<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.first.take().or_else(|| self.others.as_mut()?.next().map(|(_, thing)| thing))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len =
            usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |rest| rest.len());
        (len, Some(len))
    }
}

impl<T> ExactSizeIterator for Things<T> {}

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
        assert!(places.is_empty() && places.others.is_none());
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
