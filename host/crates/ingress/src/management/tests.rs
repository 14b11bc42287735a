use super::*;
use crate::{
    access::KeyRequirement,
    keys::{KeyRing, NewKeys},
    request_id::RequestId,
    testing::{ManualClock, body_json, body_text, header, open_task_hub},
};
use bytes::Bytes;
use durance_durable::ExecutionHistory;
use durance_taskhub::{Clock, TaskHub};
use http::{Request, request::Parts};
use http_body_util::Full;
use serde_json::Value;
use std::{net::Ipv4Addr, time::Duration};

const LINK_LIFETIME: Duration = Duration::from_secs(60);

/// The API over a hub in memory.
struct Fixture {
    api: ManagementApi,
    access: Access,
    keys: NewKeys,
    clock: Arc<ManualClock>,
    _hub: TaskHub,
}

impl Fixture {
    fn open() -> Self {
        Self::with(KeyRequirement::UnlessLoopback)
    }

    fn with(requirement: KeyRequirement) -> Self {
        let hub = open_task_hub();
        let (ring, keys) = KeyRing::generate().unwrap();
        let clock = Arc::new(ManualClock::at_seconds(1_000));
        let links = SignedLinks::new(&ring, "MyHub", LINK_LIFETIME, Arc::clone(&clock) as Arc<dyn Clock>);
        let body_limits = BodyLimits { bytes_max: 1_000, timeout: Duration::from_secs(10) };
        let api = ManagementApi::new(hub.client(), Arc::new(links), body_limits);
        Self {
            api,
            access: Access::new(ring, requirement, Ipv4Addr::LOCALHOST.into()),
            keys,
            clock,
            _hub: hub,
        }
    }

    async fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        let (method, target) = request.split_once(' ').unwrap();
        let request =
            Request::builder().method(method).uri(format!("{}{target}", crate::links::MANAGEMENT_PATH));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (parts, body): (Parts, _) =
            request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap().into_parts();
        let path = parts.uri.path().strip_prefix(crate::links::MANAGEMENT_PATH).unwrap();
        let id = RequestId::of(&parts.headers);
        let admitted = Admitted { parts: &parts, authority: "h:1", id: &id };
        let answer = self.api.answer(&self.access, admitted, path, body).await;
        answer.unwrap_or_else(|problem| problem.into_response(method, path, ""))
    }

    async fn status_of(&self, request: &str, body: &str) -> u16 {
        self.send(request, &[], body).await.status().as_u16()
    }

    async fn get(&self, target: &str) -> Value {
        body_json(self.send(&format!("GET {target}"), &[], "").await)
    }

    /// Starts an instance and waits for its end.
    async fn run(&self, function: &str, id: &str, input: &str) -> HttpResponse {
        self.send(&format!("POST /orchestrators/{function}/{id}?timeout=60"), &[], input).await
    }
}

#[tokio::test]
async fn start_answers_links_and_where_to_ask() {
    let fixture = Fixture::open();
    let response = fixture.send("POST /orchestrators/Wait/a%20b", &[], "").await;
    assert_eq!(response.status(), 202);
    assert_eq!(header(&response, "retry-after"), "10");
    assert_eq!(header(&response, "content-type"), "application/json");
    let location = header(&response, "location").to_owned();
    let links = body_json(response);
    assert_eq!(links["id"], "a b");
    assert_eq!(links["statusQueryGetUri"], location.as_str());
    let expected = "http://h:1/runtime/webhooks/durabletask/instances/a%20b?taskHub=MyHub&expires=1060&sig=";
    assert!(location.starts_with(expected), "{location}");
}

#[tokio::test]
async fn start_makes_a_random_id_if_none_is_given() {
    let fixture = Fixture::open();
    let links = body_json(fixture.send("POST /orchestrators/Wait", &[], "null").await);
    let id = links["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn start_waits_for_the_end_when_asked() {
    let fixture = Fixture::open();
    let echo = fixture.run("Echo", "echo", "{\"x\": 1.0}").await;
    assert_eq!((echo.status().as_u16(), body_text(echo).as_str()), (200, "{\"x\": 1.0}"));
    let fail = fixture.run("Fail", "fail", "").await;
    assert_eq!(fail.status(), 200);
    let status = body_json(fail);
    assert_eq!((&status["runtimeStatus"], &status["output"]), (&"Failed".into(), &"Broken: no luck".into()));
    let wait = fixture.send("POST /orchestrators/Wait/w?timeout=0.01&pollingInterval=0.01", &[], "").await;
    assert_eq!(wait.status(), 202);
}

#[tokio::test]
async fn existing_instance_is_a_conflict_with_its_links_unless_the_policy_says_otherwise() {
    let fixture = Fixture::open();
    assert_eq!(fixture.status_of("POST /orchestrators/Wait/w", "").await, 202);
    let conflict = fixture.send("POST /orchestrators/Echo/w", &[], "").await;
    assert_eq!(conflict.status(), 409);
    assert_eq!(header(&conflict, "content-type"), "application/problem+json");
    let problem = body_json(conflict);
    assert_eq!(problem["detail"], "An instance with ID 'w' already exists.");
    assert_eq!((&problem["id"], &problem["runtimeStatus"]), (&"w".into(), &"Running".into()));
    assert!(problem["terminatePostUri"].as_str().unwrap().contains("/instances/w/terminate?reason={text}&"));
    assert_eq!(problem["generation"], 1);
    let table = [
        ("reject", 409),
        ("replace-finished", 409),
        ("use-existing", 202),
        ("use-existing-if-live", 202),
        ("terminate-and-replace", 202),
        ("Reject", 400),
        ("", 400),
    ];
    for (policy, expected) in table {
        let request = format!("POST /orchestrators/Wait/w?ifExists={policy}");
        assert_eq!(fixture.status_of(&request, "").await, expected, "{policy}");
    }
    assert_eq!(fixture.get("/instances/w").await["generation"], 2);
}

#[tokio::test]
async fn replaced_generation_is_read_by_its_execution() {
    let fixture = Fixture::open();
    fixture.run("Echo", "e", "1").await;
    let first = fixture.get("/instances/e").await;
    fixture.run("Echo", "e", "2").await;
    let execution = first["executionId"].as_str().unwrap();
    assert_eq!(fixture.get("/instances/e").await["output"], 2);
    assert_eq!(fixture.get(&format!("/instances/e?executionId={execution}")).await, first);
    let unknown = "GET /instances/e?executionId=00000000000000000000000000000000";
    assert_eq!(fixture.status_of(unknown, "").await, 404);
    assert_eq!(fixture.status_of("GET /instances/e?executionId=x", "").await, 400);
}

#[tokio::test]
async fn history_is_exported_as_json_lines_of_any_kept_generation() {
    let fixture = Fixture::open();
    fixture.run("Echo", "e", "1").await;
    let first = fixture.get("/instances/e").await;
    fixture.run("Echo", "e", "2").await;
    let response = fixture.send("GET /instances/e/history", &[], "").await;
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, "application/jsonl"));
    let history = ExecutionHistory::from_json_lines(&body_text(response)).unwrap();
    assert_eq!((history.record.generation, history.begun_with.input.as_str()), (2, "2"));
    assert_eq!(history.event_count(), 2);
    let execution = first["executionId"].as_str().unwrap();
    let earlier = format!("GET /instances/e/history?executionId={execution}");
    let text = body_text(fixture.send(&earlier, &[], "").await);
    let earlier = ExecutionHistory::from_json_lines(&text).unwrap();
    assert_eq!((earlier.record.generation, earlier.begun_with.input.as_str()), (1, "1"));
    let unknown = "GET /instances/e/history?executionId=00000000000000000000000000000000";
    for (request, status) in
        [(unknown, 404), ("GET /instances/x/history", 404), ("GET /instances/e/history?executionId=x", 400)]
    {
        assert_eq!(fixture.status_of(request, "").await, status, "{request}");
    }
}

#[tokio::test]
async fn malformed_starts_are_refused_with_what_is_wrong() {
    let fixture = Fixture::open();
    let table = [
        ("/orchestrators/Nope/a", "", "there is no orchestrator 'Nope'; this app has "),
        ("/orchestrators/Echo/@a", "", "must not start with '@'"),
        ("/orchestrators/Echo/a%3Fb", "", "must not contain"),
        ("/orchestrators/Echo/a", "{\n \"a\": }", "at line 2 column 7"),
        ("/orchestrators/Echo/a", "1 2", "at line 1 column 3"),
        ("/orchestrators/Echo/a?timeout=x", "", "'timeout' must be a number of seconds, at most 3600"),
        ("/orchestrators/Echo/a?timeout=-1", "", "'timeout'"),
        ("/orchestrators/Echo/a?timeout=3601", "", "'timeout'"),
        ("/orchestrators/Echo/a?pollingInterval=1", "", "'pollingInterval'"),
        ("/orchestrators/Echo/a?timeout=1&pollingInterval=2", "", "'pollingInterval'"),
        (
            "/orchestrators/Echo/a?ifexist=reject",
            "",
            "there are timeout, pollingInterval, ifExists, retentionSeconds, startAt, tag, version, taskHub",
        ),
        ("/orchestrators/Echo/a?taskHub=Other", "", "'MyHub', the only task hub of this host"),
    ];
    for (target, body, expected) in table {
        let response = fixture.send(&format!("POST {target}"), &[], body).await;
        assert_eq!(response.status(), 400, "{target}");
        let detail = body_json(response)["detail"].to_string();
        assert!(detail.contains(expected), "{target}: {detail}");
    }
    let huge = format!("\"{}\"", "x".repeat(1_000));
    assert_eq!(fixture.status_of("POST /orchestrators/Echo/a", &huge).await, 413);
    assert_eq!(fixture.status_of("GET /instances/a", "").await, 404);
}

#[tokio::test]
async fn idempotency_key_repeats_the_first_outcome() {
    let fixture = Fixture::open();
    let start =
        |key: &'static str, input: &'static str| fixture.send_owned("POST /orchestrators/Wait", key, input);
    let first = body_json(start("k1", "1").await);
    assert_eq!(body_json(start("k1", "1").await)["id"], first["id"]);
    assert_eq!(start("k1", "2").await.status(), 422);
    assert_ne!(body_json(start("k2", "1").await)["id"], first["id"]);
    assert_eq!(start("", "1").await.status(), 400);
}

impl Fixture {
    async fn send_owned(&self, request: &str, key: &str, body: &str) -> HttpResponse {
        self.send(request, &[("idempotency-key", key)], body).await
    }
}

#[tokio::test]
async fn status_of_a_live_instance_says_where_to_ask_again() {
    let fixture = Fixture::open();
    fixture.send("POST /orchestrators/Wait/w", &[], "7").await;
    let response = fixture.send("GET /instances/w?showInput=False&code=x&connection=Storage", &[], "").await;
    assert_eq!(response.status(), 202);
    assert_eq!(header(&response, "retry-after"), "5");
    let location =
        "http://h:1/runtime/webhooks/durabletask/instances/w?showInput=False&code=x&connection=Storage";
    assert_eq!(header(&response, "location"), location);
    let status = body_json(response);
    assert_eq!(
        (&status["name"], &status["instanceId"], &status["input"]),
        (&"Wait".into(), &"w".into(), &Value::Null)
    );
    assert!(status.get("historyEvents").is_none());
    assert_eq!(fixture.get("/instances/w").await["input"], 7);
}

#[tokio::test]
async fn status_of_a_finished_instance_is_200_or_500_if_asked() {
    let fixture = Fixture::open();
    fixture.run("Echo", "e", "[1]").await;
    fixture.run("Fail", "f", "").await;
    let flag = "returnInternalServerErrorOnFailure";
    let table = [
        ("e?taskHub=myhub".to_owned(), 200),
        (format!("e?{flag}=true"), 200),
        ("f".to_owned(), 200),
        (format!("f?{flag}=TRUE"), 500),
        (format!("f?{flag}=false"), 200),
        (format!("f?{flag}=1"), 400),
        ("missing".to_owned(), 404),
        ("e?showInputs=true".to_owned(), 400),
    ];
    for (target, expected) in table {
        assert_eq!(fixture.status_of(&format!("GET /instances/{target}"), "").await, expected, "{target}");
    }
    let status = fixture.get("/instances/e?showHistory=true&showHistoryOutput=true").await;
    assert_eq!(status["output"], serde_json::json!([1]));
    let history = status["historyEvents"].as_array().unwrap();
    assert_eq!(history.first().unwrap()["EventType"], "ExecutionStarted");
    assert_eq!(history.last().unwrap()["Result"], serde_json::json!([1]));
}

#[tokio::test]
async fn commands_reach_live_instances_only() {
    let fixture = Fixture::open();
    fixture.send("POST /orchestrators/Wait/w", &[], "").await;
    fixture.run("Echo", "e", "").await;
    for command in ["raiseEvent/Stay", "suspend?reason=wait", "resume?reason=go", "terminate?reason=enough"] {
        let name = command.split('?').next().unwrap();
        assert_eq!(fixture.status_of(&format!("POST /instances/missing/{name}"), "").await, 404, "{command}");
        assert_eq!(fixture.status_of(&format!("POST /instances/e/{name}"), "").await, 410, "{command}");
        assert_eq!(
            fixture.status_of(&format!("POST /instances/w/{name}?resaon=x"), "").await,
            400,
            "{command}"
        );
        let response = fixture.send(&format!("POST /instances/w/{command}"), &[], "").await;
        assert_eq!((response.status().as_u16(), body_text(response).as_str()), (202, ""), "{command}");
    }
    let terminated =
        fixture.api.client.wait_for_completion(&"w".parse().unwrap(), Duration::from_secs(60)).await;
    assert_eq!(terminated.unwrap().output.unwrap().as_str(), "\"enough\"");
    assert_eq!(fixture.get("/instances/w").await["runtimeStatus"], "Terminated");
}

#[tokio::test]
async fn raised_event_carries_the_body_whatever_its_type() {
    let fixture = Fixture::open();
    fixture.send("POST /orchestrators/Wait/w", &[], "").await;
    assert_eq!(fixture.status_of("POST /instances/w/raiseEvent/Go", "{").await, 400);
    let event =
        fixture.send("POST /instances/w/raiseEvent/go", &[("content-type", "text/plain")], "{\"a\":1}").await;
    assert_eq!(event.status(), 202);
    fixture.api.client.wait_for_completion(&"w".parse().unwrap(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(fixture.get("/instances/w").await["output"], serde_json::json!({ "a": 1 }));
}

#[tokio::test]
async fn purge_deletes_finished_instances_only() {
    let fixture = Fixture::open();
    fixture.send("POST /orchestrators/Wait/w", &[], "").await;
    fixture.run("Echo", "e", "").await;
    assert_eq!(fixture.status_of("DELETE /instances/w", "").await, 412);
    let purged = fixture.send("DELETE /instances/e", &[], "").await;
    assert_eq!((purged.status().as_u16(), body_text(purged).as_str()), (200, "{\"instancesDeleted\":1}"));
    assert_eq!(fixture.status_of("DELETE /instances/e", "").await, 404);
}

#[tokio::test]
async fn listing_filters_and_pages() {
    let fixture = Fixture::open();
    for id in ["a1", "a2", "a3", "b1"] {
        fixture.run("Echo", id, "5").await;
    }
    fixture.send("POST /orchestrators/Wait/a4", &[], "").await;
    let list = async |target: &str| {
        let statuses = fixture.get(target).await;
        let ids = statuses
            .as_array()
            .unwrap()
            .iter()
            .map(|status| status["instanceId"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>().join(" ")
    };
    let table = [
        ("/instances", "a1 a2 a3 a4 b1"),
        ("/instances/?taskHub=MyHub", "a1 a2 a3 a4 b1"),
        ("/instances?instanceIdPrefix=b", "b1"),
        ("/instances?runtimeStatus=completed,FAILED&instanceIdPrefix=a", "a1 a2 a3"),
        ("/instances?runtimeStatus=Running&runtimeStatus=Pending", "a4"),
        ("/instances?createdTimeFrom=2020-01-01&createdTimeTo=9999-12-31T23:59:59.9999999Z&top=2", "a1 a2"),
        ("/instances?createdTimeTo=2020-01-01T00:00:00Z", ""),
    ];
    for (target, expected) in table {
        assert_eq!(list(target).await, expected, "{target}");
    }
    for query in
        ["top=0", "top=1001", "runtimeStatus=Runing", "createdTimeFrom=soon", "showInput=yes", "top=1&top=2"]
    {
        assert_eq!(fixture.status_of(&format!("GET /instances?{query}"), "").await, 400, "{query}");
    }
    assert_eq!(fixture.get("/instances?top=1&showInput=false").await[0]["input"], Value::Null);
    assert_eq!(fixture.get("/instances?top=1").await[0]["input"], 5);
}

#[tokio::test]
async fn continuation_goes_on_where_the_page_ended() {
    let fixture = Fixture::open();
    for id in ["a", "b", "ä"] {
        fixture
            .run(
                "Echo",
                &format!("{}", percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)),
                "",
            )
            .await;
    }
    let (mut token, mut pages) = (String::new(), Vec::new());
    loop {
        let page = fixture.send("GET /instances?top=1", &[("x-ms-continuation-token", &token)], "").await;
        token = header(&page, "x-ms-continuation-token").to_owned();
        pages.push(body_json(page)[0]["instanceId"].as_str().unwrap().to_owned());
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, ["a", "b", "ä"]);
    let refused = fixture.send("GET /instances", &[("x-ms-continuation-token", "?")], "").await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn without_an_admin_key_only_the_instances_own_links_open_it() {
    let fixture = Fixture::with(KeyRequirement::Always);
    let key = |key: &str| [("x-functions-key".to_owned(), key.to_owned())];
    let start = async |key_text: &str| {
        let [(name, value)] = key(key_text);
        fixture.send("POST /orchestrators/Wait/w", &[(&name, &value)], "").await
    };
    assert_eq!(start("wrong").await.status(), 401);
    assert_eq!(start(&fixture.keys.function).await.status(), 401);
    let links = body_json(start(&fixture.keys.admin).await);
    let query = links["statusQueryGetUri"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
    fixture.run("Echo", "other", "").await;
    let tampered = query.replace("expires=1060", "expires=9999");
    let table = [
        (format!("GET /instances/w?{query}"), 202),
        (format!("GET /instances/w?{query}&showHistory=true"), 202),
        (format!("POST /instances/w/suspend?reason=x&{query}"), 202),
        (format!("GET /instances/other?{query}"), 401),
        (format!("GET /instances?{query}"), 401),
        (format!("POST /orchestrators/Wait/w?{query}"), 401),
        (format!("POST /orchestrators/Nope?{query}"), 401),
        (format!("GET /nowhere?{query}"), 401),
        (format!("GET /instances/w?{tampered}"), 401),
        (format!("GET /instances/w?{query}&expires=1060"), 400),
        ("GET /instances/w".to_owned(), 401),
        ("GET /instances/w?expires=x".to_owned(), 400),
        (format!("GET /instances/w?code={}", fixture.keys.admin), 202),
        (format!("GET /instances/w?code={}", fixture.keys.function), 401),
    ];
    for (request, expected) in table {
        assert_eq!(fixture.status_of(&request, "").await, expected, "{request}");
    }
    fixture.clock.set_seconds(1_060);
    let expired = fixture.send(&format!("GET /instances/w?{query}"), &[], "").await;
    assert_eq!(expired.status(), 401);
    assert!(body_json(expired)["detail"].as_str().unwrap().contains("the link has expired"));
}
