//! librdkafka's client handles and queues, owned: what the producer and the consumer of the data plane share.
//!
//! The Rust wrapper's own clients cost a call through a context, an allocation or a thread where these need none.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use raccord_plugin::{Error, Result};
use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use tokio::net::UnixStream;

use crate::classify::classify;
use crate::client::log;
use crate::client_end;
use crate::oauth::{Attachment, Login};
use crate::refusal::Refusal;

/// Brokers that refuse clients, by the address of the client. Few, and gone with the client.
static REFUSALS: LazyLock<Mutex<HashMap<usize, Refusal>>> = LazyLock::new(Mutex::default);
/// Whether there is any, so that who looks often need not take the lock.
static ANY_REFUSED: AtomicBool = AtomicBool::new(false);

fn refuse(client: usize, refusal: Refusal) {
    REFUSALS.lock().insert(client, refusal);
    ANY_REFUSED.store(true, Ordering::Release);
}

/// An owned client.
pub(crate) struct Handle {
    client: NonNull<rd::rd_kafka_t>,
    login: Option<Attachment>,
}

// SAFETY: librdkafka's clients may be used from any thread, and from several at once.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// Makes a client. `prepare` may set callbacks.
    ///
    /// # Errors
    /// `Error::config` with librdkafka's reason.
    pub(crate) fn new(
        kind: rd::rd_kafka_type_t,
        config: &ClientConfig,
        prepare: impl FnOnce(*mut rd::rd_kafka_conf_t),
    ) -> Result<Self> {
        let doing = "make a Kafka client";
        let native = config.create_native_config().map_err(|error| classify(doing, &error))?;
        let mut text = [0 as c_char; 512];
        // SAFETY: `native` is live; the copy is owned by `rd_kafka_new` when that succeeds and destroyed here when not;
        // the text buffer is as long as told and ends with a zero byte.
        unsafe {
            let conf = rd::rd_kafka_conf_dup(native.ptr());
            rd::rd_kafka_conf_set_log_cb(conf, Some(log_callback));
            rd::rd_kafka_conf_set_error_cb(conf, Some(error_callback));
            prepare(conf);
            let client = rd::rd_kafka_new(kind, conf, text.as_mut_ptr(), text.len());
            match NonNull::new(client) {
                Some(client) => {
                    client_end::wait_at_exit();
                    Ok(Self { client, login: None })
                }
                None => {
                    rd::rd_kafka_conf_destroy(conf);
                    let reason = CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned();
                    Err(Error::config(format!("Failed to {doing}: {reason}")))
                }
            }
        }
    }

    /// Has the client use the login's tokens.
    pub(crate) fn log_in(&mut self, login: &Arc<Login>) {
        let address = self.client.addr().get();
        // SAFETY: the attachment is dropped in `drop`, before the client ends.
        let attachment =
            unsafe { login.attach(self.client.as_ptr(), move |refusal| refuse(address, refusal)) };
        self.login = Some(attachment);
    }

    /// Whether a broker refused the client a moment ago.
    #[inline]
    pub(crate) fn refused(&self) -> Option<Refusal> {
        if !ANY_REFUSED.load(Ordering::Acquire) {
            return None;
        }
        REFUSALS.lock().get(&self.client.addr().get()).filter(|refusal| refusal.is_current()).cloned()
    }

    pub(crate) fn as_ptr(&self) -> *mut rd::rd_kafka_t {
        self.client.as_ptr()
    }
}

impl Drop for Handle {
    /// Ends the client's threads, and a consumer's membership.
    fn drop(&mut self) {
        struct Doomed(NonNull<rd::rd_kafka_t>);
        // SAFETY: see above.
        unsafe impl Send for Doomed {}
        self.login = None;
        let doomed = Doomed(self.client);
        client_end::in_background(move || {
            let doomed = doomed;
            let address = doomed.0.addr().get();
            // SAFETY: the owner gives the handle up; queues and topics made of it were destroyed before, being fields
            // dropped earlier.
            unsafe { rd::rd_kafka_destroy(doomed.0.as_ptr()) };
            REFUSALS.lock().remove(&address);
        });
    }
}

/// # Safety
/// Called by librdkafka with C strings.
unsafe extern "C" fn log_callback(
    client: *const rd::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    message: *const c_char,
) {
    // SAFETY: both are C strings that live during the call.
    let (facility, message) = unsafe { (CStr::from_ptr(facility), CStr::from_ptr(message)) };
    let (facility, message) = (facility.to_string_lossy(), message.to_string_lossy());
    if let Some(refusal) = Refusal::of_log(&facility, &message) {
        refuse(client.addr(), refusal);
    }
    log(level, &facility, &message);
}

/// Errors that are not the outcome of a call: a broker that is away, many times a second. Without a callback librdkafka
/// would log each; connections that fail are in its log already, at a bearable rate.
///
/// # Safety
/// Called by librdkafka with a C string.
unsafe extern "C" fn error_callback(
    _: *mut rd::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    _: *mut c_void,
) {
    // SAFETY: it lives during the call.
    let reason = unsafe { CStr::from_ptr(reason) };
    tracing::debug!(target: "librdkafka", code, "{}", reason.to_string_lossy());
}

/// A queue of librdkafka that wakes an async task when something comes into it while it is empty.
///
/// librdkafka writes a byte to a socket once, until the queue is read again. So whoever waits must have read the queue
/// until it was empty before.
pub(crate) struct WakeQueue {
    queue: NonNull<rd::rd_kafka_queue_t>,
    wake: UnixStream,
    /// The end that librdkafka writes to.
    _write_end: StdUnixStream,
}

// SAFETY: librdkafka's queues may be used from any thread, and from several at once.
unsafe impl Send for WakeQueue {}
// SAFETY: as above.
unsafe impl Sync for WakeQueue {}

/// What librdkafka writes.
static WAKE_BYTE: [u8; 1] = [1];

impl WakeQueue {
    /// Takes over a queue, of which the caller gives up its reference.
    ///
    /// # Errors
    /// When no socket can be made.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(queue: *mut rd::rd_kafka_queue_t) -> Result<Self> {
        let queue = NonNull::new(queue).expect("librdkafka's constructors of queues never return null");
        let sockets = || {
            let (read_end, write_end) = StdUnixStream::pair()?;
            read_end.set_nonblocking(true)?;
            write_end.set_nonblocking(true)?;
            Ok((UnixStream::from_std(read_end)?, write_end))
        };
        let (wake, write_end) = sockets().map_err(|error: std::io::Error| {
            Error::retriable("cannot make a socket").caused_by(error).hint("raise the limit of open files")
        })?;
        // SAFETY: the queue is live. The descriptor lives until it is disabled in `drop`; librdkafka copies the payload.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(
                queue.as_ptr(),
                write_end.as_raw_fd(),
                WAKE_BYTE.as_ptr().cast(),
                WAKE_BYTE.len(),
            );
        }
        Ok(Self { queue, wake, _write_end: write_end })
    }

    pub(crate) fn as_ptr(&self) -> *mut rd::rd_kafka_queue_t {
        self.queue.as_ptr()
    }

    /// Waits until something came into the queue after it was found empty. Cancel-safe; may wake for nothing.
    pub(crate) async fn wait(&self) {
        let mut bytes = [0; 64];
        loop {
            if self.wake.readable().await.is_err() {
                return;
            }
            match self.wake.try_read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }
}

impl Drop for WakeQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is live; after the first call librdkafka does not use the descriptor any more.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), -1, ptr::null(), 0);
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}
