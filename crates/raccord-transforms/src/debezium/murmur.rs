//! The 64-bit MurmurHash3 that Debezium spreads records over partitions by. It is not the one that others know: its
//! first state and the way bytes above 0x7f of the tail are widened are its own.

const SEED: u64 = 9001;

struct State {
    h1: u64,
    h2: u64,
    k1: u64,
    k2: u64,
    c1: u64,
    c2: u64,
}

impl State {
    fn new() -> Self {
        Self {
            h1: 0x9368_e53c_2f6a_f274 ^ SEED,
            h2: 0x586d_cd20_8f7c_d3fd ^ SEED,
            k1: 0,
            k2: 0,
            c1: 0x87c3_7b91_1142_53d5,
            c2: 0x4cf5_ad43_2745_937f,
        }
    }

    fn mix(&mut self) {
        self.k1 = self.k1.wrapping_mul(self.c1).rotate_left(23).wrapping_mul(self.c2);
        self.h1 = (self.h1 ^ self.k1).wrapping_add(self.h2);
        self.h2 = self.h2.rotate_left(41);
        self.k2 = self.k2.wrapping_mul(self.c2).rotate_left(23).wrapping_mul(self.c1);
        self.h2 = (self.h2 ^ self.k2).wrapping_add(self.h1);
        self.h1 = self.h1.wrapping_mul(3).wrapping_add(0x52dc_e729);
        self.h2 = self.h2.wrapping_mul(3).wrapping_add(0x3849_5ab5);
        self.c1 = self.c1.wrapping_mul(5).wrapping_add(0x7b7d_159c);
        self.c2 = self.c2.wrapping_mul(5).wrapping_add(0x6bce_6396);
    }

    fn finish(mut self, bytes: usize) -> i32 {
        self.h2 ^= bytes as u64;
        self.h1 = self.h1.wrapping_add(self.h2);
        self.h2 = self.h2.wrapping_add(self.h1);
        self.h1 = final_mix(self.h1);
        self.h2 = final_mix(self.h2);
        (self.h1.wrapping_add(self.h2) as i64 >> 32) as i32
    }
}

fn final_mix(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

/// The hash of bytes; of a text, those of its UTF-8.
pub(crate) fn hash_bytes(bytes: &[u8]) -> i32 {
    let mut state = State::new();
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        (state.k1, state.k2) = (word(&block[..8]), word(&block[8..]));
        state.mix();
    }
    // Java widens the bytes of the tail with their sign, so that one above 0x7f changes those before it.
    let signed = |bytes: &[u8]| {
        bytes.iter().enumerate().fold(0u64, |word, (place, byte)| {
            word ^ (i64::from(*byte as i8) as u64).wrapping_shl(8 * place as u32)
        })
    };
    let (low, high) = tail.split_at(tail.len().min(8));
    (state.k1, state.k2) = (signed(low), signed(high));
    if !tail.is_empty() {
        state.mix();
    }
    state.finish(bytes.len())
}

/// The hash of the `hashCode` of any other object.
pub(crate) fn hash_code(code: i32) -> i32 {
    hash_bytes(&code.to_le_bytes())
}
