//! Names for runs and models whose maker gave none: two words and a number, easy to say aloud.

use crate::kernel::id::random_bytes;

const QUALITIES: [&str; 32] = [
    "amber", "brisk", "calm", "clear", "cold", "crisp", "deep", "dusky", "early", "fallow", "gentle", "grey",
    "high", "keen", "late", "light", "long", "mossy", "northern", "pale", "quiet", "reedy", "russet",
    "silver", "slow", "steady", "still", "sunlit", "tidal", "warm", "wide", "windy",
];

const THINGS: [&str; 32] = [
    "alder", "bank", "beacon", "bittern", "boat", "brook", "causeway", "curlew", "dock", "eel", "fen",
    "ferry", "hearth", "heron", "island", "jetty", "lake", "loch", "marsh", "mooring", "oar", "otter",
    "pike", "pile", "plank", "reed", "rush", "shore", "swan", "tern", "thatch", "willow",
];

/// Such as `quiet-heron-417`.
pub fn random() -> String {
    let bytes = random_bytes(4);
    let word = |list: &[&'static str; 32], byte: u8| list[usize::from(byte) % list.len()];
    let number = u16::from_be_bytes([bytes[2], bytes[3]]) % 1000;
    format!("{}-{}-{number}", word(&QUALITIES, bytes[0]), word(&THINGS, bytes[1]))
}
