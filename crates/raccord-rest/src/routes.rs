//! The one table of routes. Requests are matched with it, `OPTIONS` and 405 follow from it, and the OpenAPI document
//! is made of it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use raccord_runtime::Herder;

use crate::answer::{Answer, Failure};
use crate::handlers::{connectors, internal, loggers, metrics, offsets, plugins, root, tasks};
use crate::openapi;
use crate::query::Query;
use crate::request_path::Segment;
use crate::settings::TopicTracking;

/// A request that found its route.
pub struct Call<'a> {
    /// The worker.
    pub herder: &'a dyn Herder,
    /// Values of the path's variables in order.
    pub variables: Vec<String>,
    /// The query.
    pub query: Query,
    /// The body; empty when the route takes none.
    pub body: Bytes,
    /// What the worker's config says about `/topics`.
    pub topic_tracking: TopicTracking,
}

impl Call<'_> {
    /// The first variable: the connector's, plugin's or logger's name.
    pub fn name(&self) -> &str {
        self.variables.first().map_or("", String::as_str)
    }
}

/// What a handler gives.
pub type Reply<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// A handler of requests.
pub type Handler = for<'a> fn(&'a Call<'a>) -> Reply<'a>;

/// The listeners on which a route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// `listeners`.
    Regular,
    /// `admin.listeners`, which are the regular ones unless configured otherwise.
    Admin,
}

/// The body that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None; one that is sent is not read.
    Nothing,
    /// JSON of a schema of the OpenAPI document.
    Json(&'static str),
    /// Bytes that are checked by their signature.
    Signed,
}

/// The form of a route's answers, apart from errors, which are JSON everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// JSON, which a client must be ready to take.
    Json,
    /// Text of that media type, whatever a client prefers.
    Text(&'static str),
}

/// A query parameter, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type in JSON schema.
    pub kind: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// An answer, for the documentation: status, schema of the OpenAPI document (empty for no body), meaning.
pub type Documented = (u16, &'static str, &'static str);

/// One route.
pub struct Route {
    /// Method; `HEAD` goes with `GET`.
    pub method: &'static str,
    /// Path with variables in braces.
    pub path: &'static str,
    /// Where it answers.
    pub face: Face,
    /// What it takes.
    pub takes: Takes,
    /// What it gives.
    pub gives: Gives,
    /// What answers.
    pub handler: Handler,
    /// One sentence.
    pub summary: &'static str,
    /// Query parameters.
    pub parameters: &'static [Parameter],
    /// Answers apart from errors.
    pub answers: &'static [Documented],
}

macro_rules! route {
    ($method:ident $path:literal, $face:ident, $takes:expr, $handler:expr, $summary:literal,
     [$($parameter:expr),*], [$($answer:expr),* $(,)?]) => {
        Route {
            method: stringify!($method),
            path: $path,
            face: Face::$face,
            takes: $takes,
            gives: Gives::Json,
            handler: $handler,
            summary: $summary,
            parameters: &[$($parameter),*],
            answers: &[$($answer),*],
        }
    };
}

const fn parameter(name: &'static str, kind: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

const EXPAND: Parameter = parameter(
    "expand",
    "string",
    "`status` or `info`; may be given twice. The answer is then an object by connector name.",
);
const INCLUDE_TASKS: Parameter = parameter("includeTasks", "boolean", "Restart the tasks as well.");
const ONLY_FAILED: Parameter = parameter("onlyFailed", "boolean", "Restart only what has failed.");
const CONNECTORS_ONLY: Parameter =
    parameter("connectorsOnly", "boolean", "`false` lists converters, transforms and predicates as well.");
const VERSION: Parameter = parameter("version", "string", "A version, a range of versions, or `latest`.");
const SCOPE: Parameter = parameter("scope", "string", "`worker` (the default) or `cluster`.");

const NOTHING: Takes = Takes::Nothing;

/// All routes.
pub static ROUTES: &[Route] = &[
    route!(GET "/", Regular, NOTHING, root::info, "Version of the worker and id of its Kafka cluster",
        [], [(200, "ServerInfo", "The worker")]),
    route!(GET "/health", Regular, NOTHING, root::health, "Whether the worker is up and answers",
        [], [(200, "WorkerStatus", "It does"), (503, "WorkerStatus", "It is still starting"),
             (500, "WorkerStatus", "It does not answer")]),
    Route {
        gives: Gives::Text(metrics::CONTENT_TYPE),
        ..route!(GET "/metrics", Regular, NOTHING, metrics::all, "What the worker and its tasks count, for Prometheus",
            [], [(200, "Metrics", "The metrics in Prometheus' text format")])
    },
    route!(GET "/connectors", Regular, NOTHING, connectors::list, "All connectors",
        [EXPAND], [(200, "Connectors", "Names, or what `expand` asks for by name")]),
    route!(POST "/connectors", Regular, Takes::Json("CreateConnectorRequest"), connectors::create,
        "Create a connector", [], [(201, "ConnectorInfo", "It was created")]),
    route!(GET "/connectors/{connector}", Regular, NOTHING, connectors::info, "Config and tasks of a connector",
        [], [(200, "ConnectorInfo", "The connector")]),
    route!(DELETE "/connectors/{connector}", Regular, NOTHING, connectors::delete,
        "Delete a connector; its offsets stay", [], [(204, "", "It was deleted")]),
    route!(GET "/connectors/{connector}/config", Regular, NOTHING, connectors::config, "Config of a connector",
        [], [(200, "Config", "The config, placeholders not resolved")]),
    route!(PUT "/connectors/{connector}/config", Regular, Takes::Json("Config"), connectors::put_config,
        "Create a connector or replace its config", [],
        [(200, "ConnectorInfo", "It was changed"), (201, "ConnectorInfo", "It was created")]),
    route!(PATCH "/connectors/{connector}/config", Regular, Takes::Json("Config"), connectors::patch_config,
        "Change some keys of a connector's config; null removes a key", [],
        [(200, "ConnectorInfo", "It was changed")]),
    route!(GET "/connectors/{connector}/status", Regular, NOTHING, connectors::status,
        "States of a connector and its tasks", [], [(200, "ConnectorStateInfo", "The states")]),
    route!(POST "/connectors/{connector}/restart", Regular, NOTHING, connectors::restart, "Restart a connector",
        [INCLUDE_TASKS, ONLY_FAILED],
        [(202, "ConnectorStateInfo", "What will be restarted, when one of the flags is set"),
         (204, "", "The connector was restarted, but no task")]),
    route!(PUT "/connectors/{connector}/pause", Regular, NOTHING, connectors::pause,
        "Pause a connector: its tasks stay but move nothing", [], [(202, "", "Accepted")]),
    route!(PUT "/connectors/{connector}/resume", Regular, NOTHING, connectors::resume,
        "Resume a paused or stopped connector", [], [(202, "", "Accepted")]),
    route!(PUT "/connectors/{connector}/stop", Regular, NOTHING, connectors::stop,
        "Stop a connector: it has no tasks until it is resumed", [], [(204, "", "Stopped")]),
    route!(GET "/connectors/{connector}/tasks", Regular, NOTHING, tasks::list, "Tasks of a connector with configs",
        [], [(200, "Tasks", "The tasks")]),
    route!(POST "/connectors/{connector}/tasks", Regular, Takes::Signed, internal::tasks,
        "Between workers only: new task configs", [], [(204, "", "Taken")]),
    route!(PUT "/connectors/{connector}/fence", Regular, Takes::Signed, internal::fence,
        "Between workers only: fence out old tasks", [], [(204, "", "Done")]),
    route!(GET "/connectors/{connector}/tasks-config", Regular, NOTHING, tasks::configs,
        "Configs of a connector's tasks by name, as Connect had it before 4.0", [],
        [(200, "TaskConfigs", "The configs")]),
    route!(GET "/connectors/{connector}/tasks/{task}/status", Regular, NOTHING, tasks::status, "State of a task",
        [], [(200, "TaskState", "The state")]),
    route!(POST "/connectors/{connector}/tasks/{task}/restart", Regular, NOTHING, tasks::restart, "Restart a task",
        [], [(204, "", "Restarted")]),
    route!(GET "/connectors/{connector}/offsets", Regular, NOTHING, offsets::list, "Offsets of a connector",
        [], [(200, "ConnectorOffsets", "The offsets")]),
    route!(PATCH "/connectors/{connector}/offsets", Regular, Takes::Json("ConnectorOffsets"), offsets::alter,
        "Change offsets of a stopped connector; null resets a partition", [], [(200, "Message", "Changed")]),
    route!(DELETE "/connectors/{connector}/offsets", Regular, NOTHING, offsets::reset,
        "Reset all offsets of a stopped connector", [], [(200, "Message", "Reset")]),
    route!(GET "/connectors/{connector}/topics", Regular, NOTHING, connectors::topics,
        "Topics that a connector has used since it was created or since they were reset", [],
        [(200, "ActiveTopics", "The topics")]),
    route!(PUT "/connectors/{connector}/topics/reset", Regular, NOTHING, connectors::reset_topics,
        "Forget the topics that a connector has used", [], [(202, "", "Accepted")]),
    route!(GET "/connector-plugins", Regular, NOTHING, plugins::list, "All plugins",
        [CONNECTORS_ONLY], [(200, "Plugins", "The plugins")]),
    route!(GET "/connector-plugins/{plugin}/config", Regular, NOTHING, plugins::config, "Keys of a plugin's config",
        [VERSION], [(200, "ConfigKeys", "The keys")]),
    route!(PUT "/connector-plugins/{plugin}/config/validate", Regular, Takes::Json("Config"), plugins::validate,
        "Check a config", [], [(200, "ConfigInfos", "The findings")]),
    route!(GET "/admin/loggers", Admin, NOTHING, loggers::list, "Loggers with a level of their own",
        [], [(200, "Loggers", "The loggers")]),
    route!(GET "/admin/loggers/{logger}", Admin, NOTHING, loggers::get, "Level of a logger",
        [], [(200, "LoggerLevel", "The level")]),
    route!(PUT "/admin/loggers/{logger}", Admin, Takes::Json("Level"), loggers::set, "Set the level of a logger",
        [SCOPE], [(200, "Names", "The loggers that changed on this worker"), (204, "", "Told to all workers")]),
    route!(GET "/raccord/openapi.json", Regular, NOTHING, openapi::serve, "This description",
        [], [(200, "OpenApi", "An OpenAPI 3 document")]),
];

/// What a path and method lead to.
pub enum Found {
    /// A route with the values of its variables.
    Route(&'static Route, Vec<String>),
    /// `OPTIONS`: the methods of the path.
    Options(Vec<&'static str>),
    /// The path is there, the method is not.
    WrongMethod,
    /// No such path.
    Nothing,
}

/// Looks a request up among the routes of these faces.
pub fn find(method: &str, path: &[Segment], faces: &[Face]) -> Found {
    let mut here = ROUTES
        .iter()
        .filter(|route| faces.contains(&route.face))
        .filter_map(|route| variables(route.path, path).map(|variables| (route, variables)));
    if method == "OPTIONS" {
        let methods: Vec<&str> = here.map(|(route, _)| route.method).collect();
        return if methods.is_empty() { Found::Nothing } else { Found::Options(allowed(&methods)) };
    }
    let wanted = if method == "HEAD" { "GET" } else { method };
    let mut any = false;
    match here.find(|(route, _)| {
        any = true;
        route.method == wanted
    }) {
        Some((route, variables)) => Found::Route(route, variables),
        None if any => Found::WrongMethod,
        None => Found::Nothing,
    }
}

/// Methods in the order in which Connect lists them.
fn allowed(methods: &[&str]) -> Vec<&'static str> {
    ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"]
        .into_iter()
        .filter(|method| {
            *method == "OPTIONS"
                || methods.contains(method)
                || (*method == "HEAD" && methods.contains(&"GET"))
        })
        .collect()
}

/// Values of the variables of a pattern, when the path fits it. Literal parts are compared as they were sent.
fn variables(pattern: &str, path: &[Segment]) -> Option<Vec<String>> {
    let mut parts = pattern.split('/').filter(|part| !part.is_empty());
    let mut variables = Vec::new();
    for segment in path {
        let part = parts.next()?;
        if part.starts_with('{') {
            variables.push(segment.decoded.clone());
        } else if part != segment.raw {
            return None;
        }
    }
    parts.next().is_none().then_some(variables)
}
