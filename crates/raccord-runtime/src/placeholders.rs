//! `${provider:path:key}` in config values, found as Kafka's ConfigTransformer finds it: by the pattern
//! `\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}`.

/// A placeholder in a text.
#[derive(Debug, PartialEq)]
pub(crate) struct Placeholder<'a> {
    /// Where it begins.
    pub(crate) start: usize,
    /// Where the text goes on.
    pub(crate) end: usize,
    /// The provider's name.
    pub(crate) provider: &'a str,
    /// The path; empty when there is none.
    pub(crate) path: &'a str,
    /// The key.
    pub(crate) key: &'a str,
}

impl<'a> Placeholder<'a> {
    /// The first one in the text.
    pub(crate) fn find(text: &'a str) -> Option<Self> {
        let mut from = 0;
        loop {
            let start = from + text[from..].find("${")?;
            let end = start + text[start..].find('}')? + 1;
            let inner = &text[start + 2..end - 1];
            if let Some((provider, rest)) = inner.split_once(':') {
                let (path, key) = rest.split_once(':').unwrap_or(("", rest));
                return Some(Self { start, end, provider, path, key });
            }
            from = start + 2;
        }
    }
}

/// Whether a text contains one.
pub(crate) fn has_any(text: &str) -> bool {
    Placeholder::find(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_placeholders() {
        let check = |text, expect: Option<(&str, &str, &str)>| {
            let found = Placeholder::find(text).map(|found| (found.provider, found.path, found.key));
            assert_eq!(found, expect, "{text}");
        };
        check("${env:HOME}", Some(("env", "", "HOME")));
        check("a ${file:/x:k} b", Some(("file", "/x", "k")));
        check("${file:/x:k:l}", Some(("file", "/x", "k:l")));
        check("${topic}-x", None);
        check("${topic}-${env:A}", Some(("env", "", "A")));
        check("${:}", Some(("", "", "")));
        check("${env:A", None);
        check("$env:A}", None);
        check("", None);
    }
}
