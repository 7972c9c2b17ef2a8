//! `Accept` and `Content-Type`: what Connect's server makes of them.

/// A media type or range with its parameters, quality left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    main: String,
    sub: String,
    parameters: Vec<(String, String)>,
    quality: u16,
}

impl MediaType {
    fn matches(&self, main: &str, sub: &str) -> bool {
        let fits = |range: &str, part: &str| range == "*" || range.eq_ignore_ascii_case(part);
        fits(&self.main, main) && fits(&self.sub, sub)
    }

    fn is_range(&self) -> bool {
        self.main == "*" || self.sub == "*"
    }

    fn rendered(&self) -> String {
        let mut text = format!("{}/{}", self.main.to_ascii_lowercase(), self.sub.to_ascii_lowercase());
        for (name, value) in &self.parameters {
            let plain = value.bytes().all(is_token_byte) && !value.is_empty();
            text.push_str(&if plain { format!(";{name}={value}") } else { format!(";{name}=\"{value}\"") });
        }
        text
    }
}

/// A header that is not of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What a `Content-Type` says about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// There is no such header.
    Missing,
    /// JSON.
    Json,
    /// A range that has room for JSON, such as `*/*`: it passes the first check but nobody can read it.
    Range,
    /// Anything else.
    Other,
}

/// Reads a `Content-Type`.
///
/// # Errors
/// When it is no media type.
pub fn body_type(header: Option<&str>) -> Result<BodyType, Malformed> {
    let Some(text) = header.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(BodyType::Missing);
    };
    let [item] = &split(text, ',')[..] else {
        return Err(Malformed);
    };
    let media = parse(item)?;
    Ok(match media.matches("application", "json") {
        true if media.is_range() => BodyType::Range,
        true => BodyType::Json,
        false => BodyType::Other,
    })
}

/// Media types that a client takes, best first. No header is everything.
#[derive(Clone, Debug)]
pub struct Accept(Vec<MediaType>);

impl Accept {
    /// Reads an `Accept`.
    ///
    /// # Errors
    /// When it is not a list of media types.
    pub fn parse(header: Option<&str>) -> Result<Self, Malformed> {
        let text = header.map_or("", str::trim);
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut all = Vec::new();
        for item in split(text, ',').iter().filter(|item| !item.trim().is_empty()) {
            all.push(if !item.contains(['/', ';']) { parse_word(item) } else { parse(item)? });
        }
        if all.is_empty() {
            return Err(Malformed);
        }
        let range = |media: &MediaType| (media.main == "*", media.sub == "*");
        all.sort_by_key(|media| (std::cmp::Reverse(media.quality), range(media)));
        Ok(Self(all))
    }

    /// The type of an answer in JSON: with the parameters the client asked for; none when it takes no JSON.
    pub fn json(&self) -> Option<String> {
        if self.0.is_empty() {
            return Some("application/json".to_owned());
        }
        let best = self.0.iter().find(|media| media.matches("application", "json"))?;
        Some(if best.is_range() { "application/json".to_owned() } else { best.rendered() })
    }

    /// The type of the answer to `OPTIONS`, and whether it is the one that has text.
    pub fn options(&self) -> (String, bool) {
        match self.0.first() {
            Some(best) if !best.matches("text", "plain") => {
                let ty =
                    if best.is_range() { "application/octet-stream".to_owned() } else { best.rendered() };
                (ty, false)
            }
            _ => ("text/plain".to_owned(), true),
        }
    }
}

/// In which form the server writes an error page for this header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageForm {
    /// HTML.
    Html,
    /// An object of texts.
    Json,
    /// Nothing.
    Empty,
}

/// The form of a page for the client; the header need not be well formed.
pub fn page_form(accept: Option<&str>) -> PageForm {
    let Some(text) = accept.map(str::trim).filter(|text| !text.is_empty()) else {
        return PageForm::Html;
    };
    for item in split(text, ',') {
        let name = item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "*/*" | "text/*" | "text/html" => return PageForm::Html,
            "application/json" | "text/json" => return PageForm::Json,
            _ => {}
        }
    }
    PageForm::Empty
}

/// Splits at a separator outside quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let here = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        here
    })
    .collect()
}

/// A word without a slash: `*` is everything, others are types that nobody has.
fn parse_word(item: &str) -> MediaType {
    let main = item.trim().to_owned();
    MediaType { main, sub: "*".to_owned(), parameters: Vec::new(), quality: 1000 }
}

fn parse(item: &str) -> Result<MediaType, Malformed> {
    let mut parts = split(item, ';').into_iter();
    let (main, sub) = parts.next().and_then(|name| name.trim().split_once('/')).ok_or(Malformed)?;
    if !is_token(main) || !is_token(sub) {
        return Err(Malformed);
    }
    let mut media =
        MediaType { main: main.to_owned(), sub: sub.to_owned(), parameters: Vec::new(), quality: 1000 };
    for parameter in parts.map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or(Malformed)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if !is_token(&name) {
            return Err(Malformed);
        }
        if name == "q" {
            media.quality = quality(value)?;
            continue;
        }
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        if quoted.is_none() && !is_token(value) {
            return Err(Malformed);
        }
        media.parameters.push((name, quoted.unwrap_or(value).replace("\\", "")));
    }
    Ok(media)
}

/// Thousandths; at most three decimals.
fn quality(text: &str) -> Result<u16, Malformed> {
    let value: f64 = text.parse().map_err(|_| Malformed)?;
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if !(0.0..=1.0).contains(&value) || decimals > 3 {
        return Err(Malformed);
    }
    Ok((value * 1000.0).round() as u16)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiates_json_as_the_server_does() {
        let check = |accept: Option<&str>, expect: Result<Option<&str>, Malformed>| {
            let got = Accept::parse(accept).map(|accept| accept.json());
            assert_eq!(got, expect.map(|e| e.map(str::to_owned)), "{accept:?}");
        };
        let json = Ok(Some("application/json"));
        check(None, json);
        check(Some(""), json);
        check(Some("*/*"), json);
        check(Some("*"), json);
        check(Some("application/*"), json);
        check(Some("application/*;charset=x"), json);
        check(Some("APPLICATION/JSON"), json);
        check(Some("*/json"), json);
        check(Some("text/html, application/json;q=0.5"), json);
        check(Some("application/json;q=0"), json);
        check(Some("application/json,"), json);
        check(Some("application/json;"), json);
        check(Some("application/json;Q=0.5"), json);
        check(Some("application/json;charset=\"utf-8\""), Ok(Some("application/json;charset=utf-8")));
        check(
            Some("application/json; charset=UTF-8; foo=bar"),
            Ok(Some("application/json;charset=UTF-8;foo=bar")),
        );
        check(Some("application/json;v=1,application/json"), Ok(Some("application/json;v=1")));
        check(Some("application/json;x=\"a,b\""), Ok(Some("application/json;x=\"a,b\"")));
        check(Some("text/plain"), Ok(None));
        check(Some("nonsense"), Ok(None));
        check(Some("application/vnd.x+json"), Ok(None));
        for bad in [
            "a/b/c",
            ",",
            "a/",
            ";q=1",
            "application/json;q",
            "application/json;q=2",
            "application/json;q=abc",
            "application/json;q=0.1234",
            "*/*, a/b/c",
        ] {
            check(Some(bad), Err(Malformed));
        }
    }

    #[test]
    fn knows_json_bodies() {
        let check = |header: &str, expect| assert_eq!(body_type(Some(header)), expect, "{header}");
        check("application/json", Ok(BodyType::Json));
        check("application/json; charset=utf-8", Ok(BodyType::Json));
        check("application/json;", Ok(BodyType::Json));
        check("", Ok(BodyType::Missing));
        check("application/*", Ok(BodyType::Range));
        check("*/*", Ok(BodyType::Range));
        check("text/json", Ok(BodyType::Other));
        check("application/merge-patch+json", Ok(BodyType::Other));
        for bad in [
            "nonsense",
            "a/b/c",
            "application/json,text/plain",
            "application/json; charset",
            "/json",
            "application/",
        ] {
            check(bad, Err(Malformed));
        }
    }
}
