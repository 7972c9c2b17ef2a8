//! `${provider:path:key}` in config values.

/// Whether a text contains a placeholder as Kafka's ConfigTransformer finds them: `${`, a provider, a colon, and more up
/// to the next `}`.
pub fn has_any(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        rest = &rest[start + 2..];
        let Some(end) = rest.find('}') else { return false };
        if rest[..end].contains(':') {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_placeholders() {
        let check = |text, expect| assert_eq!(has_any(text), expect, "{text}");
        check("${env:HOME}", true);
        check("a ${file:/x:k} b", true);
        check("${topic}-x", false);
        check("${topic}-${env:A}", true);
        check("${env:A", false);
        check("$env:A}", false);
        check("", false);
    }
}
