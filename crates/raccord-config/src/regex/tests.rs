use super::*;

fn regex(pattern: &str) -> JavaRegex {
    JavaRegex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

#[test]
fn speaks_javas_words() {
    let check = |pattern: &str, expect: Result<(), &str>| {
        assert_eq!(check_regex(pattern), expect.map_err(str::to_owned), "{pattern}");
    };
    check("a.*|[b-c]+(?:d)", Ok(()));
    check("(?<!a)b++", Ok(()));
    check("(", Err("Unclosed group near index 1\n("));
    check("a(b", Err("Unclosed group near index 3\na(b"));
    check("*a", Err("Dangling meta character '*' near index 0\n*a\n^"));
    check("a|+b", Err("Dangling meta character '+' near index 2\na|+b\n  ^"));
    check("[a", Err("Unclosed character class near index 1\n[a\n ^"));
    check("a)", Err("Unmatched closing ')' near index 0\na)\n^"));
}

#[test]
fn null_is_javas_null_pointer() {
    assert_eq!(
        Validator::regex().check("regex", &Value::Null),
        Err("Invalid value null for configuration regex: Invalid regex: Cannot invoke \"String.isEmpty()\" because \
             \"this.pattern\" is null"
            .to_owned())
    );
}

#[test]
fn plain_patterns_run_in_linear_time() {
    for pattern in
        ["orders", "a|b", "db\\.(public|sales)\\..*", "^a.*z$", "(?i)x{2,3}?", "[a-z&&[^b]]+", "\\bx\\b"]
    {
        assert!(regex(pattern).is_linear(), "{pattern}");
    }
    for pattern in ["(?!a).*", "(a)\\1", "a++", "(?>a)"] {
        assert!(!regex(pattern).is_linear(), "{pattern}");
    }
}

#[test]
fn a_search_without_end_is_given_up() {
    let text = "a".repeat(40);
    let error = regex("(?:a+)+(?=b)").full_match(&text).unwrap_err();
    assert!(error.message.contains("took too many steps on a text of 40 bytes"), "{error}");
    // What the linear engine takes needs no limit.
    assert_eq!(regex("(a+)+b").full_match(&text), Ok(false));
}

#[test]
fn the_whole_text_matches_or_not() {
    let check = |pattern: &str, text: &str, expect: bool| {
        assert_eq!(regex(pattern).full_match(text), Ok(expect), "{pattern} on {text}");
    };
    check("a|ab", "ab", true);
    check("a", "ab", false);
    check("a$", "a\n", false);
    check("a$\n", "a\n", true);
    check("(?!internal).*", "internal-x", false);
    check("(?!internal).*", "x-internal", true);
    assert_eq!(regex("a$").find("a\n"), Ok(true));
    assert_eq!(JavaRegex::case_insensitive("DB\\.x").unwrap().full_match("db.X"), Ok(true));
}

#[test]
fn replaces_as_java_does() {
    let check = |pattern: &str, text: &str, replacement: &str, expect: Result<&str, &str>| {
        let regex = regex(pattern);
        let actual = regex.replace_all(text, &regex.replacement(replacement));
        let actual = actual.as_deref().map_err(|error| error.message.as_str());
        assert_eq!(actual, expect, "{pattern} on {text}");
    };
    check("(.*)-(\\d+)", "orders-12", "$2.$1", Ok("12.orders"));
    check("(?<t>.*)", "x", "out.${t}", Ok("out.xout."));
    check("a*", "baac", "X", Ok("XbXXcX"));
    check("(a)", "a", "$12", Ok("a2"));
    check("a", "a", "$3", Err("No group 3"));
    check("a", "a", "$x", Err("Illegal group reference"));
    check("a", "b", "$x", Ok("b"));
    check("a", "a", "\\$1\\\\", Ok("$1\\"));
}

#[test]
fn what_never_matches_can_be_repeated() {
    for pattern in ["\\1*a", "(?:\\2)*(a)", "[a&&[b]]*a", "(?!b)[a&&[b]]*a", "(?=a)*a", "(?:^)*a"] {
        assert_eq!(regex(pattern).full_match("a"), Ok(true), "{pattern}");
    }
}
