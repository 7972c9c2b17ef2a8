//! Tasks.

use crate::answer::{Answer, Failure};
use crate::routes::{Call, Reply};
use crate::wire::{TaskConfigs, Wire};

/// `GET /connectors/{connector}/tasks`.
pub fn list<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&Wire(&call.herder.task_configs(call.name()).await?))) })
}

/// `GET /connectors/{connector}/tasks-config`.
pub fn configs<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move { Ok(Answer::ok(&TaskConfigs(&call.herder.task_configs(call.name()).await?))) })
}

/// A task number as it stands in a path: any Java int, so that it may be negative.
fn number(call: &Call<'_>) -> Result<i32, Failure> {
    call.variables.get(1).and_then(|task| task.parse().ok()).ok_or_else(|| Failure::framework(404))
}

/// `GET /connectors/{connector}/tasks/{task}/status`.
pub fn status<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let number = number(call)?;
        let Ok(task) = u32::try_from(number) else {
            return Err(Failure::new(404, format!("No status found for task {}-{number}", call.name())));
        };
        let state = call.herder.task_status(call.name(), task).await?;
        Ok(Answer::ok(&Wire((task, &state))))
    })
}

/// `POST /connectors/{connector}/tasks/{task}/restart`.
pub fn restart<'a>(call: &'a Call<'a>) -> Reply<'a> {
    Box::pin(async move {
        let number = number(call)?;
        let Ok(task) = u32::try_from(number) else {
            let known = call.herder.connector_config(call.name()).await.is_ok();
            return Err(Failure::new(
                404,
                if known {
                    format!("Unknown task: {}-{number}", call.name())
                } else {
                    format!("Unknown connector: {}", call.name())
                },
            ));
        };
        call.herder.restart_task(call.name(), task).await?;
        Ok(Answer::empty(204))
    })
}
