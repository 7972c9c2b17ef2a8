//! OAUTHBEARER: keeps a token at hand for the clients of a login.
//!
//! librdkafka asks for tokens through queues that not every client's owner reads, so tokens are given to it unasked: a
//! thread for each login fetches a token, gives it to all clients of the login, and fetches the next one before that ends,
//! as Kafka's `sasl.login.refresh.*` says. Clients with the same settings share a login, as in Java.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use raccord_plugin::{Error, RawConfig, Result};
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use crate::oauth_token::{Failure, Token, TokenSource, now_ms};
use crate::refusal::Refusal;

/// Logins that have clients. Bounded by the number of different settings.
static LOGINS: Mutex<Vec<Weak<Login>>> = Mutex::new(Vec::new());

/// What a client is told by when there is no token for it.
type OnFailure = Box<dyn Fn(Refusal) + Send>;

/// A source of tokens with the clients that use it.
pub(crate) struct Login {
    source: TokenSource,
    refresh: Refresh,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clients: Vec<Client>,
    next_id: u64,
    token: Option<Token>,
    /// Why there is none.
    failure: Option<Refusal>,
}

struct Client {
    id: u64,
    handle: NonNull<rd::rd_kafka_t>,
    on_failure: OnFailure,
}

// SAFETY: librdkafka's clients may be used from any thread; the pointer is gone before its client is, see `Attachment`.
unsafe impl Send for Client {}

/// When a token is fetched again, as Kafka's ExpiringCredentialRefreshingLogin decides it.
#[derive(Clone, Debug, PartialEq)]
struct Refresh {
    window_factor: f64,
    window_jitter: f64,
    min_period: Duration,
    buffer: Duration,
    retry_backoff: Duration,
    retry_backoff_max: Duration,
}

impl Refresh {
    fn read(properties: &RawConfig) -> Result<Self> {
        fn number<T: std::str::FromStr>(properties: &RawConfig, key: &str, default: T) -> Result<T> {
            let Some(text) = properties.get(key).map(str::trim) else { return Ok(default) };
            text.parse().map_err(|_| {
                Error::config(format!("Invalid value {text} for configuration {key}: Not a number"))
            })
        }
        Ok(Self {
            window_factor: number(properties, "sasl.login.refresh.window.factor", 0.8)?,
            window_jitter: number(properties, "sasl.login.refresh.window.jitter", 0.05)?,
            min_period: Duration::from_secs(number(properties, "sasl.login.refresh.min.period.seconds", 60)?),
            buffer: Duration::from_secs(number(properties, "sasl.login.refresh.buffer.seconds", 300)?),
            retry_backoff: Duration::from_millis(number(properties, "sasl.login.retry.backoff.ms", 100)?),
            retry_backoff_max: Duration::from_millis(number(
                properties,
                "sasl.login.retry.backoff.max.ms",
                10_000,
            )?),
        })
    }

    /// How long a token with that much life left is used. `random` is between 0 and 1.
    fn wait(&self, life: Duration, random: f64) -> Duration {
        let share = life.mul_f64((self.window_factor + self.window_jitter * random).clamp(0.0, 1.0));
        if life <= self.min_period + self.buffer {
            return share;
        }
        share.clamp(self.min_period, life - self.buffer)
    }
}

/// A client's part in a login. To be dropped before the client is.
pub(crate) struct Attachment {
    login: Arc<Login>,
    id: u64,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.login.state.lock().clients.retain(|client| client.id != self.id);
    }
}

impl Login {
    /// The login that the properties ask for; `None` when they ask for another way in.
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    pub(crate) fn of(properties: &RawConfig) -> Result<Option<Arc<Self>>> {
        let Some(source) = TokenSource::of(properties)? else { return Ok(None) };
        let refresh = Refresh::read(properties)?;
        let mut logins = LOGINS.lock();
        logins.retain(|login| login.strong_count() > 0);
        let known: Vec<Arc<Self>> = logins.iter().filter_map(Weak::upgrade).collect();
        if let Some(login) = known.iter().find(|login| login.source == source && login.refresh == refresh) {
            return Ok(Some(login.clone()));
        }
        let login = Arc::new(Self { source, refresh, state: Mutex::default() });
        logins.push(Arc::downgrade(&login));
        drop(logins);
        let weak = Arc::downgrade(&login);
        std::thread::Builder::new()
            .name("kafka login".to_owned())
            .spawn(move || keep_fresh(&weak))
            .map_err(|error| Error::fatal("cannot start a thread").caused_by(error))?;
        Ok(Some(login))
    }

    /// Gives the client the token there is, and every later one.
    ///
    /// # Safety
    /// The client is live until the attachment is dropped.
    pub(crate) unsafe fn attach(
        self: &Arc<Self>,
        client: *mut rd::rd_kafka_t,
        on_failure: impl Fn(Refusal) + Send + 'static,
    ) -> Attachment {
        let handle = NonNull::new(client).expect("a live client is not null");
        let mut state = self.state.lock();
        if let Some(token) = &state.token {
            // SAFETY: by the contract.
            unsafe { give(handle, token) };
        } else if let Some(failure) = &state.failure {
            on_failure(failure.clone());
        }
        let id = state.next_id;
        state.next_id += 1;
        state.clients.push(Client { id, handle, on_failure: Box::new(on_failure) });
        drop(state);
        Attachment { login: self.clone(), id }
    }

    /// A token, asked for again with growing waits for as long as `sasl.login.retry.backoff.max.ms` says.
    fn fetch(&self) -> std::result::Result<Token, String> {
        let mut backoff = self.refresh.retry_backoff;
        let mut left = self.refresh.retry_backoff_max;
        loop {
            match self.source.fetch() {
                Ok(token) => return Ok(token),
                Err(Failure::Final(text)) => return Err(text),
                Err(Failure::Retriable(text)) if left.is_zero() => return Err(text),
                Err(Failure::Retriable(text)) => tracing::debug!("no token yet: {text}"),
            }
            let pause = backoff.min(left);
            std::thread::sleep(pause);
            left = left.saturating_sub(pause);
            backoff *= 2;
        }
    }

    /// Passes a token, or that there is none, to all clients, and says how long to wait before the next.
    fn publish(&self, fetched: std::result::Result<Token, String>) -> Duration {
        let mut state = self.state.lock();
        match fetched {
            Ok(token) => {
                for client in &state.clients {
                    // SAFETY: clients are live while they are attached, and the lock keeps them so.
                    unsafe { give(client.handle, &token) };
                }
                let life = Duration::from_millis(u64::try_from(token.expires_ms - now_ms()).unwrap_or(0));
                state.token = Some(token);
                state.failure = None;
                self.refresh.wait(life, rand::random())
            }
            Err(text) => {
                tracing::warn!("cannot get a token for OAUTHBEARER: {text}");
                if state.token.as_ref().is_none_or(|token| token.expires_ms <= now_ms()) {
                    state.token = None;
                    state.failure = Some(Refusal::no_token(text.clone()));
                    for client in &state.clients {
                        // SAFETY: as above.
                        unsafe { give_failure(client.handle, &text) };
                        (client.on_failure)(Refusal::no_token(text.clone()));
                    }
                }
                self.refresh.retry_backoff_max
            }
        }
    }
}

/// Runs until nobody uses the login any more.
fn keep_fresh(login: &Weak<Login>) {
    /// How often it is looked whether somebody still does.
    const LOOK: Duration = Duration::from_secs(1);
    /// The least time between two tokens, whatever their life.
    const PAUSE_MIN: Duration = Duration::from_millis(100);
    let mut left = Duration::ZERO;
    while let Some(login) = login.upgrade() {
        if left.is_zero() {
            left = login.publish(login.fetch()).max(PAUSE_MIN);
        }
        drop(login);
        let pause = left.min(LOOK);
        std::thread::sleep(pause);
        left = left.saturating_sub(pause);
    }
}

/// # Safety
/// The client is live.
unsafe fn give(client: NonNull<rd::rd_kafka_t>, token: &Token) {
    let mut text = [0 as c_char; 512];
    let Ok(value) = CString::new(token.value.reveal()) else { return };
    let Ok(principal) = CString::new(token.principal.as_str()) else { return };
    let extensions: Vec<CString> = token
        .extensions
        .iter()
        .flat_map(|(key, value)| [key, value])
        .filter_map(|text| CString::new(text.as_str()).ok())
        .collect();
    let mut pointers: Vec<*const c_char> = extensions.iter().map(|text| text.as_ptr()).collect();
    // SAFETY: the client is live by the contract; all texts are C strings that live during the call, which copies them.
    let code = unsafe {
        rd::rd_kafka_oauthbearer_set_token(
            client.as_ptr(),
            value.as_ptr(),
            token.expires_ms,
            principal.as_ptr(),
            pointers.as_mut_ptr(),
            pointers.len(),
            text.as_mut_ptr(),
            text.len(),
        )
    };
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        // SAFETY: the buffer ends with a zero byte.
        let reason = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy();
        tracing::error!("librdkafka does not take the token: {reason}");
    }
}

/// # Safety
/// The client is live.
unsafe fn give_failure(client: NonNull<rd::rd_kafka_t>, text: &str) {
    let Ok(text) = CString::new(text) else { return };
    // SAFETY: by the contract; the text lives during the call.
    unsafe { rd::rd_kafka_oauthbearer_set_token_failure(client.as_ptr(), text.as_ptr()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_fetched_before_they_end() {
        let refresh = Refresh::read(&RawConfig::new()).unwrap();
        let check = |life_s: u64, random: f64, expect_s: u64| {
            assert_eq!(refresh.wait(Duration::from_secs(life_s), random).as_secs(), expect_s, "{life_s}");
        };
        check(3600, 0.0, 2880);
        check(3600, 1.0, 3060);
        // Not later than the buffer, not sooner than the least period.
        check(1000, 1.0, 700);
        check(100, 0.0, 80);
        let late = RawConfig::from([("sasl.login.refresh.buffer.seconds", "soon")]);
        assert!(Refresh::read(&late).unwrap_err().message().contains("sasl.login.refresh.buffer.seconds"));
    }
}
