//! The allocator's manners. glibc's keeps what a busy spell asked of it: it raises its own thresholds to the size of
//! the largest block that was ever freed, and holds as much at the end of each of its sixteen and more arenas, where
//! not even `malloc_trim` takes it from.

/// Blocks from this size on come from the system and go back to it. That takes a fault for each page of them: what a
/// network makes on its way for some rows is smaller.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 8 << 20;
/// Free bytes at the end of an arena from which on they go back, and what stays of them then.
#[cfg(target_env = "gnu")]
const FREE_MAX: libc::c_int = LARGE;
#[cfg(target_env = "gnu")]
const FREE_KEPT: libc::c_int = FREE_MAX / 2;

/// Sets thresholds that stay, and an arena for every two threads that can run; for the start, before other threads.
#[cfg(target_env = "gnu")]
pub fn settle() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let arenas = libc::c_int::try_from(2 * cores).unwrap_or(libc::c_int::MAX);
    for (what, value) in [
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, FREE_MAX),
        (libc::M_TOP_PAD, FREE_KEPT),
        (libc::M_ARENA_MAX, arenas),
    ] {
        // SAFETY: it sets a number, under the allocator's own lock. One that is refused leaves the default.
        unsafe { libc::mallopt(what, value) };
    }
}

/// Gives free memory back to the system. It walks over all that is allocated: milliseconds.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it takes the allocator's own locks, and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do it by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn settle() {}

/// Other allocators do it by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

/// Bytes of memory that no file has; 0 where the system does not say.
pub fn private() -> u64 {
    let pages = |text: String| {
        let mut fields = text.split(' ').skip(1).map(str::parse::<u64>);
        let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
        Some(resident.saturating_sub(shared))
    };
    let pages = fs_err::read_to_string("/proc/self/statm").ok().and_then(pages).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_to_is_private() {
        let block = vec![1_u8; 64 << 20];
        assert!(super::private() >= block.len() as u64);
    }
}
