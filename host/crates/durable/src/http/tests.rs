use super::*;
use serde_json::json;

fn request(uri: &str) -> HttpRequest {
    let headers = [("Authorization", "secret"), ("Content-Type", "text/plain"), ("x-a", "1"), ("X-A", "2")];
    HttpRequest {
        method: "POST".to_owned(),
        uri: uri.to_owned(),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        content: HttpContent::of(b"body".to_vec()),
        asynchronous_pattern_enabled: true,
        status_codes_to_retry: None,
    }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Json {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Json::of(&HttpResponse { status_code: status, headers: headers.collect(), content: None })
}

#[test]
fn json_has_the_shape_of_the_model() {
    let expected = json!({
        "method": "POST", "uri": "http://a/", "content": "body", "asynchronousPatternEnabled": true,
        "headers": { "authorization": "secret", "content-type": "text/plain", "x-a": ["1", "2"] },
    });
    assert_eq!(serde_json::to_value(request("http://a/")).unwrap(), expected);
    assert_eq!(serde_json::from_value::<HttpRequest>(expected).unwrap(), request("http://a/"));
    let binary = HttpResponse {
        status_code: 200,
        headers: HttpHeaders::default(),
        content: HttpContent::of(vec![0xff]),
    };
    let expected = json!({ "statusCode": 200, "headers": {}, "contentBase64": "/w==" });
    assert_eq!(serde_json::to_value(&binary).unwrap(), expected);
    assert_eq!(binary.content.unwrap().into_bytes().unwrap(), [0xff]);
}

#[test]
fn credentials_stay_with_the_origin_that_the_caller_named() {
    let named = request("https://a.example/start");
    let table = [
        ("https://a.example/status", true),
        ("https://A.EXAMPLE:443/status", true),
        ("http://a.example/status", false),
        ("https://a.example:8443/status", false),
        ("https://b.example/status", false),
        ("https://a.example.evil/status", false),
        ("https://a.example@b.example/", false),
        ("data:text/plain,x", false),
        ("/status", false),
    ];
    for (location, is_kept) in table {
        let poll = named.poll(location);
        assert_eq!(poll.headers.get("authorization").is_some(), is_kept, "{location}");
        assert_eq!((poll.method.as_str(), &poll.content), ("GET", &None));
        let others: Vec<_> = poll.headers.iter().filter(|(name, _)| *name != "authorization").collect();
        assert_eq!(others, [("x-a", "1"), ("x-a", "2")]);
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    // 1994-11-06T08:49:37Z
    let now = Timestamp::from_nanos(784_111_777_000_000_000);
    let table = [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
        ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
        ("Sun Nov  6 08:50:07 1994", Some(30)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
        ("", None),
        ("-5", None),
        ("soon", None),
    ];
    for (value, expected) in table {
        assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
    }
}

#[test]
fn only_202_with_a_location_is_polled() {
    let here = ("location", "http://a/status");
    let table: [(Json, Option<u64>); 6] = [
        (answer(200, &[here]), None),
        (answer(202, &[]), None),
        (answer(202, &[here]), Some(30)),
        (answer(202, &[here, ("retry-after", "7")]), Some(7)),
        (answer(202, &[here, ("retry-after", "0")]), Some(1)),
        (Json::null(), None),
    ];
    for (answer, expected) in table {
        let mut polls =
            HttpPolls::new(HttpCall { request: request("http://a/"), retry: None, timeout: None });
        let delay = polls.after(&answer, Timestamp::default(), Duration::ZERO).unwrap();
        assert_eq!(delay, expected.map(Duration::from_secs), "{answer}");
    }
}

#[test]
fn time_out_is_for_all_requests_together() {
    let retry = Some(RetryPolicy {
        first_retry_interval: Duration::from_secs(1),
        max_attempts: 3,
        backoff_coefficient: 1.0,
        max_retry_interval: None,
        retry_timeout: None,
        jitter: 0.0,
        handle: Vec::new(),
    });
    let timeout = Some(Duration::from_secs(60));
    let mut polls = HttpPolls::new(HttpCall { request: request("http://a/"), retry, timeout });
    let accepted = answer(202, &[("location", "http://b/status")]);
    let delay = polls.after(&accepted, Timestamp::default(), Duration::from_secs(5)).unwrap();
    assert_eq!(delay, Some(POLL_INTERVAL_DEFAULT));
    let activity = polls.activity(TaskId(2), Duration::from_secs(35));
    assert_eq!((&*activity.name, activity.options.timeout), (HTTP_ACTIVITY, Some(Duration::from_secs(25))));
    assert_eq!(activity.options.retry.unwrap().retry_timeout, Some(Duration::from_secs(25)));
    let sent: HttpRequest = serde_json::from_str(activity.input.as_str()).unwrap();
    assert_eq!((sent.uri.as_str(), sent.headers.get("authorization")), ("http://b/status", None));
    let failure = polls.after(&accepted, Timestamp::default(), Duration::from_secs(35)).unwrap_err();
    assert_eq!(failure.error_type, "Timeout");
}

#[test]
fn statuses_that_fail_are_those_named() {
    let table: [(Option<&[u16]>, u16, bool); 5] = [
        (None, 500, false),
        (Some(&[]), 404, true),
        (Some(&[]), 302, false),
        (Some(&[503]), 503, true),
        (Some(&[503]), 500, false),
    ];
    for (codes, status, is_failure) in table {
        let request = HttpRequest { status_codes_to_retry: codes.map(Into::into), ..request("http://a/") };
        assert_eq!(request.is_failure(status), is_failure, "{codes:?} {status}");
    }
}
