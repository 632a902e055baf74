//! Numbers for texts and for keys, in the order in which they first come.
//!
//! Knows equality; refuses to know meaning. A slot is eight bytes, half of a hash and a number, so
//! that most looks cost one memory access; growing needs no text again. Which number a text gets
//! depends on the order of texts alone.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Distinct texts in one arena, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    arena: String,
    ends: Vec<usize>,
}

impl Arena {
    /// The number of distinct texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a code.
    pub(crate) fn get(&self, code: u32) -> &str {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.arena[start..self.ends[code]]
    }

    /// The first byte of a text; 0 where there is none.
    pub(crate) fn first_byte(&self, code: u32) -> u8 {
        self.get(code).as_bytes().first().copied().unwrap_or_default()
    }

    /// The bytes of all texts.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// No texts, and room for so many of so many bytes in all, which is taken up as they come: what
    /// grows is not copied over and over.
    pub(crate) fn with_room(texts: usize, bytes: usize) -> Self {
        Self { arena: String::with_capacity(bytes), ends: Vec::with_capacity(texts) }
    }

    /// The texts one after another, and where each ends.
    pub(crate) fn into_parts(self) -> (String, Vec<usize>) {
        (self.arena, self.ends)
    }

    /// Takes a text in, whether it is there or not.
    pub(crate) fn push(&mut self, text: &str) -> u32 {
        self.arena.push_str(text);
        self.ends.push(self.arena.len());
        (self.ends.len() - 1) as u32
    }
}

/// Half a hash and a number in each slot; open addressing, half full at most. What is there is
/// nearly in the order of hashes, so that growing reads and writes memory from front to end.
#[derive(Debug)]
struct Slots {
    slots: Vec<u64>,
    used: usize,
}

const EMPTY: u64 = u64::MAX;

impl Default for Slots {
    fn default() -> Self {
        Self { slots: vec![EMPTY; 64], used: 0 }
    }
}

impl Slots {
    /// The number of what has this hash and is `same`; else the free place where it would stand.
    #[inline]
    fn probe(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Result<u32, usize> {
        let half = hash >> 32;
        let mask = self.slots.len() - 1;
        let mut place = self.place(half);
        loop {
            let slot = self.slots[place];
            if slot == EMPTY {
                return Err(place);
            }
            if slot >> 32 == half && same(slot as u32) {
                return Ok(slot as u32);
            }
            place = (place + 1) & mask;
        }
    }

    /// The number of what has this hash and is `same`; else `next`, which is taken in.
    fn number(&mut self, hash: u64, next: u32, same: impl FnMut(u32) -> bool) -> u32 {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        self.probe(hash, same).unwrap_or_else(|place| {
            self.slots[place] = hash >> 32 << 32 | u64::from(next);
            self.used += 1;
            next
        })
    }

    /// What stands at the first place where this hash would, where its half is the same.
    fn first(&self, hash: u64) -> Option<u32> {
        let half = hash >> 32;
        let slot = self.slots[self.place(half)];
        (slot != EMPTY && slot >> 32 == half).then_some(slot as u32)
    }

    /// Where half a hash would stand: by its first bits, of as many as there are slots.
    fn place(&self, half: u64) -> usize {
        (half as usize * self.slots.len()) >> 32
    }

    fn grow(&mut self) {
        let wider = vec![EMPTY; self.slots.len() * 2];
        let mask = wider.len() - 1;
        for slot in std::mem::replace(&mut self.slots, wider) {
            if slot != EMPTY {
                let mut place = self.place(slot >> 32);
                while self.slots[place] != EMPTY {
                    place = (place + 1) & mask;
                }
                self.slots[place] = slot;
            }
        }
    }
}

/// What is numbered together.
const AHEAD: usize = 32;

/// The numbers that `known` gives to many items, one after another; `none` where there is no item.
/// Memory is slow to answer: asked for many places at once (`touch`), it answers them together.
fn numbered<Known, Item: Copy>(
    known: &mut Known,
    mut items: impl Iterator<Item = Option<Item>>,
    none: u32,
    hash: impl Fn(Item) -> u64,
    touch: impl Fn(&Known, u64) -> u64,
    number: impl Fn(&mut Known, u64, Item) -> u32,
) -> Vec<u32> {
    let mut numbers = Vec::with_capacity(items.size_hint().0);
    let mut ahead: Vec<(u64, Option<Item>)> = Vec::with_capacity(AHEAD);
    loop {
        ahead.clear();
        ahead.extend(items.by_ref().take(AHEAD).map(|item| (item.map_or(0, &hash), item)));
        if ahead.is_empty() {
            return numbers;
        }
        let touched = ahead.iter().fold(0, |touched, (hash, _)| touched ^ touch(known, *hash));
        std::hint::black_box(touched);
        for (hash, item) in &ahead {
            numbers.push(item.map_or(none, |item| number(known, *hash, item)));
        }
    }
}

/// Texts and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    slots: Slots,
    /// The texts, by number.
    pub(crate) values: Arena,
}

impl Texts {
    /// No texts, and room for so many of so many bytes in all.
    pub(crate) fn with_room(texts: usize, bytes: usize) -> Self {
        Self { slots: Slots::default(), values: Arena::with_room(texts, bytes) }
    }

    /// The number of a text, a new one where it was not seen.
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        self.hashed(hash(text), text)
    }

    fn hashed(&mut self, hash: u64, text: &str) -> u32 {
        let Self { slots, values } = self;
        let next = values.len() as u32;
        let number = slots.number(hash, next, |own| values.get(own) == text);
        if number == next {
            values.push(text);
        }
        number
    }

    /// The numbers of those of many texts that are there, one after another; `none` of others, and
    /// where there is no text.
    pub(crate) fn find<'a>(
        &mut self,
        texts: impl Iterator<Item = Option<&'a str>>,
        none: u32,
    ) -> Vec<u32> {
        let find = |own: &mut Self, hash, text: &str| {
            own.slots.probe(hash, |number| own.values.get(number) == text).unwrap_or(none)
        };
        numbered(self, texts, none, hash, Self::touch, find)
    }

    /// Reads what is asked first of a text of this hash.
    fn touch(&self, hash: u64) -> u64 {
        self.slots.first(hash).map_or(0, |first| u64::from(self.values.first_byte(first)))
    }

    /// The numbers of many texts, one after another; `none` where there is no text.
    pub(crate) fn numbers<'a>(
        &mut self,
        texts: impl Iterator<Item = Option<&'a str>>,
        none: u32,
    ) -> Vec<u32> {
        numbered(self, texts, none, hash, Self::touch, Self::hashed)
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    // The upper half is what slots keep.
    hasher.finish().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn mixed(key: u64) -> u64 {
    (key ^ key >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Keys of 64 bits and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    slots: Slots,
    keys: Vec<u64>,
}

impl Numbers {
    fn hashed(&mut self, hash: u64, key: u64) -> u32 {
        let Self { slots, keys } = self;
        let next = keys.len() as u32;
        let number = slots.number(hash, next, |own| keys[own as usize] == key);
        if number == next {
            keys.push(key);
        }
        number
    }

    /// The numbers of many keys, one after another; `none` where there is no key.
    pub(crate) fn numbers(
        &mut self,
        keys: impl Iterator<Item = Option<u64>>,
        none: u32,
    ) -> Vec<u32> {
        let touch =
            |own: &Self, hash| own.slots.first(hash).map_or(0, |first| own.keys[first as usize]);
        numbered(self, keys, none, mixed, touch, Self::hashed)
    }

    /// The keys, by number.
    pub(crate) fn into_keys(self) -> Vec<u64> {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle is a map of the standard library.
        #[test]
        fn numbers_are_given_in_the_order_of_first_sight(
            texts in prop::collection::vec("[a-cé]{0,4}", 0..300),
            keys in prop::collection::vec(prop_oneof![0u64..40, any::<u64>()], 0..300),
        ) {
            let (mut own, mut known) = (Texts::default(), HashMap::new());
            for text in &texts {
                let next = known.len() as u32;
                let expected = *known.entry(text).or_insert(next);
                let number = own.number(text);
                prop_assert_eq!(number, expected);
                prop_assert_eq!(own.values.get(number), text);
            }
            prop_assert_eq!(own.values.len(), known.len());
            let some = texts.iter().map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
            let together = Texts::default().numbers(some.clone(), u32::MAX);
            let mut own = Texts::default();
            let one_by_one = some.map(|text| text.map_or(u32::MAX, |text| own.number(text)));
            prop_assert_eq!(together, one_by_one.collect::<Vec<_>>());
            let mut own = Texts::default();
            own.numbers(texts.iter().step_by(2).map(|text| Some(text.as_str())), u32::MAX);
            let found = own.find(texts.iter().map(|text| Some(text.as_str())), u32::MAX);
            for (text, found) in texts.iter().zip(found) {
                let there = (0..own.values.len() as u32).find(|number| own.values.get(*number) == text);
                prop_assert_eq!(found, there.unwrap_or(u32::MAX));
            }
            let (mut own, mut known) = (Numbers::default(), HashMap::new());
            let some = keys.iter().map(|key| Some(*key).filter(|key| key % 3 > 0));
            let expected: Vec<u32> = some
                .clone()
                .map(|key| {
                    let next = known.len() as u32;
                    key.map_or(u32::MAX, |key| *known.entry(key).or_insert(next))
                })
                .collect();
            prop_assert_eq!(own.numbers(some.clone(), u32::MAX), expected);
            prop_assert_eq!(own.keys.len(), known.len());
            for (key, number) in known {
                prop_assert_eq!(own.keys[number as usize], key);
            }
        }
    }
}
