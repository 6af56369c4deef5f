//! Where a static build looks names up.
//!
//! glibc, even linked statically, loads the modules that the host's `nsswitch.conf` names when a
//! lookup reaches them, and one made for another glibc ends the process (seen: SIGFPE on Rocky 9,
//! which names `myhostname`). So the sources are fixed before the first lookup.

/// Fixes the sources of host, user and group names. Call first in `main`, before any thread.
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
pub fn fix_sources() {
    use std::ffi::{c_char, c_int};
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, sources: *const c_char) -> c_int;
    }
    for (database, sources) in [(c"hosts", c"files dns"), (c"passwd", c"files"), (c"group", c"files")] {
        // SAFETY: both are NUL-terminated and live for ever; no other thread exists yet.
        unsafe { __nss_configure_lookup(database.as_ptr(), sources.as_ptr()) };
    }
}

/// A dynamically linked build uses the modules of the glibc it runs with: nothing to fix.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static")))]
pub fn fix_sources() {}
