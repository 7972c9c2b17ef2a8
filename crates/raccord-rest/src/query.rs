//! The query of a request.

/// Parameters in order, decoded. What is not properly encoded stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark.
    pub fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A flag as Java reads booleans: `true` in any case is true, an empty one is the default, the rest is false.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        match self.first(name) {
            None | Some("") => default,
            Some(value) => value.eq_ignore_ascii_case("true"),
        }
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'+', ..) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 2;
            }
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parameters_leniently() {
        let query = Query::parse("expand=info&expand=status&a+b=c%20d&x&y=%zz&t=TRUE&n=yes&e=");
        assert_eq!(query.all("expand").collect::<Vec<_>>(), ["info", "status"]);
        assert_eq!(query.first("a b"), Some("c d"));
        assert_eq!(query.first("x"), Some(""));
        assert_eq!(query.first("y"), Some("%zz"));
        assert_eq!(query.first("z"), None);
        assert!(query.flag("t", false));
        assert!(!query.flag("n", true));
        assert!(query.flag("e", true));
        assert!(!query.flag("missing", false));
    }
}
