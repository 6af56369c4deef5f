//! MD5's compression over many bodies in step. In MD5 each addition waits for the one before it; one body leaves most
//! of a processor idle. Eight in the lanes of one vector take it to six times the speed, and sixteen to seventeen.

use super::{BLOCK, State};

/// floor(2^32 * |sin(i + 1)|), as RFC 1321 has it.
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

const EIGHT: usize = 8;
const SIXTEEN: usize = 16;

/// How many bodies this processor takes in step: one, if it cannot.
pub fn most() -> usize {
    if is_x86_feature_detected!("avx512f") {
        SIXTEEN
    } else if is_x86_feature_detected!("avx2") {
        EIGHT
    } else {
        1
    }
}

/// Takes the next `blocks` blocks of each body into its state. Every body has that many, and there are no more of
/// them than this processor takes.
pub fn compress(states: &mut [State], bodies: &[&[[u8; BLOCK]]], blocks: usize) {
    match most() {
        // SAFETY: the processor has AVX-512, and nothing else is asked of the caller.
        SIXTEEN => spread(states, bodies, |all, bodies| unsafe { sixteen::compress(all, bodies, blocks) }),
        // SAFETY: the processor has AVX2, and nothing else is asked of the caller.
        EIGHT => spread(states, bodies, |all, bodies| unsafe { eight::compress(all, bodies, blocks) }),
        _ => unreachable!("the caller asked how many"),
    }
}

/// Gives each lane a body. One without repeats another, and its outcome is forgotten.
fn spread<'a, const LANES: usize>(
    states: &mut [State],
    bodies: &[&'a [[u8; BLOCK]]],
    compress: impl FnOnce(&mut [State; LANES], &[&'a [[u8; BLOCK]]; LANES]),
) {
    let mut all = std::array::from_fn(|lane| states[lane % states.len()]);
    compress(&mut all, &std::array::from_fn(|lane| bodies[lane % bodies.len()]));
    states.copy_from_slice(&all[..states.len()]);
}

/// One of MD5's four rounds: sixteen steps in fours; the roles of the four words turn with each step.
macro_rules! round {
    ($mix:ident $state:tt $message:ident, $first:literal, $stride:literal, $sine:literal, $turns:tt) => {
        round!(@four $mix $state $message, $first, $stride, $sine, 0, $turns);
        round!(@four $mix $state $message, $first, $stride, $sine, 4, $turns);
        round!(@four $mix $state $message, $first, $stride, $sine, 8, $turns);
        round!(@four $mix $state $message, $first, $stride, $sine, 12, $turns);
    };
    (@four $mix:ident [$a:ident $b:ident $c:ident $d:ident] $message:ident, $first:literal, $stride:literal, $sine:literal, $step:literal, [$p:literal $q:literal $r:literal $s:literal]) => {
        round!(@one $mix [$a $b $c $d] $message, $first, $stride, $sine, $step, $p);
        round!(@one $mix [$d $a $b $c] $message, $first, $stride, $sine, $step + 1, $q);
        round!(@one $mix [$c $d $a $b] $message, $first, $stride, $sine, $step + 2, $r);
        round!(@one $mix [$b $c $d $a] $message, $first, $stride, $sine, $step + 3, $s);
    };
    (@one $mix:ident [$a:ident $b:ident $c:ident $d:ident] $message:ident, $first:literal, $stride:literal, $sine:literal, $step:expr, $turn:literal) => {
        let known = add($message[($first + $stride * ($step)) % 16], set1(SINES[$sine + $step].cast_signed()));
        let sum = add(first(add($a, known)), round!(@$mix $b, $c, $d));
        $a = add(or(left::<$turn>(sum), right::<{ 32 - $turn }>(sum)), $b);
    };
    (@f $b:ident, $c:ident, $d:ident) => { xor($d, and($b, xor($c, $d))) };
    (@g $b:ident, $c:ident, $d:ident) => { xor($c, and($d, xor($b, $c))) };
    (@h $b:ident, $c:ident, $d:ident) => { xor(xor($c, $d), $b) };
    (@i $b:ident, $c:ident, $d:ident) => { xor($c, or($b, xor($d, set1(-1)))) };
}

/// A quarter of a block: four of its sixteen words.
type Quarter = [u8; BLOCK / 4];

/// The same for both kinds of vectors. With AVX-512 the compiler makes one operation of each turn, and of each mix of
/// three words.
macro_rules! compress {
    ($features:literal, $register:ident, $lanes:ident) => {
        #[target_feature(enable = $features)]
        pub fn compress(states: &mut [State; $lanes], bodies: &[&[[u8; BLOCK]]; $lanes], blocks: usize) {
            let bodies = bodies.map(|body| &body[..blocks]);
            let mut state = [set1(0); 4];
            for (word, slot) in state.iter_mut().enumerate() {
                *slot = gather(&states.map(|state| state[word]));
            }
            for block in 0..blocks {
                let message = words(&bodies, block);
                let [mut a, mut b, mut c, mut d] = state;
                round!(f [a b c d] message, 0, 1, 0, [7 12 17 22]);
                round!(g [a b c d] message, 1, 5, 16, [5 9 14 20]);
                round!(h [a b c d] message, 5, 3, 32, [4 11 16 23]);
                round!(i [a b c d] message, 0, 7, 48, [6 10 15 21]);
                state = [add(a, state[0]), add(b, state[1]), add(c, state[2]), add(d, state[3])];
            }
            for (word, words) in state.into_iter().enumerate() {
                for (state, value) in states.iter_mut().zip(scatter(words)) {
                    state[word] = value;
                }
            }
        }

        /// The sixteen words of a block of each body: four times the four columns of four rows.
        #[inline]
        #[target_feature(enable = $features)]
        fn words(bodies: &[&[[u8; BLOCK]]; $lanes], block: usize) -> [Words; 16] {
            let mut words = [set1(0); 16];
            for (quarter, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let mut rows = [set1(0); 4];
                for (lane, row) in rows.iter_mut().enumerate() {
                    *row = load(bodies, block, quarter, lane);
                }
                let (low, high) = (low32(rows[0], rows[1]), low32(rows[2], rows[3]));
                let (low2, high2) = (high32(rows[0], rows[1]), high32(rows[2], rows[3]));
                *words = [low64(low, high), high64(low, high), low64(low2, high2), high64(low2, high2)];
            }
            words
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn gather(words: &[u32; $lanes]) -> Words {
            // SAFETY: as many bytes as are read, at any address.
            unsafe { read(words.as_ptr().cast()) }
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn scatter(words: Words) -> [u32; $lanes] {
            let mut all = [0; $lanes];
            // SAFETY: as many bytes as are written, at any address.
            unsafe { write(all.as_mut_ptr().cast(), words) };
            all
        }

        /// A sum that is to be ready before what is added to it next: left alone the compiler adds all parts in an
        /// order of its own, and each step waits a fifth longer for the one before it.
        #[inline]
        #[target_feature(enable = $features)]
        fn first(mut sum: Words) -> Words {
            // SAFETY: nothing is done.
            unsafe { asm!("/* {0} */", inout($register) sum, options(pure, nomem, nostack, preserves_flags)) };
            sum
        }
    };
}

/// The quarter of a body's block.
#[inline]
fn quarter(body: &[[u8; BLOCK]], block: usize, quarter: usize) -> &Quarter {
    &body[block].as_chunks().0[quarter]
}

/// Eight lanes, with AVX2.
mod eight {
    use super::{BLOCK, EIGHT, SINES, State, quarter};
    use std::arch::{
        asm,
        x86_64::{
            __m256i as Words, _mm256_add_epi32 as add, _mm256_and_si256 as and, _mm256_loadu_si256 as read,
            _mm256_loadu2_m128i, _mm256_or_si256 as or, _mm256_set1_epi32 as set1, _mm256_slli_epi32 as left,
            _mm256_srli_epi32 as right, _mm256_storeu_si256 as write, _mm256_unpackhi_epi32 as high32,
            _mm256_unpackhi_epi64 as high64, _mm256_unpacklo_epi32 as low32, _mm256_unpacklo_epi64 as low64,
            _mm256_xor_si256 as xor,
        },
    };

    compress!("avx2", ymm_reg, EIGHT);

    /// The quarter of a block of every fourth body.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bodies: &[&[[u8; BLOCK]]; EIGHT], block: usize, at: usize, lane: usize) -> Words {
        let low = quarter(bodies[lane], block, at);
        let high = quarter(bodies[lane + 4], block, at);
        // SAFETY: as many bytes as are read, at any address.
        unsafe { _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast()) }
    }
}

/// Sixteen lanes, with AVX-512.
mod sixteen {
    use super::{BLOCK, Quarter, SINES, SIXTEEN, State, quarter};
    use std::arch::{
        asm,
        x86_64::{
            __m128i, __m512i as Words, _mm_loadu_si128, _mm512_add_epi32 as add, _mm512_and_si512 as and,
            _mm512_broadcast_i32x4, _mm512_loadu_si512 as read, _mm512_mask_broadcast_i32x4,
            _mm512_or_si512 as or, _mm512_set1_epi32 as set1, _mm512_slli_epi32 as left,
            _mm512_srli_epi32 as right, _mm512_storeu_si512 as write, _mm512_unpackhi_epi32 as high32,
            _mm512_unpackhi_epi64 as high64, _mm512_unpacklo_epi32 as low32, _mm512_unpacklo_epi64 as low64,
            _mm512_xor_si512 as xor,
        },
    };

    compress!("avx512f", zmm_reg, SIXTEEN);

    /// The quarter of a block of every fourth body.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(bodies: &[&[[u8; BLOCK]]; SIXTEEN], block: usize, at: usize, lane: usize) -> Words {
        let all = _mm512_broadcast_i32x4(part(quarter(bodies[lane], block, at)));
        let all = _mm512_mask_broadcast_i32x4(all, 0x00f0, part(quarter(bodies[lane + 4], block, at)));
        let all = _mm512_mask_broadcast_i32x4(all, 0x0f00, part(quarter(bodies[lane + 8], block, at)));
        _mm512_mask_broadcast_i32x4(all, 0xf000, part(quarter(bodies[lane + 12], block, at)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn part(quarter: &Quarter) -> __m128i {
        // SAFETY: as many bytes as are read, at any address.
        unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Compress<const LANES: usize> = unsafe fn(&mut [State; LANES], &[&[[u8; BLOCK]]; LANES], usize);

    fn has_the_states_of_the_reference<const LANES: usize>(compress: Compress<LANES>) {
        const BLOCKS: usize = 5;
        let byte = |at: usize, lane: usize| (at * 31 + lane * 57 + at * at / 7) as u8;
        let bodies: [[[u8; BLOCK]; BLOCKS]; LANES] = std::array::from_fn(|lane| {
            std::array::from_fn(|block| std::array::from_fn(|at| byte(block * BLOCK + at, lane)))
        });
        let mut states = std::array::from_fn(|lane| [lane as u32, 1, u32::MAX, 7 * lane as u32]);
        let mut expected: [State; LANES] = states;
        for (state, body) in expected.iter_mut().zip(&bodies) {
            md5::block_api::compress(state, &body[..BLOCKS - 1]);
        }
        // SAFETY: whoever calls this has asked the processor.
        unsafe { compress(&mut states, &bodies.each_ref().map(|body| &body[..]), BLOCKS - 1) };
        assert_eq!(states, expected);
    }

    #[test]
    fn each_kind_of_vector_has_the_states_of_the_reference() {
        // SAFETY, both times: the processor was asked.
        if most() >= EIGHT {
            has_the_states_of_the_reference::<EIGHT>(|a, b, c| unsafe { eight::compress(a, b, c) });
        }
        if most() >= SIXTEEN {
            has_the_states_of_the_reference::<SIXTEEN>(|a, b, c| unsafe { sixteen::compress(a, b, c) });
        }
    }
}
