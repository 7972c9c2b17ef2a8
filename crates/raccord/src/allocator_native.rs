//! The allocator, mimalloc, and how soon it gives memory back.
//!
//! It serves librdkafka as well, whose `malloc` it takes over: records are made by one thread and freed by another all the
//! time, which costs glibc's allocator a third of a snapshot's CPU time.
//!
//! Its own settings give memory back after a second. With those below a worker stays tens of megabytes smaller behind a
//! large transaction or among large rows, at the same speed; at 10 ms each row costs a fifth more.
#![allow(unsafe_code)]

use std::ffi::c_long;

use libmimalloc_sys::{_mi_option_last, mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds after which memory is given back that is not in use.
const PURGE_DELAY: (mi_option_t, c_long) = (15, 100);
/// Blocks of more kilobytes are given back at once: buffers of large rows.
const ARENA_MAX_OBJECT_SIZE: (mi_option_t, c_long) = (45, 1024);

// The numbers above are those of `mi_option_e` in the mimalloc.h of this version, which the crate does not name.
const _: () = assert!(_mi_option_last == 47, "look the numbers of the options up again");

/// Sets the options. To be called before anything else is done.
pub fn set_up() {
    for (option, value) in [PURGE_DELAY, ARENA_MAX_OBJECT_SIZE] {
        // SAFETY: sets a number; no other thread runs yet.
        unsafe { mi_option_set(option, value) };
    }
}
