//! `raccord healthcheck`: exit code 0 when the worker is healthy, without curl in the container.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::args::Healthcheck;

/// How long the worker may take to answer; Connect's own limit for `GET /health`.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `GET /health`.
pub fn run(arguments: Healthcheck) -> Result<()> {
    let Some(address) = arguments.url.strip_prefix("http://") else {
        bail!("{} is not a http:// address: the health check asks the plain listener", arguments.url);
    };
    let host = address.trim_end_matches('/');
    let target = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:8083")
    };
    let answer = ask(&target).with_context(|| format!("no answer from {target}"))?;
    let status = answer.split_ascii_whitespace().nth(1).unwrap_or("nothing");
    if status != "200" {
        bail!("{target} answered {status}: {}", answer.rsplit("\r\n\r\n").next().unwrap_or_default());
    }
    Ok(())
}

fn ask(target: &str) -> Result<String> {
    let address = target.to_socket_addrs()?.next().context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}
