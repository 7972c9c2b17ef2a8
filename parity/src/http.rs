//! A byte-exact HTTP/1.1 client.
//!
//! Scenarios send requests that a polite client library would repair or refuse (double slashes, stray percent signs,
//! no content type, unknown methods), and compare answers header by header. So the request is written to the socket as
//! the scenario spells it, one connection per request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// The longest answer accepted, in bytes.
const BODY_LIMIT_BYTES: u64 = 32 * 1024 * 1024;
/// The most header lines accepted in one answer.
const HEADER_LIMIT: usize = 200;

/// A request as it goes over the wire.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method word, sent unchecked.
    pub method: String,
    /// Path and query, sent unchecked.
    pub target: String,
    /// Header lines after `Host` and `Connection`, in order.
    pub headers: Vec<(String, String)>,
    /// The body; `Content-Length` is added when there is one.
    pub body: Option<Vec<u8>>,
}

/// An answer, with header names in lower case and in the order received.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header lines.
    pub headers: Vec<(String, String)>,
    /// The body, with a chunked transfer already joined.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Sends one request and reads the whole answer.
///
/// # Errors
/// When the server cannot be reached, answers with something other than HTTP/1.1, or takes longer than `limit`.
pub fn send(server: SocketAddr, request: &Request, limit: Duration) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))
        .with_context(|| format!("cannot connect to {server}"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_nodelay(true)?;
    let mut head =
        format!("{} {} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = &request.body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(request.body.as_deref().unwrap_or_default());
    stream.write_all(&bytes)?;
    read_response(&mut BufReader::new(stream), request.method == "HEAD")
        .with_context(|| format!("{} {} on {server}", request.method, request.target))
}

fn read_response(reader: &mut impl BufRead, head_only: bool) -> Result<Response> {
    let line = read_line(reader)?;
    let mut words = line.splitn(3, ' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !version.starts_with("HTTP/1.") {
        bail!("not an HTTP answer: {line:?}");
    }
    let status = status.parse().with_context(|| format!("bad status line {line:?}"))?;
    let mut response = Response { status, headers: read_headers(reader)?, body: Vec::new() };
    if !(head_only || status == 204 || status == 304) {
        response.body = read_body(reader, &response)?;
    }
    Ok(response)
}

fn read_headers(reader: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| anyhow!("bad header line {line:?}"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        if headers.len() > HEADER_LIMIT {
            bail!("more than {HEADER_LIMIT} header lines");
        }
    }
}

fn read_body(reader: &mut impl BufRead, response: &Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(reader)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16).with_context(|| format!("bad chunk size {line:?}"))?;
            if body.len() as u64 + size > BODY_LIMIT_BYTES {
                bail!("the answer is longer than {BODY_LIMIT_BYTES} bytes");
            }
            if size == 0 {
                read_headers(reader)?;
                return Ok(body);
            }
            reader.take(size).read_to_end(&mut body)?;
            read_line(reader)?;
        }
    }
    let announced = response.header("content-length").map(str::parse::<u64>).transpose()?;
    if announced.unwrap_or(0) > BODY_LIMIT_BYTES {
        bail!("the answer is longer than {BODY_LIMIT_BYTES} bytes");
    }
    reader.take(announced.unwrap_or(BODY_LIMIT_BYTES)).read_to_end(&mut body)?;
    if announced.is_some_and(|length| length != body.len() as u64) {
        bail!("the answer was cut short after {} bytes", body.len());
    }
    Ok(body)
}

fn read_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    reader.take(64 * 1024).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        bail!("the connection was closed in the middle of a line");
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wire: &str, expect: Result<(u16, &str), ()>) {
        let got = read_response(&mut wire.as_bytes(), false);
        match (got, expect) {
            (Ok(r), Ok((status, body))) => {
                assert_eq!((r.status, &*String::from_utf8_lossy(&r.body)), (status, body))
            }
            (Err(_), Err(())) => {}
            (got, expect) => panic!("{wire:?}: {got:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn reads_answers() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Ok((200, "hi")));
        check("HTTP/1.1 200 OK\r\n\r\nto the end", Ok((200, "to the end")));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "")));
        check(
            "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n yo\r\n0\r\n\r\n",
            Ok((200, "hi yo")),
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Err(()));
        check("HTTP/1.1 200 OK\r\nContent-Le", Err(()));
        check("SSH-2.0\r\n\r\n", Err(()));
    }
}
