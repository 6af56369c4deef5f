//! MD5's compression over eight bodies in step. In MD5 each addition waits for the one before it; one body
//! leaves most of a processor idle, and eight in the lanes of one vector take it to five times the speed.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_extract_epi32, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set_epi32, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::{BLOCK, LANES, State};

/// One word of each body.
type Words = __m256i;

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

/// Whether this processor can.
pub fn able() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Takes the next `blocks` blocks of each body into its state. Every body has that many.
pub fn compress(states: &mut [State; LANES], bodies: &[&[[u8; BLOCK]]; LANES], blocks: usize) {
    assert!(able(), "asked before");
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has both, and nothing else is asked of the caller.
        return unsafe { compress_avx512(states, bodies, blocks) };
    }
    // SAFETY: the processor has AVX2, and nothing else is asked of the caller.
    unsafe { compress_avx2(states, bodies, blocks) };
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
        let known = _mm256_add_epi32(
            $message[($first + $stride * ($step)) % 16],
            _mm256_set1_epi32(SINES[$sine + $step].cast_signed()),
        );
        let sum = _mm256_add_epi32(_mm256_add_epi32($a, known), round!(@$mix $b, $c, $d));
        let turned = _mm256_or_si256(_mm256_slli_epi32::<$turn>(sum), _mm256_srli_epi32::<{ 32 - $turn }>(sum));
        $a = _mm256_add_epi32(turned, $b);
    };
    (@f $b:ident, $c:ident, $d:ident) => { _mm256_xor_si256($d, _mm256_and_si256($b, _mm256_xor_si256($c, $d))) };
    (@g $b:ident, $c:ident, $d:ident) => { _mm256_xor_si256($c, _mm256_and_si256($d, _mm256_xor_si256($b, $c))) };
    (@h $b:ident, $c:ident, $d:ident) => { _mm256_xor_si256(_mm256_xor_si256($c, $d), $b) };
    (@i $b:ident, $c:ident, $d:ident) => { _mm256_xor_si256($c, _mm256_or_si256($b, _mm256_xor_si256($d, _mm256_set1_epi32(-1)))) };
}

/// The same steps for two kinds of processors: with AVX-512VL the compiler makes one operation of each turn, and of
/// each mix of three words.
macro_rules! compress {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        fn $name(states: &mut [State; LANES], bodies: &[&[[u8; BLOCK]]; LANES], blocks: usize) {
            let bodies = bodies.map(|body| &body[..blocks]);
            let mut state = [_mm256_setzero_si256(); 4];
            for (word, slot) in state.iter_mut().enumerate() {
                *slot = gather(|lane| states[lane][word]);
            }
            for block in 0..blocks {
                let message = words(&bodies.map(|body| &body[block]));
                let [mut a, mut b, mut c, mut d] = state;
                round!(f [a b c d] message, 0, 1, 0, [7 12 17 22]);
                round!(g [a b c d] message, 1, 5, 16, [5 9 14 20]);
                round!(h [a b c d] message, 5, 3, 32, [4 11 16 23]);
                round!(i [a b c d] message, 0, 7, 48, [6 10 15 21]);
                state = [
                    _mm256_add_epi32(a, state[0]),
                    _mm256_add_epi32(b, state[1]),
                    _mm256_add_epi32(c, state[2]),
                    _mm256_add_epi32(d, state[3]),
                ];
            }
            for (word, words) in state.into_iter().enumerate() {
                for (lane, value) in scatter(words).into_iter().enumerate() {
                    states[lane][word] = value;
                }
            }
        }
    };
}

compress!(compress_avx2, "avx2");
compress!(compress_avx512, "avx512f,avx512vl");

#[inline]
#[target_feature(enable = "avx2")]
fn gather(word: impl Fn(usize) -> u32) -> Words {
    let w = |lane: usize| word(lane).cast_signed();
    _mm256_set_epi32(w(7), w(6), w(5), w(4), w(3), w(2), w(1), w(0))
}

#[inline]
#[target_feature(enable = "avx2")]
fn scatter(words: Words) -> [u32; LANES] {
    [
        _mm256_extract_epi32::<0>(words).cast_unsigned(),
        _mm256_extract_epi32::<1>(words).cast_unsigned(),
        _mm256_extract_epi32::<2>(words).cast_unsigned(),
        _mm256_extract_epi32::<3>(words).cast_unsigned(),
        _mm256_extract_epi32::<4>(words).cast_unsigned(),
        _mm256_extract_epi32::<5>(words).cast_unsigned(),
        _mm256_extract_epi32::<6>(words).cast_unsigned(),
        _mm256_extract_epi32::<7>(words).cast_unsigned(),
    ]
}

/// The sixteen words of a block of each body.
#[inline]
#[target_feature(enable = "avx2")]
fn words(blocks: &[&[u8; BLOCK]; LANES]) -> [Words; 16] {
    let mut words = [_mm256_setzero_si256(); 16];
    for (half, words) in words.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *words = turn_over(blocks.map(|block| load(&block.as_chunks().0[half])));
    }
    words
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> Words {
    // SAFETY: as many bytes as are read, at any address.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Of eight rows of eight words, the eight columns.
#[inline]
#[target_feature(enable = "avx2")]
fn turn_over(rows: [Words; 8]) -> [Words; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Of two rows each: words 0, 1, 4, 5 and then 2, 3, 6, 7 in turns.
    let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
    let (ef, gh) = (_mm256_unpacklo_epi32(e, f), _mm256_unpacklo_epi32(g, h));
    let (ab2, cd2) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
    let (ef2, gh2) = (_mm256_unpackhi_epi32(e, f), _mm256_unpackhi_epi32(g, h));
    // Of four rows each: a word, and the one four behind it.
    let upper = [
        _mm256_unpacklo_epi64(ab, cd),
        _mm256_unpackhi_epi64(ab, cd),
        _mm256_unpacklo_epi64(ab2, cd2),
        _mm256_unpackhi_epi64(ab2, cd2),
    ];
    let lower = [
        _mm256_unpacklo_epi64(ef, gh),
        _mm256_unpackhi_epi64(ef, gh),
        _mm256_unpacklo_epi64(ef2, gh2),
        _mm256_unpackhi_epi64(ef2, gh2),
    ];
    let near = |word: usize| _mm256_permute2x128_si256::<0x20>(upper[word], lower[word]);
    let far = |word: usize| _mm256_permute2x128_si256::<0x31>(upper[word], lower[word]);
    [near(0), near(1), near(2), near(3), far(0), far(1), far(2), far(3)]
}
