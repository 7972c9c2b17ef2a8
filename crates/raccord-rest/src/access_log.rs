//! One line per request, in the extended format of NCSA with the milliseconds at the end, as Connect logs it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// What a line says of a request.
pub struct Entry<'a> {
    /// Who asked.
    pub client: IpAddr,
    /// Method and path with query, as sent.
    pub request: (&'a str, &'a str),
    /// HTTP version.
    pub version: http::Version,
    /// Headers of the request.
    pub headers: &'a HeaderMap,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: usize,
    /// When the request came.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
}

/// Logs a request at Connect's logger.
pub fn write(entry: &Entry<'_>) {
    tracing::info!(target: "org.apache.kafka.connect.runtime.rest.RestServer", "{}", line(entry));
}

fn line(entry: &Entry<'_>) -> String {
    let header = |name| {
        let value = entry.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        // A header can hold no line end, but it can hold quotes and what terminals obey.
        value.map_or(String::new(), |value| {
            value.chars().filter(|c| !c.is_control()).collect::<String>().replace('"', "\\\"")
        })
    };
    format!(
        "{} - - [{}] \"{} {} {:?}\" {} {} \"{}\" \"{}\" {}",
        entry.client,
        date(entry.began),
        entry.request.0,
        entry.request.1,
        entry.version,
        entry.status,
        entry.bytes,
        header(header::REFERER),
        header(header::USER_AGENT),
        entry.took.as_millis()
    )
}

/// `24/Nov/2026:03:12:18 +0000`, from the form that HTTP dates have.
fn date(time: SystemTime) -> String {
    let text = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = text.split(' ').collect();
    match parts[..] {
        [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_connects_format() {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, "curl/7.88.1 \"x\"".parse().unwrap());
        let entry = Entry {
            client: [127, 0, 0, 1].into(),
            request: ("GET", "/connectors?expand=info"),
            version: http::Version::HTTP_11,
            headers: &headers,
            status: 200,
            bytes: 24,
            began: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_489_938),
            took: Duration::from_millis(3),
        };
        assert_eq!(
            line(&entry),
            "127.0.0.1 - - [24/Nov/2026:03:12:18 +0000] \"GET /connectors?expand=info HTTP/1.1\" 200 24 \"\" \
             \"curl/7.88.1 \\\"x\\\"\" 3"
        );
    }
}
