//! How much a socket gathers before it wakes who reads it (`SO_RCVLOWAT`).
//!
//! The server sends each message of the stream by itself. Who is woken for each of them spends its time with being
//! woken; who is woken for many at once does not.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, RawFd};

use tokio::net::TcpStream;

/// A socket that gathers, until this is dropped. Dropped before the socket is.
pub struct Gathering(RawFd);

impl Gathering {
    /// Lets the socket gather so many bytes.
    pub fn begin(tcp: &TcpStream, bytes: u16) -> Self {
        let gathering = Self(tcp.as_raw_fd());
        gathering.set(bytes);
        gathering
    }

    /// A system that refuses wakes as early as ever.
    fn set(&self, bytes: u16) {
        let bytes = libc::c_int::from(bytes);
        // SAFETY: the option's value is an int, which lives during the call.
        unsafe {
            libc::setsockopt(
                self.0,
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                (&raw const bytes).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }
}

impl Drop for Gathering {
    /// Wakes at once when something is there.
    fn drop(&mut self) {
        self.set(1);
    }
}
