//! A hasher for keys that are numbers: ticks of the timer wheel, and ids of operations.

use std::hash::Hasher;

/// Hashes one number with one multiplication.
///
/// An attacker who can choose the keys could make them collide. That cannot happen here, because this crate makes all keys
/// itself.
#[derive(Debug, Default)]
pub(crate) struct MultiplyHasher(u64);

impl Hasher for MultiplyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio. The multiplication mixes the high bits best, but the hash table also uses
        // the low bits. So the upper half is folded into the lower half.
        let spread = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
