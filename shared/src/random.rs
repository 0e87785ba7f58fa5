//! Random numbers: the operating system's, or, in a simulation, those that follow from its seed.

use std::cell::Cell;

thread_local! {
    /// The state of a thread whose numbers follow from a seed.
    static FOLLOWED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From here on all numbers drawn on this thread follow from `seed`, so that a simulation can be repeated. No function of
/// Tidings calls this.
pub fn follow(seed: u64) {
    FOLLOWED.set(Some(seed));
}

/// Fills `bytes` at random.
///
/// # Panics
/// If the operating system gives no random bytes, which Linux does from boot on.
pub fn fill(bytes: &mut [u8]) {
    let Some(mut state) = FOLLOWED.get() else {
        return getrandom::fill(bytes).expect("the operating system gives random bytes");
    };
    for part in bytes.chunks_mut(8) {
        // splitmix64: https://prng.di.unimi.it/splitmix64.c
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..part.len()]);
    }
    FOLLOWED.set(Some(state));
}

/// A number from 0 up to `limit`, without it; 0 if that is 0.
pub fn below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes).checked_rem(limit).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_from_a_seed_are_the_same_again() {
        let draw = |seed| {
            std::thread::spawn(move || {
                follow(seed);
                let mut bytes = [0; 10];
                fill(&mut bytes);
                (bytes, below(1_000_000))
            })
            .join()
            .unwrap()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(below(0), 0);
    }
}
