//! The largest tensor tract may ask memory for. A file of some hundred bytes can describe a tensor of terabytes,
//! which tract would work out at load; memory that is promised and then used up takes the whole server down.
//!
//! tract asks for tensors, and nothing else here asks for anything, aligned for vector registers. It stops at a
//! refusal with a panic, which `guard` tells as an error; a `Vec` that is refused ends the process, and so never is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// No single tensor of weights is larger in a file that protobuf can hold, nearly.
const MOST_BYTES: usize = 1 << 30;
/// What `malloc` aligns to by itself.
const USUAL: usize = 16;

thread_local! {
    static LOW: Cell<bool> = const { Cell::new(false) };
}

/// Runs work whose tensors are bounded.
pub fn under<T>(work: impl FnOnce() -> T) -> T {
    struct Restored(bool);
    impl Drop for Restored {
        fn drop(&mut self) {
            LOW.set(self.0);
        }
    }
    let _restored = Restored(LOW.replace(true));
    work()
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

struct Bounded;

fn is_too_much(layout: Layout) -> bool {
    layout.size() > MOST_BYTES && layout.align() > USUAL && LOW.try_with(Cell::get).unwrap_or(false)
}

// SAFETY: each call goes to the system's allocator with the caller's own arguments, or answers null, as an allocator
// without memory does.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_too_much(layout) {
            return null_mut();
        }
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; all memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_too_much(layout) {
            return null_mut();
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}
