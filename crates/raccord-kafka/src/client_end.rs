//! The end of librdkafka's clients: on threads of their own, which a process that exits waits for.
//!
//! Ending a client takes a while: a consumer leaves its group, threads are joined. Whoever drops a client must not wait for
//! that. A process that exits meanwhile must: otherwise members stay in their groups until they time out, and OpenSSL's
//! tables, which its own exit handler frees, are gone under threads that still use them.
#![allow(unsafe_code)]

use std::sync::Once;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How long a process that exits waits for its clients.
const PATIENCE: Duration = Duration::from_secs(5);

static ENDING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Has exits of the process wait for clients that are ending. To be called once the first client is there: exit handlers run
/// in the reverse order of their registration, and those of librdkafka's libraries have to come later.
pub(crate) fn wait_at_exit() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler takes nothing, never unwinds and lives as long as the process. When it cannot be registered,
        // exits do not wait.
        unsafe { libc::atexit(wait) };
    });
}

/// Runs what ends a client on a thread of its own. When there is no thread to be had the client stays, which is better than
/// blocking the caller.
pub(crate) fn in_background(end: impl FnOnce() + Send + 'static) {
    *ENDING.lock() += 1;
    let ending = move || {
        end();
        ended();
    };
    if std::thread::Builder::new().name("kafka client end".to_owned()).spawn(ending).is_err() {
        ended();
    }
}

fn ended() {
    *ENDING.lock() -= 1;
    ENDED.notify_all();
}

extern "C" fn wait() {
    let until = Instant::now() + PATIENCE;
    let mut ending = ENDING.lock();
    while *ending > 0 && !ENDED.wait_until(&mut ending, until).timed_out() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_what_is_ending() {
        let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
        in_background(move || held.recv().unwrap_or_default());
        let waiting = std::thread::spawn(|| wait());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        release.send(()).expect("the thread is there");
        waiting.join().expect("the wait ends");
    }
}
