//! Cross-origin requests, as Connect's server answers them with `access.control.allow.*`.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use raccord_config::JavaRegex;
use raccord_plugin::{Error, RawConfig};

/// Which origins may read answers.
#[derive(Clone, Debug)]
pub struct Cors {
    /// None lets all in.
    origins: Option<Vec<JavaRegex>>,
    methods: HeaderValue,
}

impl Cors {
    /// Reads the keys; none when cross-origin requests are not configured.
    ///
    /// # Errors
    /// Config, when an origin is no regular expression or a method no method.
    pub fn read(worker: &RawConfig) -> Result<Option<Self>, Error> {
        let key = "access.control.allow.origin";
        let Some(origins) = worker.get(key).filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        let patterns: Vec<&str> = origins.split(',').map(str::trim).collect();
        let origins = if patterns.contains(&"*") {
            None
        } else {
            let compile = |pattern: &&str| {
                JavaRegex::case_insensitive(pattern).map_err(|error| {
                    Error::config(format!("{key} has {pattern:?}, which is not a regular expression"))
                        .hint("origins are regular expressions: write https?://.*\\.example\\.org or *")
                        .caused_by(error)
                })
            };
            Some(patterns.iter().map(compile).collect::<Result<_, _>>()?)
        };
        let key = "access.control.allow.methods";
        let methods =
            worker.get(key).map(str::trim).filter(|text| !text.is_empty()).unwrap_or("GET,POST,HEAD");
        let methods: Vec<&str> = methods.split(',').map(str::trim).collect();
        let methods = HeaderValue::from_str(&methods.join(","))
            .map_err(|error| Error::config(format!("{key} is not a list of methods")).caused_by(error))?;
        Ok(Some(Self { origins, methods }))
    }

    /// The headers that the answer to a request gets.
    pub fn answer(&self, method: &str, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(header::VARY, HeaderValue::from_static("Origin"))];
        let Some(origin) = request.get(header::ORIGIN).filter(|origin| self.allows(origin)) else {
            return headers;
        };
        headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        if method == "OPTIONS" && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            headers.push((header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone()));
            headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type")));
            headers.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("60")));
        }
        headers
    }

    /// A header may name several origins; one that fits is enough.
    fn allows(&self, origins: &HeaderValue) -> bool {
        let Some(patterns) = &self.origins else {
            return true;
        };
        let Ok(origins) = origins.to_str() else {
            return false;
        };
        // A pattern that runs out of its bound of backtracking steps does not fit.
        origins
            .split(' ')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .any(|origin| patterns.iter().any(|pattern| pattern.full_match(origin).unwrap_or(false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_origins_apart() {
        let cors = |origins: &str| {
            Cors::read(&RawConfig::from([("access.control.allow.origin", origins.to_owned())])).unwrap()
        };
        assert!(cors(" ").is_none());
        let check = |origins: &str, origin: &'static str, expect: bool| {
            let allowed = cors(origins).unwrap().allows(&HeaderValue::from_static(origin));
            assert_eq!(allowed, expect, "{origins} {origin}");
        };
        let some = "http://console.example,https://.*\\.example\\.org";
        check(some, "http://console.example", true);
        check(some, "HTTP://CONSOLE.EXAMPLE", true);
        check(some, "https://a.b.example.org", true);
        check(some, "https://aXexample.org", false);
        check(some, "http://console.example:8080", false);
        check(some, "http://evil.example http://console.example", true);
        check(some, "", false);
        check("*", "http://anything", true);
        let bad = RawConfig::from([("access.control.allow.origin", "(".to_owned())]);
        assert!(Cors::read(&bad).is_err());
    }
}
