//! Listeners: their URLs, their sockets, and the URL under which others reach this worker.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use raccord_plugin::Error;

use crate::settings::Advertised;

/// One URL of `listeners` or `admin.listeners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// https.
    pub tls: bool,
    /// Host or address without brackets; empty for all interfaces.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// The key it comes from.
    pub key: &'static str,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.protocol(), bracketed(&self.host), self.port)
    }
}

/// A host as it stands in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

impl Listener {
    /// `http` or `https`.
    pub fn protocol(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Reads a list of URLs.
    ///
    /// # Errors
    /// Config, in Connect's words, with the key and the URL.
    pub fn parse_list(key: &'static str, text: &str) -> Result<Vec<Self>, Error> {
        text.split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(|url| Self::parse(key, url))
            .collect()
    }

    fn parse(key: &'static str, url: &str) -> Result<Self, Error> {
        let wrong = |text: &str| {
            Error::config(format!("{text} {key} has {url:?}")).hint("write it like http://localhost:8083")
        };
        let form = "Listener doesn't have the right format (protocol://hostname:port).";
        let (protocol, address) = url.split_once("://").ok_or_else(|| wrong(form))?;
        let tls = match protocol.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("Listener protocol must be either \"http\" or \"https\".")),
        };
        let (host, port) = address.trim_end_matches('/').rsplit_once(':').ok_or_else(|| wrong(form))?;
        let host = host.strip_prefix('[').unwrap_or(host);
        let host = host.strip_suffix(']').unwrap_or(host);
        let named = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
        if !host.chars().all(named) {
            return Err(wrong(form));
        }
        let port = port.parse().map_err(|_| wrong(form))?;
        Ok(Self { tls, host: host.to_owned(), port, key })
    }

    /// Opens the socket.
    ///
    /// # Errors
    /// Fatal, naming address, key and remedy.
    pub fn bind(&self) -> Result<std::net::TcpListener, Error> {
        let bound = self.addresses().and_then(|addresses| {
            let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host name has no address");
            for address in addresses {
                match std::net::TcpListener::bind(address) {
                    Ok(socket) => return Ok(socket),
                    // Without IPv6 all interfaces are those of IPv4.
                    Err(error) => last = error,
                }
            }
            Err(last)
        });
        let socket = bound.map_err(|error| self.cannot_listen(error))?;
        socket.set_nonblocking(true).map_err(|error| self.cannot_listen(error))?;
        Ok(socket)
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if self.host.is_empty() {
            let any = [(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()];
            return Ok(any.to_vec());
        }
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }

    fn cannot_listen(&self, error: io::Error) -> Error {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program listens there: stop it, or give {} another port (port 0 takes any free one)",
                self.key
            ),
            io::ErrorKind::PermissionDenied => {
                format!(
                    "the system does not allow this user to listen there: give {} a port above 1023",
                    self.key
                )
            }
            _ => format!("give {} a host name or address of this machine", self.key),
        };
        Error::fatal(format!("cannot listen at {self} ({}): {error}", self.key)).hint(hint)
    }
}

/// The URL to advertise, made of what is set and of the first listener with the protocol. `bound` are the listeners with
/// the ports they got.
pub fn advertised_url(advertised: &Advertised, bound: &[(Listener, SocketAddr)]) -> String {
    let http = bound.iter().any(|(listener, _)| !listener.tls);
    let default = if http { "http" } else { "https" };
    let protocol = advertised.protocol.as_deref().unwrap_or(default);
    let matching = bound.iter().find(|(listener, _)| listener.protocol() == protocol).or(bound.first());
    let host = advertised
        .host
        .clone()
        .or_else(|| matching.map(|(listener, _)| listener.host.clone()).filter(|host| !host.is_empty()))
        .unwrap_or_else(own_address);
    let port = advertised.port.or_else(|| matching.map(|(_, address)| address.port())).unwrap_or(8083);
    format!("{protocol}://{}:{port}/", bracketed(&host))
}

/// An address of this machine that others may reach, as a listener on all interfaces has none of its own. A UDP socket
/// that is connected sends nothing, but knows the address it would send from.
fn own_address() -> String {
    let probe = || -> io::Result<SocketAddr> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    probe().map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        let check = |url: &str, expect: Option<(bool, &str, u16)>| {
            let got = Listener::parse("listeners", url).ok().map(|l| (l.tls, l.host, l.port));
            assert_eq!(got, expect.map(|(tls, host, port)| (tls, host.to_owned(), port)), "{url}");
        };
        check("http://:8083", Some((false, "", 8083)));
        check("HTTPS://host.example:0", Some((true, "host.example", 0)));
        check("http://[::1]:8083", Some((false, "::1", 8083)));
        check("http://0.0.0.0:1", Some((false, "0.0.0.0", 1)));
        check("http://host", None);
        check("host:8083", None);
        check("ftp://host:1", None);
        check("http://host:99999", None);
        check("http://ho st:1", None);
    }

    #[test]
    fn a_taken_port_is_one_clear_line() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let listener = Listener::parse("listeners", &format!("http://127.0.0.1:{port}")).unwrap();
        let error = listener.bind().unwrap_err();
        assert!(
            error.message().starts_with(&format!("cannot listen at http://127.0.0.1:{port} (listeners):")),
            "{error}"
        );
        assert!(error.hint_text().unwrap().contains("another port"), "{error:?}");
    }

    #[test]
    fn advertises_what_others_can_reach() {
        let bound = |url: &str| {
            let listener = Listener::parse("listeners", url).unwrap();
            let address =
                SocketAddr::from(([127, 0, 0, 1], if listener.port == 0 { 4711 } else { listener.port }));
            (listener, address)
        };
        let check = |urls: &[&str], advertised: Advertised, expect: &str| {
            let bound: Vec<_> = urls.iter().map(|url| bound(url)).collect();
            assert_eq!(advertised_url(&advertised, &bound), expect);
        };
        let none = Advertised::default;
        check(&["http://a:1"], none(), "http://a:1/");
        check(&["http://a:0"], none(), "http://a:4711/");
        check(&["https://a:1", "http://b:2"], none(), "http://b:2/");
        check(&["https://a:1"], none(), "https://a:1/");
        check(&["http://[::1]:1"], none(), "http://[::1]:1/");
        check(
            &["https://a:1", "http://b:2"],
            Advertised { protocol: Some("https".into()), ..none() },
            "https://a:1/",
        );
        check(&["http://:1"], Advertised { host: Some("x".into()), port: Some(9), ..none() }, "http://x:9/");
    }
}
