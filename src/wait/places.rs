//! `Places`: things, each at a place that its owner remembers.

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
    others: Option<Box<Row<T>>>,
}

/// Places in a row.
#[derive(Debug)]
struct Row<T> {
    places: Vec<Place<T>>,
    /// How many are taken.
    taken: usize,
    /// The one that was left last, or the end of the row.
    free: usize,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// With the one that is free after this one.
    Free(usize),
}

impl<T> Row<T> {
    #[inline]
    fn insert(&mut self, thing: T) -> usize {
        let index = self.free;
        match self.places.get_mut(index) {
            None => {
                self.free = index + 1;
                self.places.push(Place::Taken(thing));
            }
            Some(place) => {
                let Place::Free(next) = *place else { unreachable!("what is free is not taken") };
                self.free = next;
                *place = Place::Taken(thing);
            }
        }
        self.taken += 1;
        index
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match self.places.get_mut(index)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    #[inline]
    fn remove(&mut self, index: usize) -> Option<T> {
        let place = self.places.get_mut(index)?;
        if let Place::Free(_) = place {
            return None;
        }
        let left = std::mem::replace(place, Place::Free(self.free));
        self.free = index;
        self.taken -= 1;
        left.into_thing()
    }
}

impl<T> Place<T> {
    #[inline]
    fn into_thing(self) -> Option<T> {
        match self {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Row { places: Vec::new(), taken: 0, free: 0 }
    }
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
            self.insert_other(thing)
        }
    }

    // Here and in `remove`, what is for more than one thing is apart, so that what is for one saves
    // no registers for it.
    #[inline(never)]
    fn insert_other(&mut self, thing: T) -> usize {
        self.others.get_or_insert_default().insert(thing) + 1
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
        match place.checked_sub(1) {
            None => self.first.take(),
            Some(place) => self.remove_other(place),
        }
    }

    #[inline(never)]
    fn remove_other(&mut self, place: usize) -> Option<T> {
        let others = self.others.as_mut()?;
        let thing = others.remove(place);
        if others.taken == 0 && others.places.capacity() > ROOM_KEPT {
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

    /// What `f` makes of the first thing, and what it makes of the others. If that is as large as they are,
    /// it stands where they stood: many things need no new memory.
    pub(crate) fn filter_map<R>(self, mut f: impl FnMut(T) -> Option<R>) -> (Option<R>, Vec<R>) {
        let first = self.first.and_then(&mut f);
        let others = self.others.map_or_else(Vec::new, |others| {
            others.places.into_iter().filter_map(Place::into_thing).filter_map(f).collect()
        });
        (first, others)
    }

    /// The only thing, if there is but one place. Otherwise everything stays.
    #[inline]
    pub(crate) fn take_only(&mut self) -> Option<T> {
        if self.others.is_some() { None } else { self.first.take() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.as_ref().is_none_or(|others| others.taken == 0)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.taken)
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
        Things { first: self.first, others: self.others.map(|others| others.places.into_iter()) }
    }
}

/// What was there, by place.
#[derive(Debug)]
pub(crate) struct Things<T> {
    first: Option<T>,
    others: Option<std::vec::IntoIter<Place<T>>>,
}

impl<T> Iterator for Things<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.first.take().or_else(|| self.others.as_mut()?.find_map(Place::into_thing))
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
    fn what_is_made_of_each_is_handed_out() {
        let mut places = Places::default();
        for number in 0..1000_usize {
            places.insert(Box::new(number));
        }
        for place in [0, 1, 500, 999] {
            assert_eq!(places.remove(place), Some(Box::new(place)));
        }
        places.insert(Box::new(1000));
        let (first, others) =
            places.filter_map(|number| (*number % 3 != 0).then_some((*number, 0)));
        assert_eq!(first, Some((1000, 0)));
        let expected = (0..1000).filter(|number| number % 3 != 0 && ![1, 500].contains(number));
        assert!(others.iter().map(|(number, _)| *number).eq(expected));
    }

    #[test]
    fn a_place_is_handed_out_once() {
        let mut places = Places::default();
        let taken: Vec<_> = (0..10).map(|number| places.insert(number)).collect();
        for place in [3, 7, 5] {
            assert_eq!(places.remove(taken[place]), Some(place));
            assert_eq!(places.remove(taken[place]), None);
            assert_eq!(places.replace(taken[place], 0), None);
        }
        // What was left last is taken first, and then the end of the row.
        assert_eq!([10, 11, 12, 13].map(|number| places.insert(number)), [5, 7, 3, 10]);
        assert_eq!(places.len(), 11);
        let things: Vec<_> = places.into_iter().collect();
        assert_eq!(things, [0, 1, 2, 12, 4, 10, 6, 11, 8, 9, 13]);
    }

    #[test]
    fn what_is_replaced_is_handed_out() {
        let mut places = Places::default();
        let taken = [places.insert("a"), places.insert("b")];
        assert_eq!(taken.map(|place| places.replace(place, "c")), [Some("a"), Some("b")]);
        assert_eq!(places.into_iter().collect::<Vec<_>>(), ["c", "c"]);
    }
}
