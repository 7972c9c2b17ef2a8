//! JAAS configurations: login modules with options, in the syntax of `javax.security.auth.login.Configuration`. Files
//! hold named entries of them; Kafka's `sasl.jaas.config` is a single one.

use std::collections::HashMap;
use std::iter::Peekable;

/// What a module's outcome means for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It must succeed; the others are asked all the same.
    Required,
    /// It must succeed, and nobody else is asked when it does not.
    Requisite,
    /// When it succeeds nobody else is asked.
    Sufficient,
    /// Its outcome does not matter.
    Optional,
}

/// A login module of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The Java class.
    pub class: String,
    /// What its outcome means.
    pub flag: Flag,
    /// What it is told; may hold passwords.
    pub options: HashMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
}

/// The entries of a file in order.
///
/// # Errors
/// What is wrong, in words; may quote the text.
pub fn parse(text: &str) -> Result<Vec<(String, Vec<Module>)>, String> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let mut entries = Vec::new();
    while tokens.peek().is_some() {
        let name = word(&mut tokens, "the name of an entry")?;
        mark(&mut tokens, '{')?;
        let mut modules = Vec::new();
        while tokens.next_if_eq(&Token::Mark('}')).is_none() {
            modules.push(module(&mut tokens)?);
        }
        mark(&mut tokens, ';')?;
        entries.push((name, modules));
    }
    Ok(entries)
}

/// The login module of a `sasl.jaas.config`.
///
/// # Errors
/// What is wrong, in words that quote nothing, since the text holds passwords.
pub fn parse_module(text: &str) -> Result<Module, &'static str> {
    const FORM: &str =
        "it is not of the form `CLASS required option=\"value\" ...;` (is a quote or the semicolon missing?)";
    let mut tokens = tokens(text).map_err(|_| FORM)?.into_iter().peekable();
    let module = module(&mut tokens).map_err(|_| FORM)?;
    match tokens.peek() {
        None => Ok(module),
        Some(_) => Err("it has more than one login module"),
    }
}

fn module(tokens: &mut Peekable<impl Iterator<Item = Token>>) -> Result<Module, String> {
    let class = word(tokens, "a login module")?;
    let flag = word(tokens, "a flag")?;
    let flag = match flag.to_ascii_lowercase().as_str() {
        "required" => Flag::Required,
        "requisite" => Flag::Requisite,
        "sufficient" => Flag::Sufficient,
        "optional" => Flag::Optional,
        _ => {
            return Err(format!(
                "has {flag:?} as the flag of {class}; it is required, requisite, sufficient or optional"
            ));
        }
    };
    let mut options = HashMap::new();
    while tokens.next_if_eq(&Token::Mark(';')).is_none() {
        let name = word(tokens, "an option")?;
        mark(tokens, '=')?;
        options.insert(name, word(tokens, "the value of an option")?);
    }
    Ok(Module { class, flag, options })
}

fn word(tokens: &mut impl Iterator<Item = Token>, what: &str) -> Result<String, String> {
    match tokens.next() {
        Some(Token::Word(word)) => Ok(word),
        Some(Token::Mark(mark)) => Err(format!("has {mark:?} in the place of {what}")),
        None => Err(format!("ends where {what} is expected")),
    }
}

fn mark(tokens: &mut impl Iterator<Item = Token>, expect: char) -> Result<(), String> {
    match tokens.next() {
        Some(Token::Mark(found)) if found == expect => Ok(()),
        Some(Token::Mark(found)) => Err(format!("has {found:?} in the place of {expect:?}")),
        Some(Token::Word(word)) => Err(format!("has {word:?} in the place of {expect:?}")),
        None => Err(format!("ends where {expect:?} is expected")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c.is_whitespace() {
            rest = after;
        } else if c == '#' || rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").ok_or("has a comment without end")?.1;
        } else if "{};=".contains(c) {
            tokens.push(Token::Mark(c));
            rest = after;
        } else if c == '"' || c == '\'' {
            let (word, behind) = quoted(after, c)?;
            tokens.push(Token::Word(word));
            rest = behind;
        } else {
            let ends = |c: char| c.is_whitespace() || "{};=\"'".contains(c);
            let end = rest.find(ends).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    Ok(tokens)
}

fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' => word.extend(chars.next().map(|(_, c)| c)),
            '\n' => break,
            c if c == quote => return Ok((word, &text[index + 1..])),
            c => word.push(c),
        }
    }
    Err("has a quote without end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_single_module_and_quotes_nothing_when_it_cannot() {
        let module = parse_module(
            r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="al=ice" password="s\"e;c" ;"#,
        )
        .unwrap();
        assert_eq!(module.options["username"], "al=ice");
        assert_eq!(module.options["password"], "s\"e;c");
        for bad in
            ["", "X", "X required pass word;", "X required p=\"pa55", "X required p=pa55", "X never p=pa55;"]
        {
            assert!(!parse_module(bad).unwrap_err().contains("pa55"), "{bad}");
        }
        assert!(parse_module("X required; Y required;").unwrap_err().contains("more than one"));
    }

    #[test]
    fn reads_entries() {
        let text = "/* two */ KafkaClient { a.B required x=\"y z\" n=1; };\n# one\nKafkaConnect {\n  // a module\n  \
                    c.D$E sufficient file='/a\\\\b';\n f.G optional; };";
        let entries = parse(text).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].1[0].options["x"], "y z");
        assert_eq!(entries[1].0, "KafkaConnect");
        assert_eq!(entries[1].1[0].class, "c.D$E");
        assert_eq!(entries[1].1[0].options["file"], "/a\\b");
        assert_eq!(entries[1].1[1].flag, Flag::Optional);
        for bad in [
            "X",
            "X {",
            "X { a required",
            "X { a required; }",
            "X { a required x; };",
            "X { a \"b };",
            "/* x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
