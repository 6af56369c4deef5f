//! Identifiers and secrets made from the operating system's random source.

/// 32 lower-case hexadecimal characters, the shape MLflow uses for runs and models.
pub fn hex32() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A time-ordered id (UUID v7, 32 hex characters): good where rows are listed newest first.
pub fn ordered() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// `n` random bytes.
///
/// # Panics
/// If the operating system has no random source, which no supported system does.
pub fn random_bytes(n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}

/// A secret of `n` characters from an alphabet without look-alikes, safe in URLs and shells.
/// Each character carries 5.8 bits.
pub fn secret(n: usize) -> String {
    const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // Bytes past the largest multiple of the alphabet's length would favour its first characters.
    let limit = 256 - 256 % ALPHABET.len();
    let mut out = String::with_capacity(n);
    while out.len() < n {
        out.extend(
            random_bytes(n)
                .into_iter()
                .filter(|b| usize::from(*b) < limit)
                .take(n - out.len())
                .map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()])),
        );
    }
    out
}
