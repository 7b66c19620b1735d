//! Instant queries to a Prometheus server, and the one number in its answer. Pure.

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

/// The address of an instant query.
///
/// # Errors
/// The address of the server is none.
pub(super) fn address(server: &str, query: &str) -> Result<Url, String> {
    let mut url = Url::parse(server).map_err(|error| format!("{server}: {error}"))?;
    {
        let mut path = url.path_segments_mut().map_err(|()| format!("{server}: it has no path"))?;
        path.pop_if_empty().extend(["api", "v1", "query"]);
    }
    url.query_pairs_mut().append_pair("query", query);
    Ok(url)
}

#[derive(Deserialize)]
struct Reply {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// The value in an answer.
///
/// # Errors
/// There is not exactly one number in it, and what to do about that.
pub(super) fn value(status: u16, body: &[u8]) -> Result<f64, String> {
    let reply: Reply = serde_json::from_slice(body).map_err(|_| match status {
        200 => "the answer is not that of a Prometheus server".to_owned(),
        other => format!("HTTP {other}, and not the answer of a Prometheus server"),
    })?;
    let data = match (reply.status.as_str(), reply.data) {
        ("success", Some(data)) => data,
        _ if reply.error.is_empty() => return Err(format!("the query failed: HTTP {status}")),
        _ => return Err(format!("the query failed: {}: {}", reply.kind, reply.error)),
    };
    match data.kind.as_str() {
        "scalar" => number(Some(&data.result)),
        "vector" => match data.result.as_array().map(Vec::as_slice) {
            Some([one]) if one.get("histogram").is_some() => {
                Err("the series is a histogram: take a number from it, with histogram_quantile()"
                    .to_owned())
            }
            Some([one]) => number(one.get("value")),
            Some([]) => Err("the query gives no series".to_owned()),
            Some(many) => Err(format!(
                "the query gives {} series: make it one, with sum(), max() or more labels",
                many.len()
            )),
            None => Err("the answer is not that of a Prometheus server".to_owned()),
        },
        "matrix" => Err("the query gives a range of values: write one for an instant".to_owned()),
        other => Err(format!("the query gives a {other}, not a number")),
    }
}

/// The number of `[time, "number"]`. `NaN` and `+Inf` are numbers here.
fn number(sample: Option<&Value>) -> Result<f64, String> {
    let text = sample.and_then(|sample| sample.get(1)).and_then(Value::as_str);
    text.and_then(super::metrics::number)
        .ok_or_else(|| "the answer holds a value that is no number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{address, value};

    #[test]
    fn the_query_is_written_into_the_address() {
        let of = |server, query| address(server, query).unwrap().to_string();
        assert_eq!(of("http://prom:9090", "up"), "http://prom:9090/api/v1/query?query=up");
        assert_eq!(
            of("https://gw.example/prom/?tenant=a", "sum(rate(x{a=\"b c\"}[5m])) & 1"),
            "https://gw.example/prom/api/v1/query?tenant=a&query=sum%28rate%28x%7Ba%3D%22b+c%22%7D%5B5m%5D%29%29+%26+1"
        );
        address("no address", "up").unwrap_err();
    }

    #[test]
    fn one_number_is_a_value_and_everything_else_is_said() {
        let of = |kind: &str, result: &str| {
            let body = format!(
                r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#
            );
            value(200, body.as_bytes())
        };
        assert_eq!(of("scalar", r#"[1700000000.1,"2.5"]"#), Ok(2.5));
        assert_eq!(of("vector", r#"[{"metric":{},"value":[1,"212"]}]"#), Ok(212.0));
        assert_eq!(of("vector", r#"[{"metric":{},"value":[1,"+Inf"]}]"#), Ok(f64::INFINITY));
        assert!(of("scalar", r#"[1,"NaN"]"#).unwrap().is_nan());
        for (kind, result, words) in [
            ("vector", "[]", "no series"),
            ("vector", r#"[{"value":[1,"1"]},{"value":[1,"2"]}]"#, "gives 2 series"),
            ("vector", r#"[{"metric":{},"histogram":[1,{}]}]"#, "histogram_quantile"),
            ("vector", r#"[{"metric":{},"value":[1,2]}]"#, "no number"),
            ("vector", r#"[{"metric":{}}]"#, "no number"),
            ("vector", "3", "not that of a Prometheus"),
            ("matrix", "[]", "a range of values"),
            ("string", r#"[1,"x"]"#, "gives a string"),
            ("scalar", r#"[1,"0x10"]"#, "no number"),
        ] {
            let why = of(kind, result).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let bad = br#"{"status":"error","errorType":"bad_data","error":"parse error at char 3"}"#;
        assert_eq!(
            value(400, bad),
            Err("the query failed: bad_data: parse error at char 3".into())
        );
        assert!(value(502, b"<html>").unwrap_err().contains("HTTP 502"));
        value(200, b"{}").unwrap_err();
        value(500, br#"{"status":"success"}"#).unwrap_err();
    }
}
