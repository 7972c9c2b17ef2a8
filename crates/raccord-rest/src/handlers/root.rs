//! The worker itself.

use raccord_runtime::herder::Health;

use crate::answer::Answer;
use crate::routes::{Call, Reply};
use crate::wire::{Wire, WorkerStatus};

/// `GET /`.
pub fn info<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.server_info().await?))) })
}

/// `GET /health`.
pub fn health<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(health_answer(&call.herder.health().await)) })
}

/// The answer for a state of the worker.
pub fn health_answer(health: &Health) -> Answer {
    let (code, status, message, detail) = match health {
        Health::Healthy => {
            (200, "healthy", "Worker has completed startup and is ready to handle requests.", "")
        }
        Health::Starting(stage) => (503, "starting", "Worker is still starting up.", stage.as_str()),
        Health::Unhealthy(stage) => (
            500,
            "unhealthy",
            "Worker was unable to handle this request and may be unable to handle other requests.",
            stage.as_str(),
        ),
    };
    let message = if detail.is_empty() { message.to_owned() } else { format!("{message} {detail}") };
    Answer::json(code, &WorkerStatus { status, message: &message })
}
