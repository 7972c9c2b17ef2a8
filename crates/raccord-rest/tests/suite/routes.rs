//! Every route: status, body to the byte, and what the worker was asked.

use raccord_rest::{Limits, ROUTES};

use crate::client::{Request, Server, settings};
use crate::herder::Script;

struct Case {
    line: &'static str,
    body: Option<&'static str>,
    status: u16,
    answer: &'static str,
    calls: &'static [&'static str],
}

const fn case(
    line: &'static str,
    body: &'static str,
    status: u16,
    answer: &'static str,
    calls: &'static [&'static str],
) -> Case {
    let body = if body.is_empty() { None } else { Some(body) };
    Case { line, body, status, answer, calls }
}

const INFO: &str =
    r#"{"name":"c","config":{"b":"1","a":"\u001Fé"},"tasks":[{"connector":"c","task":0}],"type":"sink"}"#;
const STATUS: &str = r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"w:8083","version":"1"},"tasks":[{"id":0,"state":"RUNNING","worker_id":"w:8083","version":"1"},{"id":1,"state":"FAILED","worker_id":"w:8083","version":null,"trace":"java.lang.X: a\n\tat b"}],"type":"source"}"#;
const PLAN: &str = r#"{"name":"c","connector":{"state":"RESTARTING","worker_id":"w:8083","version":"1"},"tasks":[{"id":0,"state":"RESTARTING","worker_id":"w:8083","version":"1"},{"id":1,"state":"FAILED","worker_id":"w:8083","version":null,"trace":"java.lang.X: a\n\tat b"}],"type":"source"}"#;
const BUSY: &str = r#"{"error_code":409,"message":"Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)"}"#;

const METRICS: &str = "# HELP up Up.\n# TYPE up gauge\nup{connector=\"c\"} 1\n";

const CASES: &[Case] = &[
    case(
        "GET /",
        "",
        200,
        r#"{"version":"4.3.1","commit":"26b251a451ce941d","kafka_cluster_id":"{{cluster_id}}"}"#,
        &[],
    ),
    case(
        "GET /health",
        "",
        200,
        r#"{"status":"healthy","message":"Worker has completed startup and is ready to handle requests."}"#,
        &[],
    ),
    case("GET /metrics", "", 200, METRICS, &[]),
    case("GET /connectors", "", 200, r#"["c","zz","gone"]"#, &[]),
    case("GET /connectors/?x=1", "", 200, r#"["c","zz","gone"]"#, &[]),
    case(
        "POST /connectors",
        r#"{"name":" n ","config":{"connector.class":"x","tasks.max":2},"initial_state":"paused"}"#,
        201,
        r#"{"name":"n","config":{"connector.class":"x","tasks.max":"2","name":"n"},"tasks":[],"type":"unknown"}"#,
        &["put n [connector.class=x,tasks.max=2,name=n] Some(Paused) false"],
    ),
    case(
        "POST /connectors?forward=false",
        r#"{"name":"c","config":{"connector.class":"x"}}"#,
        409,
        r#"{"error_code":409,"message":"Connector c already exists"}"#,
        &["put c [connector.class=x,name=c] None false"],
    ),
    case(
        "POST /connectors/",
        r#"{"name":"x","config":{"name":"y"}}"#,
        400,
        r#"{"error_code":400,"message":"Connector name configuration (y) doesn't match connector name in the URL (x)"}"#,
        &[],
    ),
    case(
        "POST /connectors",
        r#"{"name":"{b}","config":{"connector.class":"x"}}"#,
        500,
        r#"{"error_code":500,"message":"The template variable 'b' has no value"}"#,
        &["put {b} [connector.class=x,name={b}] None false"],
    ),
    case("GET /connectors/c", "", 200, INFO, &["info c"]),
    case("GET /connectors/c/", "", 200, INFO, &["info c"]),
    case("GET /connectors/%63;v=1", "", 200, INFO, &["info c"]),
    case(
        "GET /connectors/a%20b",
        "",
        404,
        r#"{"error_code":404,"message":"Connector a b not found"}"#,
        &["info a b"],
    ),
    case("GET /connectors/busy", "", 409, BUSY, &["info busy"]),
    case("DELETE /connectors/c", "", 204, "", &["delete c"]),
    case("GET /connectors/c/config", "", 200, r#"{"b":"1","a":"\u001Fé"}"#, &["config c"]),
    case(
        "PUT /connectors/c/config",
        r#"{"connector.class":"x","name":"c"}"#,
        200,
        r#"{"name":"c","config":{"connector.class":"x","name":"c"},"tasks":[],"type":"unknown"}"#,
        &["put c [connector.class=x,name=c] None true"],
    ),
    case(
        "PUT /connectors/n%20n/config",
        r#"{"connector.class":"x"}"#,
        201,
        r#"{"name":"n n","config":{"connector.class":"x","name":"n n"},"tasks":[],"type":"unknown"}"#,
        &["put n n [connector.class=x,name=n n] None true"],
    ),
    case("PATCH /connectors/c/config", r#"{"a":null,"b":1}"#, 200, INFO, &["patch c [a=null,b=1]"]),
    case(
        "PATCH /connectors/c/config",
        "null",
        500,
        r#"{"error_code":500,"message":"Cannot invoke \"java.util.Map.forEach(java.util.function.BiConsumer)\" because \"patch\" is null"}"#,
        &["info c"],
    ),
    case("GET /connectors/c/status", "", 200, STATUS, &["status c"]),
    case("POST /connectors/c/restart", "", 204, "", &["restart c"]),
    case(
        "POST /connectors/c/restart?includeTasks=TRUE&onlyFailed=",
        "",
        202,
        PLAN,
        &["restart c tasks=true failed=false"],
    ),
    case(
        "POST /connectors/c/restart?onlyFailed=true&onlyFailed=false",
        "",
        202,
        PLAN,
        &["restart c tasks=false failed=true"],
    ),
    case("POST /connectors/c/restart?includeTasks=yes", "", 204, "", &["restart c"]),
    case("PUT /connectors/c/pause", "", 202, "", &["Paused c"]),
    case("PUT /connectors/c/resume", "", 202, "", &["Started c"]),
    case("PUT /connectors/c/stop", "", 204, "", &["Stopped c"]),
    case(
        "GET /connectors/c/tasks",
        "",
        200,
        r#"[{"id":{"connector":"c","task":0},"config":{"task.class":"T"}},{"id":{"connector":"c","task":1},"config":{"task.class":"T"}}]"#,
        &["tasks c"],
    ),
    case(
        "POST /connectors/c/tasks",
        "[]",
        400,
        r#"{"error_code":400,"message":"Internal request missing required signature"}"#,
        &[],
    ),
    case(
        "PUT /connectors/c/fence",
        "",
        400,
        r#"{"error_code":400,"message":"Internal request missing required signature"}"#,
        &[],
    ),
    case(
        "GET /connectors/c/tasks-config",
        "",
        200,
        r#"{"c-0":{"task.class":"T"},"c-1":{"task.class":"T"}}"#,
        &["tasks c"],
    ),
    case(
        "GET /connectors/c/tasks/1/status",
        "",
        200,
        r#"{"id":1,"state":"FAILED","worker_id":"w:8083","version":null,"trace":"java.lang.X: a\n\tat b"}"#,
        &["task status c 1"],
    ),
    case(
        "GET /connectors/c/tasks/-1/status",
        "",
        404,
        r#"{"error_code":404,"message":"No status found for task c--1"}"#,
        &[],
    ),
    case(
        "GET /connectors/c/tasks/99999999999/status",
        "",
        404,
        r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#,
        &[],
    ),
    case("POST /connectors/c/tasks/1/restart", "", 204, "", &["restart task c 1"]),
    case(
        "POST /connectors/c/tasks/-1/restart",
        "",
        404,
        r#"{"error_code":404,"message":"Unknown task: c--1"}"#,
        &["config c"],
    ),
    case(
        "GET /connectors/c/offsets",
        "",
        200,
        r#"{"offsets":[{"partition":{"z":"p","a":1},"offset":{"n":12345678901234567890,"d":1.50}}]}"#,
        &["offsets c"],
    ),
    case(
        "PATCH /connectors/c/offsets",
        r#"{"offsets":[{"partition":{"f":1},"offset":{"p":1e3}},{"partition":{"f":2},"offset":null},{"partition":{"f":1},"offset":{"p":4}}]}"#,
        200,
        r#"{"message":"altered"}"#,
        &[r#"alter c {"f":1}={"p":4} {"f":2}=null"#],
    ),
    case(
        "PATCH /connectors/c/offsets",
        r#"{"offsets":[null]}"#,
        500,
        r#"{"error_code":500,"message":"Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset.partition()\" because \"offset\" is null"}"#,
        &[],
    ),
    case("DELETE /connectors/c/offsets", "", 200, r#"{"message":"reset"}"#, &["reset c"]),
    case("GET /connectors/c/topics", "", 200, r#"{"c":{"topics":["t2","t1"]}}"#, &["topics c"]),
    case("PUT /connectors/c/topics/reset", "", 202, "", &["reset topics c"]),
    case(
        "GET /connector-plugins",
        "",
        200,
        r#"[{"class":"y.Sink","type":"sink","version":"1"},{"class":"x.Source","type":"source","version":"2"}]"#,
        &[],
    ),
    case(
        "GET /connector-plugins?connectorsOnly=false",
        "",
        200,
        r#"[{"class":"y.Sink","type":"sink","version":"1"},{"class":"x.Source","type":"source","version":"2"},{"class":"p.Predicate","type":"predicate","version":"4.3.1"},{"class":"a.Converter","type":"converter"},{"class":"b.Converter","type":"converter","version":"4.3.1"},{"class":"z.HeaderConverter","type":"header_converter","version":"4.3.1"}]"#,
        &[],
    ),
    case(
        "GET /connector-plugins/x/config",
        "",
        200,
        r#"[{"name":"file","default_value":null}]"#,
        &["plugin config x None"],
    ),
    case(
        "GET /connector-plugins/x/config?version=%5B1,2)",
        "",
        200,
        r#"[{"name":"file","default_value":null}]"#,
        &["plugin config x Some(\"[1,2)\")"],
    ),
    case(
        "PUT /connector-plugins/FileStreamSink/config/validate",
        r#"{"connector.class":"a.FileStreamSinkConnector"}"#,
        200,
        r#"{"name":"FileStreamSink","error_count":0}"#,
        &["validate FileStreamSink [connector.class=a.FileStreamSinkConnector]"],
    ),
    case(
        "PUT /connector-plugins/Foo/config/validate",
        r#"{"connector.class":"FileStreamSink"}"#,
        400,
        r#"{"error_code":400,"message":"Included connector type FileStreamSink does not match request type Foo"}"#,
        &[],
    ),
    case(
        "GET /admin/loggers",
        "",
        200,
        r#"{"root":{"level":"WARN","last_modified":null},"a.b":{"level":"DEBUG","last_modified":7}}"#,
        &[],
    ),
    case("GET /admin/loggers/a.b", "", 200, r#"{"level":"DEBUG","last_modified":7}"#, &[]),
    case("GET /admin/loggers/x", "", 404, r#"{"error_code":404,"message":"Logger x not found."}"#, &[]),
    case("PUT /admin/loggers/a.b", r#"{"level":" debug"}"#, 200, r#"["a.b"]"#, &["log a.b debug"]),
    case(
        "PUT /admin/loggers/a.b?scope=CLUSTER",
        r#"{"level":"WARN"}"#,
        204,
        "",
        &["log everywhere a.b WARN"],
    ),
    case("PUT /admin/loggers/a.b?scope=galaxy", r#"{"level":"WARN"}"#, 200, r#"["a.b"]"#, &["log a.b WARN"]),
    case(
        "PUT /admin/loggers/a.b",
        r#"{"level":"LOUD"}"#,
        404,
        r#"{"error_code":404,"message":"invalid log level 'LOUD'."}"#,
        &[],
    ),
    case(
        "PUT /admin/loggers/a.b",
        r#"{"level":""}"#,
        500,
        r#"{"error_code":500,"message":"Illegal null or empty Level name."}"#,
        &[],
    ),
    case(
        "PUT /admin/loggers/a.b",
        "{}",
        400,
        r#"{"error_code":400,"message":"Desired 'level' parameter was not specified in request."}"#,
        &[],
    ),
    case(
        "PUT /admin/loggers/a.b",
        "null",
        500,
        r#"{"error_code":500,"message":"Cannot invoke \"java.util.Map.get(Object)\" because \"levelMap\" is null"}"#,
        &[],
    ),
];

fn server(keys: &[(&str, &str)]) -> Server {
    let connectors = ["c", "zz", "gone"].map(str::to_owned).to_vec();
    let script = Script { connectors, ..Script::default() };
    Server::with(settings(keys, None).unwrap(), script, Limits::default())
}

#[tokio::test]
async fn every_route_answers_as_connect_does() {
    let server = server(&[]);
    for case in CASES {
        let request = Request::new(case.line);
        let got = server.send(case.body.map_or(request.clone(), |body| request.json(body))).await;
        assert_eq!(
            (got.status, got.body.as_str()),
            (case.status, case.answer),
            "{} {:?}",
            case.line,
            case.body
        );
        assert_eq!(server.herder.calls(), case.calls, "{} {:?}", case.line, case.body);
        let content_type = match case.answer {
            "" => None,
            METRICS => Some("text/plain; version=0.0.4; charset=utf-8"),
            _ => Some("application/json"),
        };
        assert_eq!(got.header("content-type"), content_type, "{}", case.line);
        let location = match case.status {
            201 => Some(format!(
                "http://{}/connectors/{}",
                server.address,
                if case.line.starts_with("POST") { "n" } else { "n%20n" }
            )),
            _ => None,
        };
        assert_eq!(got.header("location"), location.as_deref(), "{}", case.line);
    }
}

#[tokio::test]
async fn every_route_of_the_table_has_a_case() {
    for route in ROUTES.iter().filter(|route| !route.path.starts_with("/raccord/")) {
        let hit = CASES.iter().any(|case| {
            let (method, target) = case.line.split_once(' ').unwrap();
            let path = target.split('?').next().unwrap().trim_end_matches('/');
            let fits = |pattern: &str, part: &str| pattern.starts_with('{') || pattern == part;
            let (wanted, parts): (Vec<_>, Vec<_>) =
                (route.path.trim_end_matches('/').split('/').collect(), path.split('/').collect());
            method == route.method
                && wanted.len() == parts.len()
                && wanted.iter().zip(parts).all(|(w, p)| fits(w, p))
        });
        assert!(hit, "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn expand_gives_objects_in_javas_order_and_leaves_deleted_connectors_out() {
    let server = server(&[]);
    let got = server
        .send(Request::new("GET /connectors?expand=info&expand=nothing&expand=status&expand=info"))
        .await;
    assert_eq!(got.body, format!(r#"{{"c":{{"info":{INFO},"status":{STATUS}}}}}"#));
    let got = server.send(Request::new("GET /connectors?expand=nothing")).await;
    // Their hash codes order these names, not their place in the list.
    assert_eq!(got.body, r#"{"zz":{},"c":{},"gone":{}}"#);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = server(&[]);
    let get = server.send(Request::new("GET /connectors/c")).await;
    let head = server.send(Request::new("HEAD /connectors/c")).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn topics_can_be_forbidden() {
    let check = async |keys: &[(&str, &str)], line: &str, status: u16, text: &str| {
        let got = server(keys).send(Request::new(line)).await;
        assert_eq!(got.status, status, "{line}");
        assert!(got.body.contains(text), "{}", got.body);
    };
    let off = [("topic.tracking.enable", "false")];
    check(&off, "GET /connectors/c/topics", 403, "Topic tracking is disabled.").await;
    check(&off, "PUT /connectors/c/topics/reset", 403, "Topic tracking is disabled.").await;
    let fixed = [("topic.tracking.allow.reset", "FALSE")];
    check(&fixed, "GET /connectors/c/topics", 200, "t2").await;
    check(&fixed, "PUT /connectors/c/topics/reset", 403, "Topic tracking reset is disabled.").await;
}

#[tokio::test]
async fn metrics_are_text_whatever_is_preferred() {
    let server = server(&[]);
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for accept in [prometheus, "text/plain", "application/json", "*/*"] {
        let got = server.send(Request::new("GET /metrics").header("Accept", accept)).await;
        assert_eq!((got.status, got.body.as_str()), (200, METRICS), "{accept}");
        assert_eq!(got.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"), "{accept}");
    }
    let got = server.send(Request::new("GET /connectors").header("Accept", "text/plain")).await;
    assert_eq!(got.status, 406, "only metrics are text");
    assert_eq!(server.send(Request::new("POST /metrics")).await.status, 405);
}

#[tokio::test]
async fn metrics_ask_for_the_password_that_all_paths_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let (users, jaas) = (folder.path().join("users"), folder.path().join("jaas"));
    std::fs::write(&users, "ann=secret\n").unwrap();
    let entry = format!(
        "KafkaConnect {{\n org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required\n \
         file=\"{}\";\n}};",
        users.display()
    );
    std::fs::write(&jaas, entry).unwrap();
    let extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
    let settings = settings(&[("rest.extension.classes", extension)], jaas.to_str()).unwrap();
    let server = Server::with(settings, Script::default(), Limits::default());
    let got = server.send(Request::new("GET /metrics")).await;
    assert_eq!((got.status, got.body.as_str()), (401, "User cannot access the resource."));
    let known = Request::new("GET /metrics").header("Authorization", "Basic YW5uOnNlY3JldA==");
    assert_eq!(server.send(known).await.status, 200);
}

#[tokio::test]
async fn the_description_is_served() {
    let got = server(&[]).send(Request::new("GET /raccord/openapi.json")).await;
    assert_eq!(got.status, 200);
    let document: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(document, raccord_rest::openapi_document());
}
